"""Maps as OME-Zarr."""

from dataclasses import replace

import numpy as np
import pytest
import zarr
from toy_cohort import MARKERS

from napari_haiku.errors import HaikuError
from napari_haiku.export.maps import (
    is_map,
    write_biomarker_maps,
    write_maps_ome_zarr,
    write_shift_maps,
)
from napari_haiku.images.grid import PatchGrid
from napari_haiku.images.reading import open_image

GRID = PatchGrid(
    patch_um=100.0,
    stride_um=50.0,
    origin_um=(1000.0, 2000.0),
    shape=(3, 4),
    rows=np.array([0, 1, 2]),
    cols=np.array([0, 3, 2]),
    tissue_fraction=np.ones(3),
)


def test_values_places_and_names_come_back(tmp_path):
    path = tmp_path / "maps.ome.zarr"
    write_maps_ome_zarr(path, {"CD8": np.array([1.0, np.nan, 3.0]), "PanCK": np.ones(3)}, GRID)
    image = open_image(path, modality="mif")
    assert image.channel_names == ("CD8", "PanCK")
    assert image.pixel_size_um == 50.0
    data = np.asarray(image.levels[0])
    assert data.shape == (2, 3, 4)
    assert data[0, 0, 0] == 1
    assert data[0, 2, 2] == 3
    assert np.isnan(data[0, 1, 3])
    assert np.isfinite(data[1]).sum() == 3


def test_each_pixel_is_centred_on_its_patch(tmp_path):
    path = tmp_path / "maps.ome.zarr"
    write_maps_ome_zarr(path, {"CD8": np.ones(3)}, GRID)
    image = open_image(path, modality="mif")
    places = np.stack([GRID.cols, GRID.rows], axis=1)
    centres = np.asarray(image.origin_um) + (places + 0.5) * image.pixel_size_um
    np.testing.assert_allclose(centres, GRID.centres_um)


def test_metadata_is_ome_zarr_0_5(tmp_path):
    write_maps_ome_zarr(tmp_path / "m", {"CD8": np.array([1.0, 2.0, 9.0])}, GRID, notes={"k": 5})
    group = zarr.open_group(str(tmp_path / "m"), mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (scale,) = ome["multiscales"]
    assert [axis["name"] for axis in scale["axes"]] == ["c", "y", "x"]
    assert {axis.get("unit") for axis in scale["axes"]} == {None, "micrometer"}
    steps = scale["datasets"][0]["coordinateTransformations"]
    assert steps[0] == {"type": "scale", "scale": [1.0, 50.0, 50.0]}
    assert steps[1] == {"type": "translation", "translation": [0.0, 2025.0, 1025.0]}
    assert ome["omero"]["channels"][0]["window"]["max"] == 9
    assert group.attrs["napari_haiku"] == {"k": 5, "notice": "Research use only"}


def test_maps_laid_out_already(tmp_path):
    laid = np.arange(12.0).reshape(3, 4)
    write_maps_ome_zarr(tmp_path / "m", {"x": laid}, GRID)
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "m" / "0"), mode="r")[0], laid)


def test_an_earlier_map_is_replaced_whole(tmp_path):
    path = tmp_path / "m"
    write_maps_ome_zarr(path, {"a": np.ones(3), "b": np.ones(3)}, GRID)
    write_maps_ome_zarr(path, {"a": np.zeros(3)}, GRID)
    assert zarr.open_array(str(path / "0"), mode="r").shape[0] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_anything_else_is_left_alone(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    with pytest.raises(HaikuError, match="is no map"):
        write_maps_ome_zarr(tmp_path / "work", {"a": np.ones(3)}, GRID)
    assert (tmp_path / "work" / "thesis.txt").read_text() == "years"
    zarr.open_group(str(tmp_path / "foreign"), mode="w")
    assert not is_map(tmp_path / "foreign")
    with pytest.raises(HaikuError, match="is no map"):
        write_maps_ome_zarr(tmp_path / "foreign", {"a": np.ones(3)}, GRID)


def test_a_map_of_other_patches_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(HaikuError, match="3 patches"):
        write_maps_ome_zarr(tmp_path / "m", {"a": np.ones(5)}, GRID)
    with pytest.raises(HaikuError, match="no map"):
        write_maps_ome_zarr(tmp_path / "m", {}, GRID)
    assert not list(tmp_path.iterdir())


def test_a_map_without_any_value_has_a_window(tmp_path):
    write_maps_ome_zarr(tmp_path / "m", {"a": np.full(3, np.nan)}, GRID)
    window = zarr.open_group(str(tmp_path / "m")).attrs["ome"]["omero"]["channels"][0]["window"]
    assert window["max"] > window["min"]


def test_same_maps_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_maps_ome_zarr(tmp_path / name / "m", {"x": np.ones(3)}, GRID)
    first, second = (
        {
            f.relative_to(tmp_path / name): f.read_bytes()
            for f in (tmp_path / name).rglob("*.*")
            if f.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second


def test_biomarker_maps_show_predicted_beside_measured(tmp_path, case):
    outside = np.zeros(len(case.encoding), bool)
    outside[7] = True
    result = replace(case.biomarkers, outside_atlas=outside)
    write_biomarker_maps(tmp_path / "maps", result, case.encoding.grid)
    image = open_image(tmp_path / "maps", modality="mif")
    names = [f"{marker} {kind}" for marker in MARKERS for kind in ("predicted", "measured")]
    assert image.channel_names == (*names, "outside atlas")
    data = np.asarray(image.levels[0])
    grid = case.encoding.grid
    laid = data[:, grid.rows, grid.cols]
    assert np.isnan(laid[0, 7])
    keep = ~outside
    np.testing.assert_array_equal(laid[0, keep], result.values[keep, 0])
    np.testing.assert_array_equal(laid[1], case.encoding.expression[:, 0])
    assert laid[-1].tolist() == outside.astype(float).tolist()


def test_maps_of_some_rows_stay_in_their_place(tmp_path, case):
    rows = np.arange(40, 50)
    result = replace(
        case.biomarkers,
        rows=rows,
        **{
            name: getattr(case.biomarkers, name)[rows]
            for name in ("values", "measured", "outside_atlas")
        },
    )
    write_biomarker_maps(tmp_path / "maps", result, case.encoding.grid)
    data = zarr.open_array(str(tmp_path / "maps" / "0"), mode="r")[1]
    grid = case.encoding.grid
    np.testing.assert_array_equal(
        data[grid.rows[rows], grid.cols[rows]], case.encoding.expression[rows, 0]
    )
    assert np.isfinite(data).sum() == 10


def test_shift_maps(tmp_path, case):
    write_shift_maps(tmp_path / "shift", case.counterfactual, case.encoding.grid)
    image = open_image(tmp_path / "shift", modality="mif")
    assert image.channel_names[:-1] == tuple(f"{marker} shift" for marker in MARKERS)
    grid = case.encoding.grid
    laid = np.asarray(image.levels[0])[:-1, grid.rows, grid.cols].T
    np.testing.assert_array_equal(laid, case.counterfactual.shown())
    notes = zarr.open_group(str(tmp_path / "shift")).attrs["napari_haiku"]
    assert "association" in notes["caution"]
