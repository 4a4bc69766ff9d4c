from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_model import FakeModel
from window_scene import Scene, make_scene


@pytest.fixture(scope="session")
def pristine_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def scene(pristine_scene: Scene, tmp_path: Path) -> Scene:
    """The slide copied into a folder of its own, so that no test finds another's encoding."""
    he = Path(shutil.copy(pristine_scene.he, tmp_path))
    mif = Path(shutil.copy(pristine_scene.mif, tmp_path))
    return Scene(he, mif, dict(pristine_scene.record), pristine_scene.atlas)


@pytest.fixture(autouse=True)
def fake_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModel]:
    """Every model that the window loads is the fake one."""
    model = FakeModel()
    monkeypatch.setattr("napari_haiku.model.loading.load_model", lambda *_a, **_k: model)
    return model
