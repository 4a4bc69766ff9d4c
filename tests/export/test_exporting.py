"""Every format: what is written, what comes back, and what must not leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zarr
from toy_cohort import MARKERS

from napari_haiku.analysis.regions.region import Region
from napari_haiku.errors import HaikuError
from napari_haiku.export.exporting import (
    ENDINGS,
    FORMATS,
    ExportRequest,
    describe_regions,
    export_patches,
)
from napari_haiku.export.geojson_reading import read_annotations
from napari_haiku.export.patch_data import PatchData
from napari_haiku.export.qupath_frame import qupath_frame
from napari_haiku.jobs import run_job

sys.path.insert(0, str(Path(__file__).parent))
from exported import PIXEL_UM, SECRETS, full_data

REGION = Region.of_box("Edge", (5100.0, 3100.0, 5500.0, 3400.0))


@pytest.fixture(scope="module")
def data(case) -> PatchData:
    return full_data(case)


def write(data, format_, folder, **options):
    path = folder / f"slide{ENDINGS[format_][0]}"
    return path, run_job(export_patches(data, ExportRequest(format_, path, **options)))


def test_geojson_opens_as_objects_with_measurements_and_classes(data, tmp_path):
    path, done = write(data, "geojson", tmp_path, regions=(REGION,))
    content = json.loads(path.read_text())
    features = content["features"]
    assert (done.patches, done.regions) == (72, 1)
    assert len(features) == 73
    assert len({feature["id"] for feature in features}) == 73
    region, tile = features[0], features[1 + 5]
    assert region["properties"]["objectType"] == "annotation"
    assert region["properties"]["measurements"]["patches"] == 12
    assert tile["properties"]["objectType"] == "tile"
    assert tile["properties"]["classification"] == {
        "name": "T cells / B cells",
        "color": [0xE6, 0x9F, 0x00],
    }
    corner = np.array(tile["geometry"]["coordinates"][0][0])
    np.testing.assert_allclose(corner * PIXEL_UM + [5000, 3000], data.grid.corners_um[5])
    measured = tile["properties"]["measurements"]
    assert measured["CD8 measured"] == pytest.approx(data.measured("CD8")[5], rel=1e-5)
    assert measured["CD8 predicted"] == pytest.approx(data.predicted("CD8")[5], rel=1e-5)
    # Where the atlas knows nothing there is no number to be mistaken for one.
    assert "CD8 predicted" not in features[1]["properties"]["measurements"]
    assert features[1]["properties"]["measurements"]["outside_atlas"] == 1


def test_the_same_slide_gives_the_same_file(data, tmp_path):
    for format_ in ("geojson", "csv", "parquet", "anndata"):
        for run in ("a", "b"):
            (tmp_path / run).mkdir(exist_ok=True)
            write(data, format_, tmp_path / run)
        name = f"slide{ENDINGS[format_][0]}"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_regions_come_back_where_they_were(data, tmp_path):
    path, _ = write(data, "geojson", tmp_path, regions=(REGION,))
    found = read_annotations(path, qupath_frame(data.encoding))
    (region,) = found.regions
    assert (region.name, found.left_out) == ("Edge", 0)
    assert region.box_um == pytest.approx(REGION.box_um)
    assert describe_regions((region,), data).loc[0, "patches"] == 12


def test_tables_hold_a_row_a_patch(data, tmp_path):
    csv, done = write(data, "csv", tmp_path)
    table = pd.read_csv(csv)
    assert len(table) == 72
    assert {"x_um", "y_um", "niche_name", "umap_1", "similarity", "CD8 spread"} <= set(table)
    assert done.written[1].name == "slide.csv.provenance.json"
    assert json.loads(done.written[1].read_text())["model"]["name"] == "toy"
    parquet, _ = write(data, "parquet", tmp_path)
    pd.testing.assert_series_equal(
        pd.read_parquet(parquet)["CD8 measured"], data.table()["CD8 measured"]
    )
    notes = json.loads(pq.read_schema(parquet).metadata[b"napari_haiku"])
    assert notes["predictions"]["neighbours"] == 50
    assert notes["niches"]["clusters"] == 3


def test_anndata_reads_it(data, tmp_path):
    path, _ = write(data, "anndata", tmp_path)
    read = anndata.read_h5ad(path)
    assert list(read.var_names) == list(MARKERS)
    assert read.shape == (72, 4)
    np.testing.assert_array_equal(read.X, read.layers["predicted"])
    np.testing.assert_array_equal(read.layers["measured"], data.encoding.expression)
    assert np.isnan(read.X[:2]).all()
    np.testing.assert_allclose(read.obsm["spatial"], data.encoding.centres_um)
    np.testing.assert_array_equal(read.obsm["X_he"], data.encoding.embeddings("he"))
    np.testing.assert_allclose(read.obsm["X_umap"], data.projection, rtol=1e-6)
    assert list(read.obs["niche_name"]) == data.niche_names()
    assert read.obs["outside_atlas"].tolist() == data.predictions.outside_atlas.tolist()
    notes = read.uns["napari_haiku"]
    assert notes["model"]["fingerprint"] == "toy"
    assert notes["niches"]["names"]["2"] == "T cells / B cells"


def test_anndata_without_any_prediction_holds_what_was_measured(case, tmp_path):
    path, _ = write(PatchData(case.encoding), "anndata", tmp_path)
    read = anndata.read_h5ad(path)
    np.testing.assert_array_equal(read.X, case.encoding.expression)
    assert "niche" not in read.obs


def test_spatialdata_holds_the_parts_that_the_format_names(data, tmp_path):
    path, _ = write(data, "spatialdata", tmp_path, regions=(REGION,))
    root = zarr.open_group(str(path), mode="r")
    assert root.attrs["spatialdata_attrs"]["version"] == "0.2"
    np.testing.assert_array_equal(
        root["labels/niches/s0"][data.grid.rows, data.grid.cols], data.niches.labels
    )
    steps = root["images/maps"].attrs["ome"]["multiscales"][0]["coordinateTransformations"][0]
    assert [step["type"] for step in steps["transformations"]] == ["scale", "translation"]
    assert steps["transformations"][1]["translation"] == [0.0, 3000.0, 5000.0]
    shapes = pq.read_table(path / "shapes" / "patches" / "shapes.parquet")
    assert json.loads(shapes.schema.metadata[b"geo"])["columns"]["geometry"]["encoding"] == "WKB"
    square = np.frombuffer(shapes["geometry"][0].as_py()[13:], "<f8").reshape(-1, 2)
    np.testing.assert_allclose(square[0], data.grid.corners_um[0])
    assert len(square) == 5
    table = anndata.read_zarr(path / "tables" / "table")
    assert table.uns["spatialdata_attrs"]["region"] == "patches"
    assert table.obs["patch_id"].tolist() == list(range(72))


def test_spatialdata_library_opens_it(data, tmp_path):
    spatialdata = pytest.importorskip(
        "spatialdata", reason="spatialdata is not installed beside pandas 3"
    )
    path, _ = write(data, "spatialdata", tmp_path, regions=(REGION,))
    read = spatialdata.read_zarr(path)
    assert len(read["patches"]) == len(read["table"]) == 72
    assert spatialdata.get_extent(read["maps"])["x"] == spatialdata.get_extent(read["patches"])["x"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_carries_niches_as_labels(data, tmp_path, version):
    path, _ = write(data, "ome-zarr", tmp_path, ome_version=version)
    group = zarr.open_group(str(path), mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)

    def said(part):
        return dict(part.attrs)["ome"] if version == "0.5" else dict(part.attrs)

    names = [channel["label"] for channel in said(group)["omero"]["channels"]]
    assert {"CD8 measured", "CD8 predicted", "similarity", "outside atlas"} <= set(names)
    laid = group["0"][names.index("CD8 measured")][data.grid.rows, data.grid.cols]
    np.testing.assert_array_equal(laid, data.measured("CD8"))
    assert said(group["labels"])["labels"] == ["niches"]
    label = said(group["labels/niches"])["image-label"]
    assert label["properties"][1] == {"label-value": 2, "name": "T cells / B cells"}
    assert label["colors"][0]["rgba"] == [0x00, 0x72, 0xB2, 255]
    np.testing.assert_array_equal(
        group["labels/niches/0"][data.grid.rows, data.grid.cols], data.niches.labels
    )


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_figures(data, tmp_path, name, begins):
    quantity = {"a.png": "niches", "a.svg": "CD8 predicted", "a.pdf": "similarity"}[name]
    request = ExportRequest("figure", tmp_path / name, quantity=quantity)
    run_job(export_patches(data, request))
    written = (tmp_path / name).read_bytes()
    assert written.startswith(begins)
    if name == "a.svg":
        text = written.decode()
        assert "Research use only" in text
        assert "atlas units" in text
        assert "CD8 predicted" in text


def test_no_identifying_word_leaves(data, tmp_path):
    for format_ in FORMATS:
        folder = tmp_path / format_
        folder.mkdir()
        options = {"quantity": "niches"} if format_ == "figure" else {}
        write(data, format_, folder, **options)
        for file in folder.rglob("*"):
            if file.is_file():
                found = file.read_bytes()
                assert not [word for word in SECRETS if word.encode() in found], file


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_is_overwritten_unasked(data, tmp_path, format_):
    path = tmp_path / f"slide{ENDINGS[format_][0]}"
    path.write_text("mine")
    with pytest.raises(HaikuError, match="exists already"):
        run_job(export_patches(data, ExportRequest(format_, path)))
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "docx", "output": Path("a.docx")}, "no format"),
        ({"format": "csv", "output": Path("a.txt")}, "end it in .csv"),
        ({"format": "figure", "output": Path("a.png"), "limits": (5, 1)}, "wrong way round"),
    ],
)
def test_requests_that_cannot_be(options, words):
    with pytest.raises(HaikuError, match=words):
        ExportRequest(**options)


def test_a_figure_of_nothing(data, tmp_path):
    with pytest.raises(HaikuError, match="choose one of PanCK measured"):
        write(data, "figure", tmp_path, quantity="CD99")


@pytest.mark.parametrize(
    ("module", "format_", "extra"),
    [("h5py", "anndata", "anndata"), ("matplotlib", "figure", "figures")],
)
def test_a_missing_library_is_named(data, tmp_path, monkeypatch, module, format_, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(HaikuError, match=f"napari-haiku\\[{extra}\\]"):
        write(data, format_, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_exporting_loads_no_optional_library_before_it_is_asked():
    code = "import sys, napari_haiku.export.exporting; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"h5py", "matplotlib", "anndata", "qtpy", "napari"} & set(loaded.stdout.split())


def test_predictions_of_another_slide_are_refused(data, case):
    from dataclasses import replace

    with pytest.raises(HaikuError, match="niches are of 3 patches"):
        replace(data, niches=replace(data.niches, labels=np.ones(3, np.int64)))
