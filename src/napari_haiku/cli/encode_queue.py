"""Several slides for ``encode``: from images or a cohort manifest to a table of outcomes."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING

from napari_haiku.cli.encode_report import counts
from napari_haiku.cli.slides import name_of, open_slide
from napari_haiku.encoding.queue import QueuedSlide, QueueOutcome
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_haiku.atlas.manifest import ManifestSlide
    from napari_haiku.atlas.opening import Opening
    from napari_haiku.cli.reporting import Report
    from napari_haiku.encoding.request import EncodeOptions

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def queue_of(
    images: Sequence[Path],
    folder: Path,
    options: EncodeOptions,
    *,
    pixel_size_um: float | None,
    markers: Path | None,
    affine: Path | None,
    tissue_threshold: float | None,
) -> list[QueuedSlide]:
    """Line up images, or the slides of one manifest; each is encoded into `folder`.

    Raises
    ------
    HaikuError
        The manifest cannot be read, stands beside images, or two images would
        be encoded under one name.
    """
    if (folder / "zarr.json").exists():
        raise HaikuError(
            f"{folder.name} is an encoding: give a folder for several of them as --output."
        )
    tables = [path for path in images if path.suffix.casefold() == ".csv"]
    if tables and len(images) > 1:
        raise HaikuError(
            f"{tables[0].name} is a manifest and stands beside other files: give it alone."
        )
    if tables:
        return _from_manifest(
            tables[0], folder, options, pixel_size_um, affine, tissue_threshold, markers
        )
    if affine is not None:
        raise HaikuError(
            f"{affine.name} lays an mIF onto its H&E: name both images of each slide in a "
            "manifest (CSV) and give that."
        )
    names = [name_of(path) for path in images]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HaikuError(
            f"Two images are called {twice} and would be encoded into one folder: rename one, or "
            "list them in a manifest (CSV) under different slide ids."
        )
    return [
        QueuedSlide(
            path.name,
            partial(
                _open_image,
                path,
                folder / f"{file_name(name)}.zarr",
                options,
                pixel_size_um,
                markers,
                tissue_threshold,
            ),
        )
        for path, name in zip(images, names, strict=True)
    ]


def _open_image(
    path: Path,
    output: Path,
    options: EncodeOptions,
    pixel_size_um: float | None,
    markers: Path | None,
    tissue_threshold: float | None,
) -> EncodeRequest:
    slide = open_slide(
        path,
        None,
        pixel_size_um=pixel_size_um,
        markers=markers,
        metadata=None,
        patient=None,
        edits={},
        slide_id=None,
    )
    return EncodeRequest(
        he=slide.he,
        mif=slide.mif,
        output=output,
        slide_id=slide.slide_id,
        patch_um=options.patch_um,
        stride_um=options.stride_um,
        batch_size=options.batch_size,
        tissue_threshold=tissue_threshold,
    )


def _from_manifest(
    table: Path,
    folder: Path,
    options: EncodeOptions,
    pixel_size_um: float | None,
    affine: Path | None,
    tissue_threshold: float | None,
    markers: Path | None,
) -> list[QueuedSlide]:
    from napari_haiku.atlas.manifest import read_manifest
    from napari_haiku.atlas.opening import Opening
    from napari_haiku.images.affine import read_affine

    if markers is not None:
        raise HaikuError(
            f"{markers.name} names the channels of one image: write it into the column markers of "
            f"{table.name}."
        )
    cohort = read_manifest(table, check_files=False)
    opening = Opening(
        pixel_size_um, None if affine is None else read_affine(affine), tissue_threshold
    )
    return [
        QueuedSlide(
            f"line {slide.row}",
            partial(
                _open_row,
                slide,
                cohort.path,
                folder / f"{file_name(slide.slide_id)}.zarr",
                options,
                opening,
            ),
        )
        for slide in cohort.slides
    ]


def _open_row(
    slide: ManifestSlide, table: Path, output: Path, options: EncodeOptions, opening: Opening
) -> EncodeRequest:
    from napari_haiku.atlas.opening import request_of

    slide.check_files(table)
    return request_of(slide, output, options, opening)


def file_name(slide_id: str) -> str:
    """File name for a slide: its id where that is safe, else made so and unique."""
    safe = _UNSAFE.sub("_", slide_id).strip("._") or "slide"
    if safe == slide_id:
        return safe
    return f"{safe}-{hashlib.sha256(slide_id.encode()).hexdigest()[:8]}"


def show_queue(report: Report, folder: Path, outcomes: Sequence[QueueOutcome]) -> None:
    """Print the table of outcomes; the exit code is 1 where a slide failed."""
    failed = [outcome for outcome in outcomes if outcome.failed]
    rows = [
        {
            "slide": outcome.name,
            "output": None if outcome.output is None else str(outcome.output),
            **({} if outcome.result is None else counts(outcome.result)),
            "failed": outcome.reason or None,
        }
        for outcome in outcomes
    ]
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [f"{outcome.name:<{width}}  {_in_words(outcome)}" for outcome in outcomes]
    report.result(
        {
            "output": str(folder),
            "encoded": len(outcomes) - len(failed),
            "failed": len(failed),
            "slides": rows,
        },
        lines,
    )
    if failed:
        report.say(
            f"Error: {len(failed)} of {len(outcomes)} slides could not be encoded; mend them and "
            "run the same command again: what is encoded is kept."
        )
        report.exit_code = 1


def _in_words(outcome: QueueOutcome) -> str:
    if outcome.result is None:
        return f"failed: {outcome.reason}"
    done = outcome.result
    kept = f" ({done.resumed_from:,} were there already)" if done.resumed_from else ""
    return f"{done.patches:,} patches in {done.path.name}{kept}"
