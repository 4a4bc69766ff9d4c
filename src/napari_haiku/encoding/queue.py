"""Several slides one after another; one that fails does not stop the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_haiku.encoding.pieces import Computing
    from napari_haiku.encoding.request import EncodeRequest, EncodeResult
    from napari_haiku.model.base import TissueModel


@dataclass(frozen=True)
class QueuedSlide:
    """A slide that waits for its turn.

    Parameters
    ----------
    name : str
        What to call it in messages and in the final table; carries no patient.
    open : callable
        Opens its images and returns the request; called when its turn comes,
        so that a damaged file fails alone.
    """

    name: str
    open: Callable[[], EncodeRequest]


@dataclass(frozen=True)
class QueueOutcome:
    """What became of one slide.

    Parameters
    ----------
    name : str
        As queued.
    output : Path or None
        Its encoding; None where its images could not even be opened.
    result : EncodeResult or None
        What encoding it left; None where it failed.
    reason : str
        Why it failed, one sentence; "" where it did not.
    """

    name: str
    output: Path | None
    result: EncodeResult | None
    reason: str

    @property
    def failed(self) -> bool:
        """Whether the slide could not be encoded."""
        return self.result is None


def encode_queue(
    slides: Sequence[QueuedSlide],
    model: TissueModel,
    *,
    computing: Computing | None = None,
    on_failure: Callable[[QueueOutcome], object] | None = None,
) -> Job[tuple[QueueOutcome, ...]]:
    """Encode slide after slide.

    The same call again goes on where an interrupted one stopped: finished
    slides are recognised, started ones resumed, failed ones tried again.

    Parameters
    ----------
    slides : sequence of QueuedSlide
        In order.
    model : TissueModel
        The towers.
    computing : Computing, optional
        See :func:`napari_haiku.encoding.pipeline.encode_slide`.
    on_failure : callable, optional
        Told of a failing slide at once.

    Yields
    ------
    Progress
        Of the slide at hand.

    Returns
    -------
    tuple of QueueOutcome
        One per slide, in order.
    """
    outcomes = []
    for number, slide in enumerate(slides, 1):
        doing = f"Encoding slide {number} of {len(slides)}"
        yield Progress(0, 0, doing)
        output, result, reason = None, None, ""
        try:
            request = slide.open()
            output = request.output
            job = encode_slide(request, model, computing=computing)
            while True:
                try:
                    report = next(job)
                except StopIteration as stop:
                    result = stop.value
                    break
                yield Progress(report.done, report.total, doing, report.unit)
        except HaikuError as error:
            reason = str(error)
        outcomes.append(QueueOutcome(slide.name, output, result, reason))
        if result is None and on_failure is not None:
            on_failure(outcomes[-1])
    return tuple(outcomes)
