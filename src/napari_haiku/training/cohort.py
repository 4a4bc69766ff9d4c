"""Manifests turned into cached slides, split by patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.atlas.manifest import ManifestSlide, read_manifest
from napari_haiku.errors import HaikuError
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import Progress
from napari_haiku.training.checks import CohortRows, check_cohorts
from napari_haiku.training.slide_index import KnownSlide, SlideIndex
from napari_haiku.training.tissue_cache import (
    FORM,
    CachedSlide,
    cache_slide,
    is_cached,
    open_cached,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.model.compact.config import CompactConfig
    from napari_haiku.training.config import TrainConfig

# Fewer patients than this and none can be spared for validation.
FEW_PATIENTS = 8
_SAVE_EVERY = 50


@dataclass(frozen=True)
class TrainingSlide:
    """A row of a manifest with its resampled images.

    Attributes
    ----------
    cohort : str
        Manifest as the configuration names it; "" for the main one.
    entry : ManifestSlide
    cached : CachedSlide
    fingerprints : tuple of str
        Of its images.
    """

    cohort: str
    entry: ManifestSlide
    cached: CachedSlide
    fingerprints: tuple[str, ...]

    @property
    def paired(self) -> bool:
        """Whether it shows the same tissue twice."""
        return self.cached.he is not None and self.cached.cells is not None


def read_cohorts(manifest: Path, config: TrainConfig, config_folder: Path) -> CohortRows:
    """List the slides of the main manifest and of those named in the configuration.

    Raises
    ------
    HaikuError
        A manifest cannot be used, or a region names a slide that none lists.
    """
    cohorts = {
        cohort: read_manifest(manifest if not cohort else config_folder / cohort)
        for cohort in ("", *config.also)
    }
    present = {slide.slide_id for cohort in cohorts.values() for slide in cohort.slides}
    for slide_id in config.regions_um:
        if slide_id not in present:
            raise HaikuError(
                f"The training configuration names a region of slide '{slide_id}', which no "
                "manifest lists: correct the id."
            )
    return check_cohorts(cohorts, config)


def prepare_slides(
    rows: list[tuple[str, ManifestSlide]],
    config: TrainConfig,
    sizes: CompactConfig,
    folder: Path,
) -> Generator[Progress, None, list[TrainingSlide]]:
    """Resample every slide once; what an earlier run prepared is not opened again.

    Raises
    ------
    HaikuError
        An image cannot be used.
    """
    index = SlideIndex(folder)
    slides = []
    for done, (cohort, entry) in enumerate(rows):
        yield Progress(done, len(rows), "Preparing", "slides")
        slides.append(_prepare(cohort, entry, config, sizes, folder, index))
        if done % _SAVE_EVERY == 0:
            index.save()
    index.save()
    return slides


def _prepare(
    cohort: str,
    entry: ManifestSlide,
    config: TrainConfig,
    sizes: CompactConfig,
    folder: Path,
    index: SlideIndex,
) -> TrainingSlide:
    region = config.regions_um.get(entry.slide_id)
    files = [file for file in (entry.he, entry.mif, entry.markers) if file is not None]
    settings: list[object] = [
        FORM,
        list(region or ()),
        sizes.pixel_size_um,
        sizes.cell_px,
        sizes.patch_px,
    ]
    if sizes.he_zoom > 1:
        settings.append(sizes.he_zoom)
    who = {
        "slide_id": entry.slide_id,
        "patient_id": entry.patient_id,
    }
    known = index.find(files, settings)
    if known is not None and is_cached(folder / known.home):
        cached = open_cached(folder / known.home, record=entry.record, **who)
        return TrainingSlide(cohort, entry, cached, known.fingerprints)
    he = open_image(entry.he, modality="he") if entry.he else None
    mif = open_image(entry.mif, modality="mif", markers=entry.markers) if entry.mif else None
    cached = cache_slide(
        he, mif, record=entry.record, config=sizes, region_um=region, folder=folder, **who
    )
    fingerprints = tuple(image.fingerprint for image in (he, mif) if image is not None)
    index.add(files, settings, KnownSlide(cached.home, fingerprints))
    return TrainingSlide(cohort, entry, cached, fingerprints)


def split_patients(
    slides: list[TrainingSlide], config: TrainConfig, named: frozenset[str] = frozenset()
) -> set[str]:
    """Patients kept out for validation; see :func:`split_entries`."""
    return split_entries([(slide.cohort, slide.entry) for slide in slides], config, named)


def split_entries(
    rows: list[tuple[str, ManifestSlide]],
    config: TrainConfig,
    named: frozenset[str] = frozenset(),
) -> set[str]:
    """Patients kept out for validation: those that a manifest names, else some of each cohort.

    Who they are depends on the patients' identifiers alone: a run that goes on
    from another, with whatever seed, keeps out the same.
    """
    if named:
        return set(named)
    kept_out: set[str] = set()
    for cohort in sorted({name for name, _ in rows}):
        patients = sorted({entry.patient_id for name, entry in rows if name == cohort})
        if len(patients) < FEW_PATIENTS or not config.validation_share:
            continue
        n = max(1, round(config.validation_share * len(patients)))
        kept_out |= set(sorted(patients, key=_lot)[:n])
    return kept_out


def _lot(patient_id: str) -> bytes:
    return hashlib.sha256(patient_id.encode()).digest()


def training_images(slides: list[TrainingSlide], config: TrainConfig) -> list[dict[str, Any]]:
    """List what the model card remembers of the images, to recognise them later."""
    images = []
    for slide in slides:
        region = config.regions_um.get(slide.entry.slide_id)
        images += [
            {"fingerprint": fingerprint, "region_um": list(region) if region else None}
            for fingerprint in slide.fingerprints
        ]
    return images
