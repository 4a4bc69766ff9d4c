from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from slides_in_memory import he_image, mif_image

from napari_haiku.errors import HaikuError
from napari_haiku.images.fingerprint import Fingerprint
from napari_haiku.viewer.slides.adopt import IMAGE, find_choices
from napari_haiku.viewer.slides.reading import Opened, open_choices, open_files, put_slide
from napari_haiku.viewer.slides.slide_data import layer_data
from napari_haiku.viewer.slides.slide_reader import read_slide, slide_reader
from napari_haiku.viewer.workspace import workspace_of


@pytest.fixture
def viewer():
    return ViewerModel()


def test_a_slide_is_shown_and_put_into_the_workspace(viewer):
    he, mif = he_image(), mif_image()
    put_slide(viewer, workspace_of(viewer), Opened.of(he, mif))
    assert workspace_of(viewer).he is he
    assert workspace_of(viewer).mif is mif
    assert [layer.name for layer in viewer.layers] == [
        "H&E slide",
        "mIF Mystery",
        "mIF CD8",
        "mIF DAPI",
    ]
    assert [layer.visible for layer in viewer.layers] == [True, False, False, False]
    assert viewer.canvas.overlays["scale_bar"].visible


def test_an_mif_alone_is_shown_at_once(viewer):
    put_slide(viewer, workspace_of(viewer), Opened.of(None, mif_image()))
    assert all(layer.visible for layer in viewer.layers)


def test_an_image_without_pixel_size_is_in_place_but_not_drawn(viewer):
    put_slide(viewer, workspace_of(viewer), Opened.of(he_image(pixel=None), None))
    assert workspace_of(viewer).he is not None
    assert len(viewer.layers) == 0


def test_the_users_own_layers_are_not_doubled(viewer):
    layer = viewer.add_image(np.zeros((32, 32, 3), np.uint8), rgb=True, name="mine")
    choice = find_choices(viewer)[0][0]
    opened = open_choices(choice, None)
    sized = Opened.of(opened.he.with_pixel_size(0.5), None)
    put_slide(viewer, workspace_of(viewer), sized, choice)
    assert list(viewer.layers) == [layer]
    assert tuple(layer.scale) == (0.5, 0.5)
    assert layer.metadata[IMAGE] is workspace_of(viewer).he


def test_two_images_of_one_kind_are_no_slide(stores):
    with pytest.raises(HaikuError, match="both H&E"):
        open_files([stores.he, stores.he])


def test_files_are_told_apart_by_what_they_show(stores):
    opened = open_files([stores.mif, stores.he])
    assert opened.he.path == stores.he
    assert opened.mif.path == stores.mif
    assert set(opened.limits) == {"DAPI", "PanCK", "CD8", "Ki67"}


def test_the_reader_offers_itself_for_slides_only():
    assert slide_reader("a.ome.tif") is read_slide
    assert slide_reader(["a.OME.TIFF", "b.svs"]) is read_slide
    assert slide_reader("a.png") is None
    assert slide_reader(["a.svs", "b.txt"]) is None
    assert slide_reader([]) is None


def test_layers_from_the_reader_lie_where_the_docks_put_them(viewer, stores):
    for data, options, kind in read_slide([str(stores.he), str(stores.mif)]):
        assert kind == "image"
        viewer.add_image(data, **options)
    names = [layer.name for layer in viewer.layers]
    assert names == ["H&E p0_he", "mIF Ki67", "mIF CD8", "mIF PanCK", "mIF DAPI"]
    he, *markers = viewer.layers
    assert tuple(he.scale) == (1.0, 1.0)
    assert tuple(he.translate) == (0.5, 0.5)
    for layer in markers:
        assert tuple(layer.scale) == (2.0, 2.0)
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    (choice,), (mif_choice,) = find_choices(viewer)
    assert choice.opened.path == stores.he
    assert mif_choice.opened.used_markers == ("DAPI", "CD8", "PanCK", "Ki67")


def test_without_a_pixel_size_the_layer_claims_no_units():
    ((_, options, _),) = layer_data(Opened.of(he_image(pixel=None), None))
    assert "units" not in options
    assert "scale" not in options


def test_the_main_thread_reads_no_pixels_to_tell_slides_apart(monkeypatch):
    """Whatever is asked of an image later, its fingerprint was computed by the worker."""
    he = he_image()
    monkeypatch.setattr(
        "napari_haiku.images.fingerprint.fingerprint_pixels", lambda *_a, **_k: "read"
    )
    vars(he)["_fingerprint"] = Fingerprint(he.levels, rgb=True)
    opened = Opened.of(he, None)
    monkeypatch.setattr(
        "napari_haiku.images.fingerprint.fingerprint_pixels",
        lambda *_a, **_k: pytest.fail("read again"),
    )
    assert opened.he.fingerprint == "read"
    assert opened.he.changed(name="other").fingerprint == "read"
