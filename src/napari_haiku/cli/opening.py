"""Atlas, encoding and model of a command: what needs no model is opened, and refused, first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.cli.reporting import Report
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel

DEMO = "demo"
LOADING = "Loading the model ..."


def atlas_place(given: Path) -> Path:
    """Folder of the atlas that is meant: ``demo`` is the one that ships with the package.

    An atlas of that name in the folder at hand goes first.
    """
    from napari_haiku.atlas.layout import DESCRIPTION

    if str(given) == DEMO and not (given / DESCRIPTION).is_file():
        from napari_haiku.atlas.shipped import shipped_atlas

        return shipped_atlas()
    return given


def is_atlas(given: Path) -> bool:
    """Whether a command that takes encodings or an atlas was given an atlas."""
    from napari_haiku.atlas.layout import DESCRIPTION

    return (atlas_place(given) / DESCRIPTION).is_file()


def opened_atlas(given: Path) -> Atlas:
    """Open the atlas that was named on the command line.

    Raises
    ------
    HaikuError
        There is none, or it is damaged.
    """
    from napari_haiku.atlas.store import Atlas

    return Atlas.open(atlas_place(given))


def own_atlas(given: Path) -> Path:
    """Folder of an atlas that is to be changed.

    Raises
    ------
    HaikuError
        It is the one that ships with the package.
    """
    from napari_haiku.errors import HaikuError

    if atlas_place(given) != given:
        raise HaikuError(
            "The demo atlas ships with the package and is never changed: build an atlas of your "
            "own with 'atlas build'."
        )
    return given


def opened_encoding(given: Path) -> Encoding:
    """Open the encoding that was named on the command line.

    Raises
    ------
    HaikuError
        There is none, or it is not finished or damaged.
    """
    from napari_haiku.encoding.store import Encoding

    return Encoding.open(given)


def check_output(output: Path) -> None:
    """Refuse a file where a folder is to be written, before anything is computed for it.

    Raises
    ------
    HaikuError
        There is a file of that name.
    """
    from napari_haiku.errors import HaikuError

    if output.is_file():
        raise HaikuError(f"{output} is a file: choose a folder to write into.")


def loaded_model(report: Report, model: str, device: str) -> TissueModel:
    """Load a model, saying so first: it takes a moment.

    Raises
    ------
    HaikuError
        The folder is no model, or its weights are not on this computer.
    """
    report.say(LOADING)
    from napari_haiku.model.loading import load_model

    return load_model(model, device=device)


def check_edit(
    slide: Encoding,
    atlas: Atlas,
    edits: Mapping[str, str],
    *,
    within_patient_um: float | None,
    where: str | None,
) -> None:
    """Refuse an edit that the atlas cannot speak to, before a model is loaded for it.

    Raises
    ------
    HaikuError
        Another model, a filter that cannot be read, a field or value that the
        atlas does not know, no record.
    """
    from napari_haiku.analysis.counterfactual.record_edit import plan_edit
    from napari_haiku.analysis.retrieval.evidence import evidence_for

    atlas.check_model(slide.model_fingerprint)
    evidence = evidence_for(slide, atlas, within_patient_um=within_patient_um, where=where)
    plan_edit(evidence.records, slide.record, edits)
