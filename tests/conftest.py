"""A clean home for every test run, set before napari is imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# No test may fail because a machine is slow.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_HOME = Path(tempfile.mkdtemp(prefix="napari-haiku-tests-"))
os.environ["HOME"] = str(_HOME)
os.environ["USERPROFILE"] = str(_HOME)
os.environ["XDG_CACHE_HOME"] = str(_HOME / "cache")
os.environ["XDG_CONFIG_HOME"] = str(_HOME / "config")
os.environ["XDG_DATA_HOME"] = str(_HOME / "data")
os.environ["NAPARI_CONFIG"] = str(_HOME / "napari" / "settings.yaml")
# Slices arrive within the call that asks for them, so tests see what users see.
os.environ["NAPARI_ASYNC"] = "0"
# Two test processes on two cores must not fight over threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_sessionfinish() -> None:
    """Take the home away again."""
    import shutil

    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real tissue; the test is skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("HAIKU_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "orion_crc01").is_dir():
        pytest.skip(
            "No real tissue here: set HAIKU_REAL_DATA to a folder that holds orion_crc01 "
            "to run the tests on real slides."
        )
    return folder
