"""The two slides a demo can be about: a virtual one, or one of the user's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.analysis.retrieval.region_split import split_left_right
from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.shipped import shipped_atlas
from napari_haiku.atlas.store import Atlas
from napari_haiku.cli.opening import loaded_model
from napari_haiku.cli.slides import Slide, open_slide
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.model.seen_images import seen_in_training, seen_notice
from napari_haiku.simulation.demo_slide import make_demo_slide

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.cli.demo_plan import Box
    from napari_haiku.cli.reporting import Report
    from napari_haiku.model.base import TissueModel

WITHIN_PATIENT_UM = 500.0

Timed = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class DemoSource:
    """Files and settings that the user gave.

    Parameters
    ----------
    he, mif, metadata : Path or None
        The user's slide; without an H&E the virtual one is made.
    patient, model, device : str or None
        As on the command line.
    pixel_size_um : float or None
        For images that do not say.
    seed : int
        Seed of the virtual slide.
    """

    he: Path | None
    mif: Path | None
    metadata: Path | None
    patient: str | None
    model: str
    device: str
    pixel_size_um: float | None
    seed: int


@dataclass(frozen=True)
class Prepared:
    """A slide ready for questions.

    Parameters
    ----------
    he_file, mif_file : Path
        The images.
    slide, encoding, atlas, model
        The slide and its evidence.
    rows : ndarray of bool, shape (n,)
        Patches asked about.
    region_um : tuple of float or None
        The box that holds them; None for the whole slide.
    within_patient_um : float or None
        Gap within the slide's own patient.
    notice : str
        Whether the model was trained on what is asked about.
    """

    he_file: Path
    mif_file: Path
    slide: Slide
    encoding: Encoding
    atlas: Atlas
    model: TissueModel
    rows: NDArray[np.bool_]
    region_um: Box | None
    within_patient_um: float | None
    notice: str


def prepare_virtual(report: Report, source: DemoSource, output: Path, timed: Timed) -> Prepared:
    """Make the virtual slide, encode it, open the atlas that ships with the package."""
    with timed("slide"):
        made = report.run(make_demo_slide(output / "slide", source.seed))
        slide = open_slide(
            made.he,
            made.mif,
            pixel_size_um=None,
            markers=None,
            metadata=made.record_file,
            patient=made.patient_id,
            edits={},
            slide_id="virtual",
        )
    with timed("model"):
        model = loaded_model(report, source.model, source.device)
        atlas = Atlas.open(shipped_atlas())
        atlas.check_model(model)
    with timed("encode"):
        encoding = _encoded(report, slide, model, output)
    rows = np.ones(encoding.n_patches, bool)
    return Prepared(
        he_file=made.he,
        mif_file=made.mif,
        slide=slide,
        encoding=encoding,
        atlas=atlas,
        model=model,
        rows=rows,
        region_um=None,
        within_patient_um=None,
        notice=_trained_on(model, encoding, rows),
    )


def prepare_real(report: Report, source: DemoSource, output: Path, timed: Timed) -> Prepared:
    """Encode the user's slide and make its left half the atlas of its right half.

    Raises
    ------
    HaikuError
        The slide has no mIF, cannot be read, or is too narrow.
    """
    if source.he is None or source.mif is None:
        raise HaikuError(
            "The demo on a slide of your own needs its H&E with --slide and its mIF with --mif: "
            "the left half's measured markers are the evidence."
        )
    report.say("Opening the slide ...")
    with timed("slide"):
        slide = open_slide(
            source.he,
            source.mif,
            pixel_size_um=source.pixel_size_um,
            markers=None,
            metadata=source.metadata,
            patient=source.patient,
            edits={},
            slide_id=None,
        )
    with timed("model"):
        model = loaded_model(report, source.model, source.device)
    with timed("encode"):
        encoding = _encoded(report, slide, model, output)
    with timed("atlas"):
        left, right = split_left_right(encoding.centres_um)
        atlas = report.run(
            build_atlas(
                [encoding], output / f"left_half-{model.fingerprint[:8]}.atlas", rows=[left]
            )
        )
    return Prepared(
        he_file=source.he,
        mif_file=source.mif,
        slide=slide,
        encoding=encoding,
        atlas=atlas,
        model=model,
        rows=right,
        region_um=_box(encoding, left, right),
        within_patient_um=WITHIN_PATIENT_UM,
        notice=_trained_on(model, encoding, right),
    )


def _encoded(report: Report, slide: Slide, model: TissueModel, output: Path) -> Encoding:
    # The model is part of the name, so that another model starts an encoding of its own.
    path = output / f"{slide.slide_id}-{model.fingerprint[:8]}.haiku.zarr"
    done = report.run(
        encode_slide(
            EncodeRequest(
                he=slide.he,
                mif=slide.mif,
                output=path,
                slide_id=slide.slide_id,
                patient_id=slide.patient_id,
                record=slide.record,
            ),
            model,
        )
    )
    for note in done.notes:
        report.say(note)
    return Encoding.open(done.path)


def _trained_on(model: TissueModel, encoding: Encoding, rows: NDArray[np.bool_]) -> str:
    fingerprints = encoding.image_fingerprints.values()
    everywhere = seen_in_training(model.card, fingerprints, encoding.centres_um)
    if not everywhere.any():
        return ""
    if everywhere[rows].any():
        return seen_notice(everywhere[rows])
    return (
        "The model was trained on another part of this image, on none of the patches that are "
        "predicted here."
    )


def _box(encoding: Encoding, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Box:
    x, y = encoding.centres_um.T
    half = encoding.patch_um / 2
    return (
        float((x[left].max() + x[right].min()) / 2),
        float(y.min() - half),
        float(x.max() + half),
        float(y.max() + half),
    )
