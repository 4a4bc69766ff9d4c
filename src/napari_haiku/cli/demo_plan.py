"""What a demo run is about: the slide, the evidence, and where the results go."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from napari_haiku.clinical import Record

Box = tuple[float, float, float, float]
_PATHS = ("he", "mif", "encoding", "atlas")


@dataclass(frozen=True)
class DemoPlan:
    """One journey, ready to be walked in the window.

    Parameters
    ----------
    he, mif : Path
        Images of the slide; `mif` may be None.
    encoding, atlas : Path
        Already made, so that the window does nothing twice.
    model : str
        Name or folder.
    record : dict of str to str
        Clinical record.
    at_um : tuple of float
        Where to click for similar tissue.
    marker : str
        Which biomarker map to show.
    clusters : int
        Number of niches.
    edits : dict of str to str
        The counterfactual edit.
    within_patient_um : float or None
        Gap within the slide's own patient.
    region_um : tuple of float or None
        Only patches centred here are predicted.
    seed : int
        Seed of everything drawn.
    notice : str
        Sentence that every picture carries.
    """

    he: Path
    mif: Path | None
    encoding: Path
    atlas: Path
    model: str
    record: Record
    at_um: tuple[float, float]
    marker: str
    clusters: int
    edits: Record
    within_patient_um: float | None
    region_um: Box | None
    seed: int
    notice: str = ""

    def write(self, path: Path) -> None:
        """Write the plan for the process that opens the window."""
        content = asdict(self)
        for name in _PATHS:
            content[name] = None if content[name] is None else str(Path(content[name]).resolve())
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> DemoPlan:
        """Read a plan back."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in _PATHS:
            content[name] = None if content[name] is None else Path(content[name])
        for name in ("at_um", "region_um"):
            content[name] = None if content[name] is None else tuple(content[name])
        return cls(**content)
