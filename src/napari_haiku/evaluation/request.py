"""What an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from pathlib import Path

HONEST, PUBLISHED = "honest", "published"
PROTOCOLS = (HONEST, PUBLISHED)


@dataclass(frozen=True)
class EvaluateRequest:
    """What to evaluate, and how.

    Parameters
    ----------
    source : Path
        An atlas, or a cohort manifest from which one is built.
    output : Path
        Folder of the report; of the atlas too where one is built.
    model : str or None
        Model by name or folder; None for the default one, or for none at all
        where the atlas comes from another model.
    fit : Path or None
        Cohort manifest or atlas on which heads are fitted; its patients must be
        others than those of `source`.
    tasks : tuple of str or None
        Tasks asked for by name; None for every task that the cohort allows.
    protocol : {"honest", "published"}
        Own patient out of every gallery and patient-wise splits, or the
        paper's own protocol.
    time, event, censor : str or None
        Survival columns: months; what happened; or what marks censoring.
    labels : tuple of str
        Fields to classify; chosen from the records where empty.
    gallery : int or None
        Evaluate on exactly so many patches, drawn by the seed over all slides.
    seed : int
        Seed of everything drawn.
    resamples : int
        Resamples of the patients behind every interval.
    device : str
        Where the model works.
    pixel_size_um : float or None
        Pixel size of images that do not say.
    """

    source: Path
    output: Path
    model: str | None = None
    fit: Path | None = None
    tasks: tuple[str, ...] | None = None
    protocol: str = HONEST
    time: str | None = None
    event: str | None = None
    censor: str | None = None
    labels: tuple[str, ...] = ()
    gallery: int | None = None
    seed: int = 0
    resamples: int = 1000
    device: str = "auto"
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise HaikuError(
                f"There is no protocol '{self.protocol}': choose {' or '.join(PROTOCOLS)}."
            )
        if self.gallery is not None and self.gallery < 2:
            raise HaikuError(f"A gallery of {self.gallery} patches ranks nothing: ask for more.")
        if self.event is not None and self.censor is not None:
            raise HaikuError(
                "Both --event and --censor were given: name the column of events or that of "
                "censoring, not both."
            )
        if self.seed < 0:
            raise HaikuError(f"Seed {self.seed} is negative: choose 0 or larger.")
        if self.resamples < 1:
            raise HaikuError(f"{self.resamples} resamples give no interval: ask for more.")

    @property
    def published(self) -> bool:
        """Whether the paper's own protocol was asked for."""
        return self.protocol == PUBLISHED
