"""Consecutive patches of a slide, computed on this machine; pieces never cross a chunk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from napari_haiku.encoding.conditions import conditions_of
from napari_haiku.encoding.flow import Flow
from napari_haiku.encoding.passes import BatchSize, batch_size_for, pass_thread, passes_at_once
from napari_haiku.encoding.towers import Rows, Towers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_haiku.encoding.clock import Clock
    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """Rows of the patches [start, stop) and on what they were computed."""

    start: int
    stop: int
    rows: Rows
    conditions: dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What pieces are asked of.

    Parameters
    ----------
    request : EncodeRequest
        The slide.
    encoding : Encoding
        Where its patches lie, and how it is described.
    spans : list of tuple
        Chunks still to do, as (first patch, one behind the last).
    reduced : dict
        Batch size that an earlier run of the same batch size was reduced to:
        ``{asked: reduced}``.
    """

    request: EncodeRequest
    encoding: Encoding
    spans: list[Span]
    reduced: Mapping[int, int]


class Computing(Protocol):
    """Where pieces are computed: this machine, or others."""

    def pieces(self, work: Work, clock: Clock) -> AbstractContextManager[Iterable[Piece | None]]:
        """Open the stream of pieces in order, with None where the next is long in coming."""


class OnThisMachine:
    """Computes pieces here: one thread reads, others run the towers.

    Parameters
    ----------
    model : TissueModel
        The towers.
    """

    def __init__(self, model: TissueModel) -> None:
        self._model = model

    @contextmanager
    def pieces(self, work: Work, clock: Clock) -> Iterator[Iterable[Piece | None]]:
        """Compute one piece per batch; batches never cross a chunk."""
        encoding = work.encoding
        towers = Towers(work.request, self._model, encoding.planned_grid, encoding.description)
        with computed(
            self._model, towers, work.spans, work.request.batch_size, work.reduced, clock
        ) as pieces:
            yield pieces


@contextmanager
def computed(
    model: TissueModel,
    towers: Towers,
    spans: Iterable[Span],
    batch_size: int | None,
    reduced: Mapping[int, int],
    clock: Clock,
) -> Iterator[Iterable[Piece | None]]:
    """Compute chunks on this machine, one piece per batch.

    Parameters
    ----------
    model, towers
        What computes.
    spans : iterable of tuple
        The chunks.
    batch_size : int, optional
        Patches per pass; by the device when None.
    reduced : mapping
        See :class:`Work`.
    clock : Clock
        Told how long each step takes.
    """
    asked = batch_size or batch_size_for(model)
    batch = BatchSize(asked, reduced.get(asked))

    def read(span: Span) -> Mapping[str, NDArray[Any]]:
        with clock.measure("read"):
            return towers.read(*span)

    def compute(span: Span, patches: Mapping[str, NDArray[Any]]) -> Piece:
        with clock.measure("encode"):
            rows, used = batch.run(span[1] - span[0], partial(towers.encode, patches))
        return Piece(*span, rows, conditions_of(model, used, asked))

    with Flow(
        batches(spans, asked),
        read,
        compute,
        workers=passes_at_once(model),
        each_worker=partial(pass_thread, model),
    ) as flow:
        yield flow.results()


def batches(spans: Iterable[Span], size: int) -> list[Span]:
    """Cut chunks into batches, so that a resumed run computes the same ones."""
    return [
        (start, min(start + size, last))
        for first, last in spans
        for start in range(first, last, size)
    ]
