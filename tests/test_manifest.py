"""The plugin manifest: valid, in napari's own menus, and obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = "napari-haiku"


@pytest.fixture(scope="module")
def manifest():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution(PLUGIN)
    manifest.validate_imports()
    return manifest


def test_every_contribution_points_at_a_command(manifest):
    commands = {command.id for command in manifest.contributions.commands}
    parts = manifest.contributions
    used = {one.command for one in (*parts.widgets, *parts.readers, *parts.writers)}
    used |= {one.command for one in parts.sample_data}
    used |= {item.command for items in parts.menus.values() for item in items}
    assert used == commands


def test_actions_lie_in_menus_that_napari_opens_to_plugins(manifest):
    from napari._app_model.constants._menus import is_menu_contributable

    menus = manifest.contributions.menus
    assert menus
    assert all(menu.startswith("napari/layers/") for menu in menus)
    assert all(is_menu_contributable(menu) for menu in menus)


def test_writers_take_one_layer_of_their_kind(manifest):
    kinds = {
        writer.command: (writer.layer_types, writer.filename_extensions)
        for writer in manifest.contributions.writers
    }
    assert kinds == {
        f"{PLUGIN}.write_shapes": (["shapes"], [".geojson"]),
        f"{PLUGIN}.write_image": (["image"], [".zarr"]),
        f"{PLUGIN}.write_labels": (["labels"], [".zarr"]),
    }


def test_napari_saves_through_the_writers(tmp_path):
    import numpy as np
    from napari.layers import Labels, Shapes
    from npe2 import PluginManager

    PluginManager.instance().discover()
    box = np.array([[0, 0], [0, 10], [20, 10], [20, 0]], float)
    written = Shapes([box]).save(str(tmp_path / "a.geojson"), plugin=PLUGIN)
    assert [Path(path).name for path in written] == ["a.geojson"]
    Labels(np.ones((3, 4), int)).save(str(tmp_path / "b.zarr"), plugin=PLUGIN)
    assert (tmp_path / "b.zarr" / "zarr.json").is_file()


def test_preferences_are_read_where_they_are_set(tmp_path):
    from napari.settings import get_plugin_settings

    from napari_haiku.widgets.frame.preferences import preferences

    settings = get_plugin_settings(PLUGIN)
    before = preferences()
    assert (before.device, before.batch_size) == ("auto", None)
    settings.compute.device = "cpu"
    settings.compute.batch_size = 7
    settings.storage.cache_folder = str(tmp_path)
    try:
        now = preferences()
        assert (now.device, now.batch_size, now.cache) == ("cpu", 7, tmp_path)
    finally:
        settings.compute.device, settings.compute.batch_size = "auto", 0
        settings.storage.cache_folder = ""
