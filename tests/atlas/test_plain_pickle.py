from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas.plain_pickle import read_plain_pickle
from napari_haiku.errors import HaikuError


class Evil:
    def __reduce__(self):
        return os.system, ("touch trace-of-code",)


class Builder:
    """Calls a harmless NumPy function with a shape far larger than the file."""

    def __reduce__(self):
        return np.zeros, ((1 << 40,),)


def written(tmp_path, content):
    file = tmp_path / "patch.pkl"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_patch_is_read_in_every_protocol(tmp_path, protocol):
    rng = np.random.default_rng(0)
    patch = {
        "codex": rng.integers(0, 255, (3, 8, 8), dtype=np.uint8),
        "turned": np.asfortranarray(rng.normal(size=(4, 5))),
        "big": np.arange(5, dtype=">u2"),
        "biomarker_name": ["DAPI", "CD8", "PanCK"],
        "names": np.array(["a", "bc"]),
        "number": np.float32(1.5),
        "nothing": None,
    }
    read = read_plain_pickle(written(tmp_path, pickle.dumps(patch, protocol)))
    assert set(read) == set(patch)
    for name, value in patch.items():
        np.testing.assert_array_equal(read[name], value)
    read["codex"][0] = 0


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Evil()),
        pickle.dumps({"codex": Builder()}),
        pickle.dumps(np.array([Evil()], object)),
        pickle.dumps(np.zeros(2, [("a", "f4")])),
        pickle.dumps({1, 2}),
        pickle.dumps({1: "a"}),
        pickle.dumps(len),
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"c__builtin__\neval\n(S'1'\ntR.",
    ],
)
def test_anything_that_could_run_is_refused_and_never_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HaikuError, match=r"patch\.pkl holds .* only arrays and text"):
        read_plain_pickle(written(tmp_path, content))
    assert not (tmp_path / "trace-of-code").exists()


def test_an_array_that_claims_more_than_its_bytes_is_refused(tmp_path):
    content = pickle.dumps(np.zeros(3, np.uint8), 2)
    content = content.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    assert b"\x7f\x85" in content
    with pytest.raises(HaikuError, match="an array larger than its bytes"):
        read_plain_pickle(written(tmp_path, content))


def test_lists_that_double_are_refused(tmp_path):
    """A few bytes that stand for a billion entries."""
    bomb = ["x"] * 10
    for _ in range(9):
        bomb = [bomb] * 10
    with pytest.raises(HaikuError, match="lists within lists"):
        read_plain_pickle(written(tmp_path, pickle.dumps(bomb)))
    around = []
    around.append(around)
    with pytest.raises(HaikuError, match="lists within lists"):
        read_plain_pickle(written(tmp_path, pickle.dumps(around)))


def test_too_many_instructions_are_refused(tmp_path, monkeypatch):
    from napari_haiku.atlas import plain_pickle

    monkeypatch.setattr(plain_pickle, "_MOST_STEPS", 50)
    with pytest.raises(HaikuError, match="too many instructions"):
        read_plain_pickle(written(tmp_path, pickle.dumps(list(range(100)))))


GOOD = pickle.dumps({"codex": np.zeros((2, 4, 4), np.uint8), "biomarker_name": ["a", "b"]})


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_read_or_refused_never_anything_else(tmp_path_factory, place, byte):
    changed = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    file = written(tmp_path_factory.mktemp("flip"), changed)
    try:
        read_plain_pickle(file)
    except HaikuError as error:
        assert "patch.pkl" in str(error)  # noqa: PT017


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_pickle_is_told(tmp_path, share):
    with pytest.raises(HaikuError, match="cut short"):
        read_plain_pickle(written(tmp_path, GOOD[: int(share * len(GOOD))]))
