"""The table that spares a resumed run from opening every image again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.jobs import run_job
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.training import cohort
from napari_haiku.training.cohort import TrainingSlide, prepare_slides, read_cohorts
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.slide_index import KnownSlide, SlideIndex

if TYPE_CHECKING:
    import pytest

SIZES = CompactConfig(name="t", markers=("DAPI",), cell_px=4, patch_px=48)


def _prepare(manifest: Path, sizes: CompactConfig = SIZES) -> list[TrainingSlide]:
    config = TrainConfig()
    rows = read_cohorts(manifest, config, manifest.parent).rows
    return run_job(prepare_slides(rows, config, sizes, manifest.parent / "cache"))


def test_unchanged_slides_are_not_opened_again(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _prepare(manifest)
    opened: list[str] = []
    real = cohort.open_image

    def counting(path: Path, **options: object) -> object:
        opened.append(path.name)
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(cohort, "open_image", counting)
    again = _prepare(manifest)
    assert opened == []
    assert [s.fingerprints for s in again] == [s.fingerprints for s in first]
    assert [s.cached.markers for s in again] == [s.cached.markers for s in first]
    file = manifest.parent / "s3_he.ome.tif"
    file.write_bytes(file.read_bytes())
    _prepare(manifest)
    assert sorted(opened) == ["s3_he.ome.tif", "s3_mif.ome.tif"]
    opened.clear()
    _prepare(manifest, replace(SIZES, cell_px=6))
    assert len(opened) == 18


def test_a_broken_table_costs_only_time(manifest: Path) -> None:
    _prepare(manifest)
    (manifest.parent / "cache" / "slides.json").write_text("[broken")
    assert len(_prepare(manifest)) == 9


def test_folders_are_never_taken_to_be_unchanged(tmp_path: Path) -> None:
    index = SlideIndex(tmp_path)
    index.add([tmp_path], 1, KnownSlide("home", ("f",)))
    assert index.find([tmp_path], 1) is None
