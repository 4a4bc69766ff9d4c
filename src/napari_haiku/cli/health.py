"""The checks behind ``napari-haiku doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs

from napari_haiku.cli.virtual_display import (
    HOW_TO_GET,
    find_xvfb,
    has_display,
    virtual_display,
)
from napari_haiku.cli.window_check import check_window
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PACKAGES = (
    "napari-haiku",
    "napari",
    "npe2",
    "qtpy",
    "PyQt6",
    "PySide6",
    "torch",
    "numpy",
    "zarr",
    "dask",
    "tifffile",
    "openslide-python",
    "pandas",
)
OPTIONAL = ("PyQt6", "PySide6", "openslide-python")
SMALL_DISK_GB = 2.0

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    name : str
        What was checked.
    status : {"ok", "warning", "failed"}
        "warning" leaves the command line usable.
    says : str
        One sentence.
    details : mapping
        Figures and names for ``--json``.
    """

    name: str
    status: Status
    says: str
    details: Mapping[str, Any] = field(default_factory=dict)


def examine() -> Iterator[Finding]:
    """Run every check, one after the other; a check that fails ends none of the others."""
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("Python", _python),
        ("Packages", _packages),
        ("Device", _device),
        ("Window", _window),
        ("Default model", _model),
        ("Demo atlas", _atlas),
        ("Cache folder", _cache),
        ("Disk", _disk),
    )
    for name, check in checks:
        try:
            yield check()
        except HaikuError as error:
            yield Finding(name, "failed", str(error))
        except ImportError as error:
            yield Finding(
                name, "failed", f"{error.name or 'A package'} cannot be loaded ({error})."
            )


def _python() -> Finding:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Finding(
        "Python",
        "ok",
        f"{platform.python_version()} on {system}",
        {"version": platform.python_version(), "system": system, "cores": os.cpu_count()},
    )


def _packages() -> Finding:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    missing = [name for name, there in found.items() if there is None and name not in OPTIONAL]
    told = ", ".join(f"{name} {there}" for name, there in found.items() if there)
    if missing:
        says = f"{', '.join(missing)} cannot be found: install napari-haiku again. Found: {told}"
        return Finding("Packages", "failed", says, found)
    return Finding("Packages", "ok", told, found)


def _device() -> Finding:
    from napari_haiku.model.devices import choose_device

    device = choose_device("auto")
    why = f"; no GPU: {device.why_not_gpu}" if device.why_not_gpu else ""
    details = {
        "device": device.torch_name,
        "label": device.label,
        "why_not_gpu": device.why_not_gpu,
    }
    return Finding("Device", "ok", f"{device.label}{why}", details)


def _window() -> Finding:
    details: dict[str, Any] = {"display": has_display(), "xvfb": find_xvfb() is not None}
    if has_display():
        seen = check_window()
        if seen.works or find_xvfb() is None:
            return Finding(
                "Window",
                "ok" if seen.works else "warning",
                seen.sentence,
                details | dict(seen.found),
            )
    if find_xvfb() is None:
        return Finding(
            "Window",
            "warning",
            f"There is no display, so napari cannot open here, and no Xvfb either: {HOW_TO_GET}.",
            details,
        )
    with virtual_display() as environment:
        seen = check_window(environment)
    if seen.works:
        says = f"There is no display; the demo draws on Xvfb instead: {seen.sentence}"
        return Finding("Window", "ok", says, details | dict(seen.found))
    return Finding("Window", "warning", f"Xvfb is here, but: {seen.sentence}", details)


def _model() -> Finding:
    from napari_haiku.model.loading import DEFAULT, load_model

    model = load_model(DEFAULT, device="cpu")
    return Finding(
        "Default model",
        "ok",
        f"{model.name}, {', '.join(sorted(model.modalities))}, patches of {model.patch_um:g} um",
        {"name": model.name, "fingerprint": model.fingerprint, "dim": model.dim},
    )


def _atlas() -> Finding:
    from napari_haiku.atlas.shipped import shipped_atlas
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.model.loading import DEFAULT, load_model

    atlas = Atlas.open(shipped_atlas())
    atlas.check_model(load_model(DEFAULT, device="cpu"))
    return Finding(
        "Demo atlas",
        "ok",
        f"{atlas.n_patients} patients, {atlas.n_patches:,} patches, {len(atlas.markers)} markers",
        {"patients": atlas.n_patients, "patches": atlas.n_patches},
    )


def _cache() -> Finding:
    folder = platformdirs.user_cache_path("napari-haiku", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(
            "Cache folder",
            "warning",
            f"{folder} cannot be written ({error.strerror}): slides without a folder of their own "
            "cannot be kept.",
            {"folder": str(folder)},
        )
    return Finding("Cache folder", "ok", str(folder), {"folder": str(folder)})


def _disk() -> Finding:
    free = {}
    for name, folder in (("here", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        free[name] = round(shutil.disk_usage(folder).free / 1e9, 1)
    says = ", ".join(f"{gigabytes:g} GB free {name}" for name, gigabytes in free.items())
    if min(free.values()) < SMALL_DISK_GB:
        return Finding("Disk", "warning", f"{says}: free some space before encoding.", free)
    return Finding("Disk", "ok", says, free)
