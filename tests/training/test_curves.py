"""The figures of a run."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.training.curves import Curves


def test_a_figure_measured_again_replaces_the_first(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    curves.add(1, {"loss": 2.0})
    curves.add(2, {"loss": 1.0})
    curves.add(2, {"validation r": 0.5})
    curves.add(2, {"validation r": 0.6})
    curves.save()
    assert (tmp_path / "curves.csv").read_text().splitlines() == [
        "step,figure,value",
        "1,loss,2.0",
        "2,loss,1.0",
        "2,validation r,0.6",
    ]


def test_tensorboard_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HaikuError, match=r"tensorboard: run pip install 'napari-haiku\[train\]'"):
        Curves(tmp_path, tensorboard=True)
