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
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeOptions, EncodeRequest
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_haiku.atlas.store import Atlas
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
        The manifest cannot be read, or every slide failed.
    """
    path = Path(path)
    cohort = read_manifest(manifest, check_files=False)
    folder = path.parent / f"{path.name}.encodings"
    encodings, failed = [], []
    for number, slide in enumerate(cohort.slides, 1):
        doing = f"Encoding slide {number} of {len(cohort.slides)}"
        yield Progress(number - 1, len(cohort.slides), doing, "slides")
        output = folder / f"{_file_name(slide.slide_id)}.zarr"
        try:
            slide.check_files(cohort.path)
            for report in _encode(slide, output, model, options or EncodeOptions(), pixel_size_um):
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
        "pixel_size_um": pixel_size_um,
    }
    atlas = yield from build_atlas(encodings, path, grow=True, origin=origin)
    return CohortBuild(atlas, tuple(failed))


def _encode(
    slide: ManifestSlide,
    output: Path,
    model: TissueModel,
    options: EncodeOptions,
    pixel_size_um: float | None,
) -> Job[None]:
    request = request_of(slide, output, options, pixel_size_um)
    yield from encode_slide(request, model)


def request_of(
    slide: ManifestSlide, output: Path, options: EncodeOptions, pixel_size_um: float | None
) -> EncodeRequest:
    """Open the images of a manifest's slide and say how they are encoded."""
    he = mif = None
    if slide.he is not None:
        he = open_image(slide.he, modality="he", pixel_size_um=pixel_size_um)
    if slide.mif is not None:
        mif = open_image(
            slide.mif, modality="mif", pixel_size_um=pixel_size_um, markers=slide.markers
        )
    return EncodeRequest(
        he=he,
        mif=mif,
        output=output,
        slide_id=slide.slide_id,
        patient_id=slide.patient_id,
        record=slide.record,
        patch_um=options.patch_um,
        stride_um=options.stride_um,
        min_tissue=options.min_tissue,
        batch_size=options.batch_size,
    )


def _file_name(slide_id: str) -> str:
    """File name for a slide: its id where that is safe, else made so and unique."""
    safe = _SAFE.sub("_", slide_id).strip("._") or "slide"
    if safe == slide_id:
        return safe
    return f"{safe}-{hashlib.sha256(slide_id.encode()).hexdigest()[:8]}"
