from __future__ import annotations

import shutil

import pytest
from qtpy.QtCore import Qt
from slides_in_memory import he_image

from napari_haiku.encoding.store import Encoding
from napari_haiku.viewer.layers.layer_slots import layer_in_slot
from napari_haiku.viewer.slides.reading import Opened, put_slide
from napari_haiku.widgets.encode.encode_dock import EncodeDock

PATIENCE_MS = 60_000


@pytest.fixture
def slide(stores, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: stores.model)
    return [tmp_path / shutil.copy(path, tmp_path) for path in (stores.he, stores.mif)]


@pytest.fixture
def dock(qtbot, open_dock, slide):
    dock = open_dock(EncodeDock)
    dock.slides.open(slide)
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    return dock


def encode(qtbot, dock):
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.workspace.encoding is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)


def test_before_it_starts_it_says_how_many_how_long_and_where(dock, slide):
    assert dock.strip.text.startswith("96 patches, ")
    assert "beside the image" in dock.strip.text
    assert dock.primary.text() == "Encode"
    assert dock.output.text() == str(slide[0].parent / "p0_he.haiku.zarr")
    assert layer_in_slot(dock.viewer, "patches").visible
    assert not list(slide[0].parent.glob("*.zarr"))


def test_images_markers_and_sizes_are_found_by_themselves(dock):
    choice = dock.slide.choice
    assert [choice.combos[m].currentText() for m in ("he", "mif")] == ["p0_he", "p0_mif"]
    assert choice.sizes["he"].box.value() == 1.0
    assert choice.sizes["he"].source.text() == "from the file"
    assert choice.overlap.text() == "The images overlap 100 %."
    assert dock.slide.table.choices() == ["DAPI", "CD8", "PanCK", "Ki67"]
    assert dock.how.why.text().startswith("CPU")


def test_encoding_ends_with_the_encoding_in_place(qtbot, dock, slide):
    dock.workspace.record = {"patient_id": "C01", "stage": "II"}
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    encode(qtbot, dock)
    assert dock.strip.text.startswith("Encoded. 96 patches in ")
    assert dock.primary.text().startswith("Find similar tissue")
    encoding = Encoding.open(slide[0].parent / "p0_he.haiku.zarr")
    assert encoding.complete
    assert encoding.record == {"stage": "II"}
    assert dock.workspace.encoding.path == encoding.path
    assert dock.workspace.saved == encoding.path


def test_the_same_slide_again_is_found_and_nothing_is_redone(qtbot, dock, slide):
    encode(qtbot, dock)
    written = {p: p.stat().st_mtime_ns for p in slide[0].parent.rglob("*") if p.is_file()}
    dock.workspace.open_slide(None, None)
    dock.slides.open(slide)
    qtbot.waitUntil(lambda: dock.workspace.encoding is not None, timeout=PATIENCE_MS)
    assert dock.strip.text.startswith("Found your encoding of ")
    assert {p: p.stat().st_mtime_ns for p in written} == written


def test_other_patches_make_the_encoding_stale_and_go_to_a_new_place(qtbot, dock, slide):
    encode(qtbot, dock)
    dock.how.patch.setValue(200)
    dock.how.step.setValue(200)
    qtbot.waitUntil(lambda: dock.strip.state == "caution", timeout=PATIENCE_MS)
    assert "Settings changed" in dock.strip.text
    assert dock.workspace.encoding is not None
    earlier = dock.workspace.encoding
    ask_again(qtbot, dock, dock.strip.buttons[0])
    assert dock.workspace.encoding is earlier
    dock.primary.click()
    qtbot.waitUntil(lambda: dock.workspace.encoding is not earlier, timeout=PATIENCE_MS)
    assert dock.workspace.encoding.path.name == "p0_he-2.haiku.zarr"
    assert Encoding.open(slide[0].parent / "p0_he.haiku.zarr").n_patches == 96
    qtbot.waitUntil(lambda: dock.strip.text.startswith("Encoded."), timeout=PATIENCE_MS)
    press(qtbot, dock, "Back to the earlier one")
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    assert dock.workspace.encoding.path == earlier.path


def ask_again(qtbot, dock, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.ready and dock.primary.text() == "Encode", timeout=PATIENCE_MS)


def press(qtbot, dock, name):
    button = next(b for b in dock.strip.buttons if b.text() == name)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_asking_again_keeps_the_earlier_encoding_and_its_results_in_view(qtbot, dock, slide):
    encode(qtbot, dock)
    earlier, results = dock.workspace.encoding, object()
    dock.workspace.hits = results
    ask_again(qtbot, dock, dock.again)
    assert dock.strip.text.startswith("96 patches")
    assert dock.workspace.encoding is earlier
    assert dock.workspace.hits is results
    press(qtbot, dock, "Back to the earlier one")
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    assert dock.primary.text().startswith("Find similar tissue")
    assert dock.output.text() == str(earlier.path)
    assert dock.workspace.hits is results
    assert [path.name for path in slide[0].parent.glob("*.zarr")] == ["p0_he.haiku.zarr"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_new_encoding_that_comes_to_nothing_leaves_the_earlier_one(
    qtbot, dock, monkeypatch, fails
):
    import threading

    from napari_haiku.errors import HaikuError
    from napari_haiku.jobs import Progress

    cancelled = threading.Event()

    def endless(*_args, **_options):
        yield Progress(1, 96, "Encoding")
        if fails:
            raise HaikuError("The disk is full: free some space.")
        while not cancelled.wait(0.01):
            yield Progress(2, 96, "Encoding")

    encode(qtbot, dock)
    earlier, results = dock.workspace.encoding, object()
    dock.workspace.hits = results
    ask_again(qtbot, dock, dock.again)
    monkeypatch.setattr("napari_haiku.viewer.slides.encode_preview.encode_or_resume", endless)
    dock.primary.click()
    if not fails:
        dock.cancel()
    qtbot.waitUntil(lambda: not dock.is_running(), timeout=PATIENCE_MS)
    cancelled.set()
    assert dock.strip.state == ("failed" if fails else "caution")
    assert dock.workspace.encoding is earlier
    assert dock.workspace.hits is results
    press(qtbot, dock, "Back to the earlier one")
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    assert dock.workspace.encoding is earlier
    assert dock.primary.text().startswith("Find similar tissue")


def test_a_markers_change_is_taken_and_a_double_one_refused(qtbot, dock):
    rows = {dock.slide.table.item(r, 0).text(): r for r in range(4)}
    dock.slide.table.item(rows["Ki67"], 1).setText("CD8")
    assert "both CD8" in dock.strip.text
    assert dock.workspace.mif.used_markers == ("DAPI", "CD8", "PanCK", "Ki67")
    dock.slide.table.item(rows["Ki67"], 1).setText("leave out")
    qtbot.waitUntil(
        lambda: dock.workspace.mif.used_markers == ("DAPI", "CD8", "PanCK"), timeout=PATIENCE_MS
    )


def test_a_missing_pixel_size_is_asked_for_and_then_used(qtbot, open_dock, viewer, slide):
    dock = open_dock(EncodeDock)
    put_slide(viewer, dock.workspace, Opened.of(he_image(pixel=None), None))
    qtbot.waitUntil(lambda: dock.strip.state == "caution", timeout=PATIENCE_MS)
    assert dock.strip.text.startswith("This file does not say how large a pixel is.")
    assert not dock.primary.isEnabled()
    box = dock.slide.choice.sizes["he"].box
    assert box.property("missing") is True
    box.setValue(0.5)
    qtbot.waitUntil(lambda: dock.workspace.he.pixel_size_um == 0.5, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: len(viewer.layers) > 0, timeout=PATIENCE_MS)
    assert tuple(layer_in_slot(viewer, "he").scale) == (0.5, 0.5)
    assert dock.slide.choice.sizes["he"].source.text() == "typed by you"


def test_layers_that_vanish_do_not_close_the_slide(qtbot, dock, viewer):
    he = dock.workspace.he
    viewer.layers.clear()
    qtbot.wait(150)
    assert dock.workspace.he is he
    assert dock.slide.choice.combos["he"].currentText() == "p0_he"


def test_a_changed_record_only_has_the_text_read_anew(qtbot, dock, slide):
    dock.workspace.record = {"patient_id": "C01", "stage": "II"}
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    encode(qtbot, dock)
    encoding = dock.workspace.encoding
    dock.form.set_field("stage", "IV")
    qtbot.waitUntil(lambda: encoding.record == {"stage": "IV"}, timeout=PATIENCE_MS)
    assert dock.strip.text.startswith("The record was read anew")
    assert dock.workspace.encoding is encoding
    assert dock.primary.text().startswith("Find similar tissue")
    assert Encoding.open(encoding.path).caption == encoding.caption
    assert "stage: IV" in encoding.caption


def test_a_slide_opened_with_another_record_asks_which_is_right(qtbot, dock, slide):
    dock.workspace.record = {"stage": "II"}
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    encode(qtbot, dock)
    dock.workspace.open_slide(None, None)
    dock.slides.open(slide)
    dock.workspace.record = {"stage": "I"}
    qtbot.waitUntil(lambda: dock.workspace.has_slide, timeout=PATIENCE_MS)
    dock.workspace.record = {"stage": "I"}
    qtbot.waitUntil(lambda: "record differs" in dock.strip.text, timeout=PATIENCE_MS)
    assert dock.workspace.encoding.record == {"stage": "II"}
    qtbot.mouseClick(dock.strip.buttons[1], Qt.MouseButton.LeftButton)
    assert dock.workspace.record == {"stage": "II"}


def test_the_patches_are_the_models_own_until_typed(dock, stores, monkeypatch):
    assert dock.request().patch_um is None
    assert dock.how.patch.value() == stores.model.patch_um
    dock.how.step.setValue(50)
    assert (dock.request().patch_um, dock.request().stride_um) == (None, 50.0)
    monkeypatch.setattr(type(stores.model), "any_patch_size", False)
    dock.how.describe_model(stores.model)
    assert not dock.how.patch.isEnabled()
    assert "patches of 100 µm only" in dock.how.patch.toolTip()


def test_devices_and_models_that_cannot_be_used_say_why(dock):
    dock.how.show_why_not({"cuda": "no NVIDIA driver found on this computer"})
    devices = dock.how.device
    item = devices.model().item(devices.findData("cuda"))
    assert not item.isEnabled()
    assert "no NVIDIA driver" in item.toolTip()
    assert devices.model().item(devices.findData("cpu")).isEnabled()
    rows = [{"name": "haiku", "title": "Haiku as published", "on_disk": False}]
    dock.how.show_known_models(rows)
    models = dock.how.model
    item = models.model().item(models.findText("Haiku as published"))
    assert not item.isEnabled()
    assert "napari-haiku convert haiku" in item.toolTip()
    assert dock.how.model_name == "default"


def test_a_file_of_two_pixel_sizes_is_asked_about(qtbot, open_dock, slide, monkeypatch):
    from napari_haiku.images import reading
    from napari_haiku.images.pixel_size import ContradictoryPixelSizeError

    open_image = reading.open_image

    def contradictory(path, *, pixel_size_um=None):
        if pixel_size_um is None:
            raise ContradictoryPixelSizeError("Two sizes.", path.name, (0.5, 0.25))
        return open_image(path, pixel_size_um=pixel_size_um)

    monkeypatch.setattr(reading, "open_image", contradictory)
    dock = open_dock(EncodeDock)
    dock.slides.open(slide[:1])
    qtbot.waitUntil(lambda: len(dock.strip.buttons) == 2, timeout=PATIENCE_MS)
    assert dock.strip.text.startswith("The file says 0.5 um in one place and 0.25 um in another.")
    qtbot.mouseClick(dock.strip.buttons[1], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.workspace.has_slide, timeout=PATIENCE_MS)
    assert dock.workspace.he.pixel_size_um == 0.25


def test_what_the_files_do_not_say_is_asked_only_once(qtbot, open_dock, viewer, slide):
    """A typed pixel size and a renamed marker come back with the slide."""
    dock = open_dock(EncodeDock)
    put_slide(viewer, dock.workspace, Opened.of(he_image(pixel=None), None))
    qtbot.waitUntil(lambda: dock.workspace.session.live, timeout=PATIENCE_MS)
    dock.slide.choice.sizes["he"].box.setValue(0.5)
    qtbot.waitUntil(lambda: dock.ready, timeout=PATIENCE_MS)
    dock.workspace.open_slide(None, None)
    dock.slide._typed.clear()
    put_slide(viewer, dock.workspace, Opened.of(he_image(pixel=None), None))
    qtbot.waitUntil(
        lambda: dock.workspace.he is not None and dock.workspace.he.pixel_size_um == 0.5,
        timeout=PATIENCE_MS,
    )


def test_too_little_space_is_said_before_it_starts(dock, monkeypatch):
    from dataclasses import replace

    dock._show_preview(replace(dock._preview, free_bytes=3_000), None)
    assert "The disk is full: " in dock.strip.text
    assert "3 kB free" in dock.strip.text
    assert [button.text() for button in dock.strip.buttons] == ["Choose folder..."]


def test_a_folder_that_is_no_image_is_one_sentence(qtbot, open_dock, tmp_path):
    dock = open_dock(EncodeDock)
    bad = tmp_path / "cut.ome.tif"
    bad.write_bytes(b"II*\0")
    dock.slides.open([bad])
    qtbot.waitUntil(lambda: dock.strip.state == "failed", timeout=PATIENCE_MS)
    assert "cut.ome.tif" in dock.strip.text
    assert "\n" not in dock.strip.text
