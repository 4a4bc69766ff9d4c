"""Niches found, numbered, named, saved and read back."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from toy_cohort import MARKERS, toy_slide, write_slide

from napari_haiku.analysis.biomarkers.biomarkers import predict_biomarkers
from napari_haiku.analysis.niches.niches import find_atlas_niches, find_niches, read_niches
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress, run_job


def niches_of(*encodings, **options):
    return run_job(
        find_niches(encodings, **({"clusters": 3, "modality": "he", "smooth": False} | options))
    )


def bands(encoding):
    width = encoding.grid.shape[1]
    return np.minimum(3 * encoding.grid.cols // width, 2)


@pytest.mark.parametrize("modality", ["he", "mif", "both"])
def test_the_bands_of_the_toy_slide_are_found(query, modality):
    result = niches_of(query, modality=modality)
    assert adjusted_rand_score(bands(query), result.labels[0]) > 0.95


def test_numbers_go_by_size_and_names_by_markers(tmp_path, query):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 12))
    keep = np.r_[np.arange(72)[slide.niches == 3], np.arange(72)[slide.niches != 3][:30]]
    slide = slide.__class__(*(getattr(slide, name)[keep] for name in slide.__dataclass_fields__))
    encoding = write_slide(tmp_path / "s", slide, query.record, patient="p")
    result = niches_of(encoding)
    sizes = list(result.sizes.values())
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == len(keep)
    for niche, marker in ((1, "PanCK"), (2, "CD8"), (3, "CollagenIV")):
        number = np.bincount(result.labels[0][slide.niches == niche]).argmax()
        assert marker in result.names[number]


def test_same_labels_across_slides(encodings):
    result = niches_of(*encodings[:4])
    assert len(result.labels) == 4
    for encoding, labels in zip(encodings[:4], result.labels, strict=True):
        assert adjusted_rand_score(bands(encoding), labels) > 0.9
    together = np.concatenate(result.labels)
    truth = np.concatenate([bands(encoding) for encoding in encodings[:4]])
    assert adjusted_rand_score(truth, together) > 0.9
    np.testing.assert_allclose(result.composition.sum(axis=1), 1)


def test_the_atlas_as_a_whole_gives_the_same_as_its_slides(atlas, encodings):
    whole = run_job(find_atlas_niches(atlas, clusters=3))
    slides = niches_of(*encodings)
    assert adjusted_rand_score(np.concatenate(whole.labels), np.concatenate(slides.labels)) > 0.98
    assert np.concatenate([slide.patches for slide in whole.slides]).tolist() == list(
        range(len(atlas))
    )


def test_prototypes_are_the_patches_nearest_to_the_centre(encodings):
    result = niches_of(*encodings[:2])
    for niche, found in result.prototypes.items():
        assert len(found) == 3
        vectors = np.concatenate([encoding.embeddings("he") for encoding in encodings[:2]])
        members = np.concatenate(result.labels) == niche
        distance = np.linalg.norm(vectors - result.centres[niche - 1], axis=1)
        best = np.sort(distance[members])[:3]
        got = [distance[slide * len(encodings[0]) + patch] for slide, patch in found]
        np.testing.assert_allclose(np.sort(got), best, rtol=1e-5)


def test_smoothing_makes_regions_more_compact(tmp_path, query):
    slide = toy_slide(np.random.default_rng(0), 0.0, (15, 15))
    rng = np.random.default_rng(1)
    noisy = slide.he + 0.25 * rng.normal(size=slide.he.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    slide = slide.__class__(
        noisy, slide.mif, slide.expression, slide.niches, slide.rows, slide.cols
    )
    encoding = write_slide(tmp_path / "noisy", slide, query.record, patient="p")
    rough = adjusted_rand_score(bands(encoding), niches_of(encoding).labels[0])
    smooth = adjusted_rand_score(bands(encoding), niches_of(encoding, smooth=True).labels[0])
    assert smooth > rough


def test_same_seed_same_labels_and_bytes(tmp_path, query):
    for name in ("a", "b"):
        niches_of(query, seed=5).save(tmp_path / name)
    for file in ("niches.parquet", "enrichment.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_saved_tables(tmp_path, query):
    result = niches_of(query)
    result.save(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "niches.parquet")
    assert list(table.columns[:4]) == ["patch", "x_um", "y_um", "niche"]
    np.testing.assert_array_equal(table[["x_um", "y_um"]], query.centres_um)
    np.testing.assert_array_equal(table["niche"], result.labels[0])
    assert "slide" not in table
    enrichment = pd.read_csv(tmp_path / "out" / "enrichment.csv")
    assert len(enrichment) == 3 * len(MARKERS)
    assert set(enrichment["marker"]) == set(MARKERS)


def test_several_slides_are_numbered_not_named(tmp_path, encodings):
    result = niches_of(*encodings[:2])
    result.save(tmp_path)
    table = pd.read_parquet(tmp_path / "niches.parquet")
    assert table["slide"].unique().tolist() == [1, 2]
    assert "patient" not in table.to_csv()


def test_read_back_for_the_same_slide_only(tmp_path, query, encodings):
    result = niches_of(query)
    result.save(tmp_path)
    for path in (tmp_path, tmp_path / "niches.parquet"):
        read = read_niches(path, query.centres_um)
        np.testing.assert_array_equal(read.labels, result.labels[0])
        assert read.names == result.names
    with pytest.raises(HaikuError, match="other patches"):
        read_niches(tmp_path, encodings[0].centres_um)


def test_what_is_no_table_of_niches_is_refused(tmp_path, query):
    with pytest.raises(HaikuError, match="does not exist"):
        read_niches(tmp_path, query.centres_um)
    (tmp_path / "niches.parquet").write_text("nonsense")
    with pytest.raises(HaikuError, match="no table of niches"):
        read_niches(tmp_path, query.centres_um)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "niches.parquet")
    with pytest.raises(HaikuError, match="no table of niches"):
        read_niches(tmp_path, query.centres_um)


def test_predicted_markers_name_niches_of_a_slide_that_measured_none(tmp_path, query, atlas):
    slide = toy_slide(np.random.default_rng(99), -1.0, (6, 12))
    bare = write_slide(
        tmp_path / "he", slide, query.record, patient="patient-999", modalities=("he",)
    )
    assert set(niches_of(bare).names.values()) == {"Niche 1", "Niche 2", "Niche 3"}
    prediction = run_job(predict_biomarkers(bare, atlas))
    names = " ".join(niches_of(bare, predicted=[prediction]).names.values())
    assert all(marker in names for marker in ("PanCK", "CD8", "CollagenIV"))


def test_fewer_patches_than_niches(query):
    with pytest.raises(HaikuError, match="72 patches, too few for 80 niches"):
        niches_of(query, clusters=80)


def test_fewer_different_patches_than_niches(tmp_path, query):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    two = np.eye(24, dtype=np.float32)[np.arange(54) % 2]
    slide = slide.__class__(two, two, slide.expression, slide.niches, slide.rows, slide.cols)
    encoding = write_slide(tmp_path / "two", slide, query.record, patient="p")
    with pytest.raises(HaikuError, match="only 2 different kinds"):
        niches_of(encoding, clusters=3)
    assert set(niches_of(encoding, clusters=2).labels[0]) == {1, 2}


def test_one_niche_is_all_tissue(query):
    result = niches_of(query, clusters=1)
    assert set(result.labels[0]) == {1}
    assert result.enrichment["mean"].isna().all()


def test_a_missing_modality_is_named(tmp_path, query):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    he = write_slide(tmp_path / "plain.zarr", slide, {}, patient="p", modalities=("he",))
    with pytest.raises(HaikuError, match=r"plain\.zarr does not have mIF"):
        niches_of(he, modality="mif")
    with pytest.raises(HaikuError, match="both H&E and mIF"):
        niches_of(he, modality="both")
    with pytest.raises(HaikuError, match="choose he, mif or both"):
        niches_of(he, modality="text")


@pytest.mark.parametrize("bad", [{"clusters": 0}, {"restarts": 0}])
def test_impossible_requests_are_refused(query, bad):
    with pytest.raises(HaikuError):
        niches_of(query, **bad)


def test_no_slide_is_refused():
    with pytest.raises(HaikuError, match="no slide to group"):
        niches_of()


def test_progress_counts_restarts(query):
    reports = []
    run_job(find_niches([query], clusters=2, restarts=3), reports.append)
    assert [report.done for report in reports] == [0, 1, 2]
    assert all(isinstance(report, Progress) and report.total == 3 for report in reports)
