"""``convert`` and ``models``: the contract, and refusals of what nobody has vouched for."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from published_bundle import load_state, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_a_bundle_becomes_a_model_that_encodes_patches_of_its_own_size(
    run, bundle, slide, tmp_path
):
    done = run("convert", bundle, tmp_path / "model", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.content["model"] == str(tmp_path / "model")
    assert done.content["name"] == "Haiku"
    assert done.content["dropped"] > 0
    assert "CD8" in done.content["markers"]
    coded = run(
        "encode", slide[0], "--mif", slide[1], "--output", tmp_path / "enc.zarr",
        "--model", tmp_path / "model", "--region", "0,0,250,250", "--json",
    )  # fmt: skip
    assert coded.exit_code == 0, coded.stderr
    assert coded.content["patch_um"] == 96.64
    assert coded.content["patches"] >= 4


def test_models_say_where_each_comes_from(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HAIKU_MODELS", str(tmp_path))
    done = run("models", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == done.content
    rows = {row["name"]: row for row in done.content["models"]}
    assert rows["default"]["on_disk"]
    assert rows["uni"]["weights"] == "https://huggingface.co/MahmoodLab/UNI"
    for row in rows.values():
        assert {"licence", "size_mb", "patch_um", "weights", "gated", "offers"} <= set(row)
    words = run("models").stdout
    assert "not on disk" in words
    assert "no biomarkers, no counterfactuals" in words


class Calls:
    """Calls something when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def climb_out(bundle: Path) -> None:
    """Put an entry that climbs out of the archive beside the good ones."""
    with zipfile.ZipFile(bundle / "haiku_state_dict.pt", "a") as archive:
        archive.writestr("../../trace", "x")
        archive.writestr(str((bundle.parent / "absolute_trace").resolve()), "x")


def huge(bundle: Path) -> None:
    os.truncate(bundle / "haiku_state_dict.pt", 64_000_000_001)


def bomb(function: Callable[..., Any], *arguments: object) -> Callable[[Path], object]:
    def spoil(bundle: Path) -> None:
        state = load_state(bundle) | {"extra": Calls(function, *arguments)}
        torch.save(state, bundle / "haiku_state_dict.pt")

    return spoil


SPOILT: dict[str, Callable[[Path], object]] = {
    "calls the shell": bomb(os.system, "touch trace"),
    "evaluates": bomb(eval, "open('trace', 'w')"),
    "imports": bomb(__import__, "this"),
    "plain pickle": lambda b: (b / "haiku_state_dict.pt").write_bytes(
        pickle.dumps(Calls(os.system, "touch trace"), protocol=0)
    ),
    "old torch form": lambda b: torch.save(
        {"x": Calls(os.system, "touch trace")},
        b / "haiku_state_dict.pt",
        _use_new_zipfile_serialization=False,
    ),
    "shell in the vocabulary": lambda b: (b / "vocab.pkl").write_bytes(b"cos\nsystem\n(S'x'\ntR."),
    "huge": huge,
    "no archive": lambda b: (b / "haiku_state_dict.pt").write_bytes(b"PK" + bytes(200)),
    "folder for weights": lambda b: (
        (b / "haiku_state_dict.pt").unlink(),
        (b / "haiku_state_dict.pt").mkdir(),
    ),
    "config that is a picture": lambda b: (b / "config.json").write_bytes(b"\x89PNG\xff\xfe"),
    "config that is a folder": lambda b: (
        (b / "config.json").unlink(),
        (b / "config.json").mkdir(),
    ),
    "loop of links": lambda b: (
        (b / "config.json").unlink(),
        (b / "config.json").symlink_to("config.json"),
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_bundle_gets_one_sentence(run, bundle, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    SPOILT[kind](bundle)
    done = run("convert", bundle, "model", "--json")
    assert done.exit_code == 1
    sentence = done.content["error"]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    # The folder is said as it was typed, and nothing else of where it lies.
    assert str(tmp_path) not in sentence.replace(str(bundle), "")
    assert "Traceback" not in done.stderr
    assert not Path("model").exists()
    assert not list(tmp_path.rglob("trace")), "code of the bundle was run"


def test_entries_that_climb_out_of_the_archive_are_never_written(run, bundle, tmp_path):
    climb_out(bundle)
    run("convert", bundle, tmp_path / "model", "--json")
    assert not list(tmp_path.rglob("trace"))
    assert not (bundle.parent / "absolute_trace").exists()
