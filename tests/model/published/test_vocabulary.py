"""Reading marker names from a pickle without running it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.vocabulary import read_vocabulary

NAMES = ["CD8", "HLA-DR", "PGP9.5", "TCRgammadelta"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [np.array(NAMES), np.array(NAMES, object), NAMES, tuple(NAMES), np.array(NAMES).astype(">U20")],
    ids=["text", "objects", "list", "tuple", "big-endian"],
)
def test_names_are_read(value: object, protocol: int, tmp_path: Path) -> None:
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickle.dumps(value, protocol=protocol))
    assert read_vocabulary(file) == ("CD8", "HLA-DR", "PGP9_5", "TCRgammadelta")


@pytest.mark.parametrize("protocol", range(6))
def test_elements_that_are_numpy_strings_are_read(protocol: int, tmp_path: Path) -> None:
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickle.dumps([np.str_("CD8"), np.str_("DAPI")], protocol=protocol))
    assert read_vocabulary(file) == ("CD8", "DAPI")


@pytest.mark.parametrize(
    "value",
    [{"CD8": 1}, [1, 2], np.arange(3), np.array([["a"]]), [], ["../x"], ["a/b"], ["\x00"], len],
    ids=str,
)
def test_anything_else_is_refused(value: object, tmp_path: Path) -> None:
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickle.dumps(value))
    with pytest.raises(HaikuError):
        read_vocabulary(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=60), at=st.integers(0, 200))
def test_spoilt_files_are_refused_or_read_never_run(noise: bytes, at: int, tmp_path: Path) -> None:
    good = pickle.dumps(np.array(NAMES))
    file = tmp_path / "vocab.pkl"
    file.write_bytes(good[:at] + noise + good[at + len(noise) :])
    try:
        names = read_vocabulary(file)
    except HaikuError:
        return
    assert all(isinstance(name, str) for name in names)
