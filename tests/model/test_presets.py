"""Models by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from napari_haiku.model.presets import (
    PRESETS,
    find_preset,
    folder_of,
    list_models,
    repository_of,
)

NAMES = ["default", "haiku", "haiku-bi", "uni", "virchow2", "h-optimus-0", "musk"]


def test_every_preset_says_what_a_user_must_know() -> None:
    assert [preset.name for preset in PRESETS] == NAMES
    for preset in PRESETS:
        assert preset.licence
        assert preset.size_mb > 0
        assert 50 < preset.patch_um < 250
        assert preset.shared_space == (preset.modalities != ("he",))
        assert preset.shared_space or "no biomarkers" in preset.offers


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("default", None),
        ("haiku", "zhihuanglab/Haiku"),
        ("zhihuanglab/haiku-bi", "zhihuanglab/Haiku-Bi"),
        ("hf-hub:owner/name", "owner/name"),
        ("timm:resnet18.a1_in1k", "timm/resnet18.a1_in1k"),
        ("some/folder", None),
    ],
)
def test_where_a_name_comes_from(name: str, repository: str | None) -> None:
    assert repository_of(name) == repository


def test_presets_are_found_whatever_the_case() -> None:
    preset = find_preset("hf-hub:MAHMOODLAB/uni")
    assert preset is not None
    assert preset.name == "uni"
    assert find_preset("gigapath") is None


def test_list_says_what_is_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAIKU_MODELS", str(tmp_path))
    rows = {row["name"]: row for row in list_models()}
    assert list(rows) == NAMES
    assert not rows["haiku"]["on_disk"]
    assert rows["haiku"]["gated"]
    assert rows["haiku"]["weights"].endswith("zhihuanglab/Haiku")
    for folder in (folder_of("haiku"), folder_of("timm:resnet18")):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    (folder_of("haiku") / "model.safetensors").write_bytes(bytes(3_000_000))
    own = folder_of("hf-hub:owner/encoder")
    own.mkdir()
    (own / "config.json").write_text(
        '{"architecture": "he-encoder", "name": "Own", "patch_px": 224, "pixel_size_um": 0.25}'
    )
    (own / "card.json").write_text('{"licence": "MIT", "source": "owner/encoder"}')
    rows = {row["name"]: row for row in list_models()}
    assert rows["haiku"]["on_disk"]
    assert rows["haiku"]["size_mb"] == 3
    assert rows["haiku"]["folder"] == str(tmp_path / "haiku")
    assert rows[str(tmp_path / "timm--resnet18")]["on_disk"]
    assert all(row.keys() == rows["haiku"].keys() for row in rows.values())
    row = rows[str(own)]
    assert (row["title"], row["licence"], row["patch_um"]) == ("Own", "MIT", 56)
    assert "no biomarkers" in row["offers"]


def test_the_bundled_preset_is_the_bundled_model() -> None:
    config = json.loads((folder_of("default") / "config.json").read_text())
    preset = PRESETS[0]
    assert (preset.patch_px, preset.pixel_size_um) == (config["patch_px"], config["pixel_size_um"])


def test_names_are_known_without_loading_torch() -> None:
    code = (
        "import sys, napari_haiku.model.loading, napari_haiku.model.presets as p; p.list_models();"
        "heavy = {'torch', 'timm', 'transformers', 'huggingface_hub'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "[]"
