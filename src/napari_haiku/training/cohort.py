"""Manifests turned into cached slides, split by patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.manifest import ManifestSlide, read_manifest
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import Progress
from napari_haiku.training.tissue_cache import CachedSlide, cache_slide

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.images.slide_image import SlideImage
    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.training.config import TrainConfig

# Fewer patients than this and none can be spared for validation.
FEW_PATIENTS = 8


@dataclass(frozen=True)
class TrainingSlide:
    """A slide of a manifest with its images opened."""

    cohort: str
    entry: ManifestSlide
    he: SlideImage | None
    mif: SlideImage | None


def open_cohorts(manifest: Path, config: TrainConfig, config_folder: Path) -> list[TrainingSlide]:
    """Open every slide of the main manifest and of those named in the configuration.

    Raises
    ------
    HaikuError
        A manifest or an image cannot be used; names the row.
    """
    slides = []
    for cohort in ("", *config.also):
        path = manifest if not cohort else config_folder / cohort
        for entry in read_manifest(path).slides:
            he = open_image(entry.he, modality="he") if entry.he else None
            mif = (
                open_image(entry.mif, modality="mif", markers=entry.markers) if entry.mif else None
            )
            slides.append(TrainingSlide(cohort, entry, he, mif))
    present = {slide.entry.slide_id for slide in slides}
    for slide_id in config.regions_um:
        if slide_id not in present:
            raise HaikuError(
                f"The training configuration names a region of slide '{slide_id}', which no "
                "manifest lists: correct the id."
            )
    if not any(slide.he is not None and slide.mif is not None for slide in slides):
        raise HaikuError(
            "No slide of the cohort has both an H&E and an mIF image, so there is nothing to "
            "align: add paired slides."
        )
    return slides


def cache_cohorts(
    slides: list[TrainingSlide], config: TrainConfig, sizes: CompactConfig, folder: Path
) -> Generator[Progress, None, list[CachedSlide]]:
    """Resample every slide once; yields progress slide by slide."""
    cached = []
    for i, slide in enumerate(slides):
        yield Progress(i, len(slides), "Preparing", "slides")
        cached.append(
            cache_slide(
                slide.he,
                slide.mif,
                slide_id=slide.entry.slide_id,
                patient_id=slide.entry.patient_id,
                record=slide.entry.record,
                config=sizes,
                region_um=config.regions_um.get(slide.entry.slide_id),
                folder=folder,
            )
        )
    return cached


def split_patients(slides: list[TrainingSlide], config: TrainConfig) -> set[str]:
    """Patients kept out for validation, drawn per cohort."""
    kept_out: set[str] = set()
    for cohort in sorted({slide.cohort for slide in slides}):
        patients = sorted({s.entry.patient_id for s in slides if s.cohort == cohort})
        if len(patients) < FEW_PATIENTS or not config.validation_share:
            continue
        n = max(1, round(config.validation_share * len(patients)))
        rng = np.random.default_rng([config.seed, 1])
        kept_out |= {str(p) for p in rng.permutation(patients)[:n]}
    return kept_out


def training_images(slides: list[TrainingSlide], config: TrainConfig) -> list[dict[str, Any]]:
    """List what the model card remembers of the images, to recognise them later."""
    images = []
    for slide in slides:
        region = config.regions_um.get(slide.entry.slide_id)
        for image in (slide.he, slide.mif):
            if image is not None:
                images.append(
                    {
                        "fingerprint": image.fingerprint,
                        "region_um": list(region) if region else None,
                    }
                )
    return images
