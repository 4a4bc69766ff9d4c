"""From a cohort manifest to an atlas: encode each slide, then build."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.atlas.build import build_atlas
from napari_haiku.atlas.manifest import ManifestSlide, read_manifest
from napari_haiku.atlas.opening import Opening, request_of
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeOptions
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.images.affine import Affine
    from napari_haiku.model.base import TissueModel

_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class FailedSlide:
    """A slide that could not be encoded.

    Parameters
    ----------
    row : int
        Its line in the manifest.
    slide_id : str
        Its id.
    reason : str
        One sentence, without ids.
    """

    row: int
    slide_id: str
    reason: str


@dataclass(frozen=True)
class CohortBuild:
    """What building from a manifest gave.

    Parameters
    ----------
    atlas : Atlas
        The atlas of every slide that could be encoded.
    failed : tuple of FailedSlide
        The others.
    """

    atlas: Atlas
    failed: tuple[FailedSlide, ...]


def build_from_manifest(
    manifest: Path | str,
    path: Path | str,
    model: TissueModel,
    *,
    options: EncodeOptions | None = None,
    pixel_size_um: float | None = None,
    affine: Affine | None = None,
    tissue_threshold: float | None = None,
    on_failure: Callable[[FailedSlide], object] | None = None,
    model_source: str | None = None,
) -> Job[CohortBuild]:
    """Encode every slide of a manifest and build an atlas.

    The encodings lie in ``<path>.encodings`` beside the atlas. The same call
    goes on where an interrupted one stopped, and tries failed slides again. A
    slide that fails does not stop the rest.

    Parameters
    ----------
    manifest : Path or str
        Cohort manifest; see :func:`napari_haiku.atlas.manifest.read_manifest`.
    path : Path or str
        Folder of the atlas.
    model : TissueModel
        The towers.
    options : EncodeOptions, optional
        Patch size, step, batch size.
    pixel_size_um : float, optional
        Pixel size for files that do not say.
    affine : Affine, optional
        Lays the mIF of every slide that has both images onto its H&E, in um.
    tissue_threshold : float, optional
        Where tissue begins, instead of the threshold found on each image.
    on_failure : callable, optional
        Told of a failing slide at once.
    model_source : str, optional
        Name or folder of the model, remembered for repairs.

    Yields
    ------
    Progress
        Of the slide at hand while encoding, then of the atlas.

    Returns
    -------
    CohortBuild
        The atlas and the slides that failed.

    Raises
    ------
    HaikuError
        The manifest cannot be read, an affine was given and no slide has two
        images, or every slide failed.
    """
    path = Path(path)
    cohort = read_manifest(manifest, check_files=False)
    if affine is not None and not any(slide.he and slide.mif for slide in cohort.slides):
        raise HaikuError(
            f"An affine lays an mIF onto its H&E, but no slide of {cohort.path.name} has both: "
            "leave the affine away."
        )
    opening = Opening(pixel_size_um, affine, tissue_threshold)
    folder = path.parent / f"{path.name}.encodings"
    encodings, failed = [], []
    for number, slide in enumerate(cohort.slides, 1):
        doing = f"Encoding slide {number} of {len(cohort.slides)}"
        yield Progress(number - 1, len(cohort.slides), doing, "slides")
        output = folder / f"{_file_name(slide.slide_id)}.zarr"
        try:
            slide.check_files(cohort.path)
            for report in _encode(slide, output, model, options or EncodeOptions(), opening):
                yield Progress(report.done, report.total, doing, report.unit)
        except HaikuError as error:
            failed.append(FailedSlide(slide.row, slide.slide_id, str(error)))
            if on_failure is not None:
                on_failure(failed[-1])
        else:
            encodings.append(output)
    if not encodings:
        raise HaikuError(
            f"No slide of {cohort.path.name} could be encoded; line {failed[0].row}: "
            f"{failed[0].reason}"
        )
    origin = {
        "manifest": Path(os.path.relpath(cohort.path.resolve(), path.parent.resolve())).as_posix(),
        "model": model_source,
        **opening.to_json(),
    }
    atlas = yield from build_atlas(encodings, path, grow=True, origin=origin)
    return CohortBuild(atlas, tuple(failed))


def _encode(
    slide: ManifestSlide,
    output: Path,
    model: TissueModel,
    options: EncodeOptions,
    opening: Opening,
) -> Job[None]:
    request = request_of(slide, output, options, opening)
    yield from encode_slide(request, model)


def _file_name(slide_id: str) -> str:
    """File name for a slide: its id where that is safe, else made so and unique."""
    safe = _SAFE.sub("_", slide_id).strip("._") or "slide"
    if safe == slide_id:
        return safe
    return f"{safe}-{hashlib.sha256(slide_id.encode()).hexdigest()[:8]}"
