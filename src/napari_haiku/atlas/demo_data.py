"""Turn the published demo data (patches in pickles, arrays and text files) into a cohort.

Patches are named after the pixels that they cover, so they are laid back where they were cut: each
region becomes an H&E and an mIF image, with glass where no patch is, and a row of a manifest.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_haiku.atlas.plain_pickle import read_plain_pickle
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.storage import speaking, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL_SIZE_UM: Final = 0.3775
GLASS: Final = 255
_NAME = re.compile(r"(?P<region>.+)_(?P<x0>\d+)-(?P<x1>\d+)-(?P<y0>\d+)-(?P<y1>\d+)")
_MOST_PIXELS = 1 << 31
# The misspelling is that of the published files.
_TEXT_ENDINGS = ("_backgroud.txt", "_background.txt", ".txt")


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Parameters
    ----------
    manifest : Path
        The cohort's manifest, ready for ``atlas build``.
    regions : int
        Slides in it.
    patches : int
        Patches laid into them.
    markers : tuple of str
        Channels of the first region.
    """

    manifest: Path
    regions: int
    patches: int
    markers: tuple[str, ...]


@dataclass(frozen=True)
class _Patch:
    name: str
    x: slice
    y: slice


def import_demo(
    source: Path | str, folder: Path | str, *, pixel_size_um: float = PIXEL_SIZE_UM
) -> Job[Imported]:
    """Import the published demo data.

    Parameters
    ----------
    source : Path or str
        Folder with ``demo_samples.json``, ``codex_patches``, ``he_patches`` and
        ``text``.
    folder : Path or str
        Folder to write: images and ``cohort.csv``.
    pixel_size_um : float
        Side of a pixel; the published one by default.

    Yields
    ------
    Progress
        After every patch.

    Returns
    -------
    Imported

    Raises
    ------
    HaikuError
        The folder is not so laid out, a pickle holds more than arrays and text,
        patches disagree, or the output exists.
    """
    source, folder = Path(source), Path(folder)
    samples = _samples(source)
    if folder.exists():
        raise HaikuError(f"{folder.name} exists already: choose another folder.")
    fresh = folder.parent / f".{folder.name}.new"
    total = sum(len(patches) for patches in samples.values())
    rows: list[dict[str, str]] = []
    markers: tuple[str, ...] = ()
    done = 0
    with speaking(folder):
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
            for region, patches in samples.items():
                canvas = _Canvas(source, fresh, region, patches, pixel_size_um)
                for patch in patches:
                    yield Progress(done, total, "Importing patches")
                    canvas.lay(patch)
                    done += 1
                rows.append(canvas.close())
                markers = markers or canvas.markers
            write_text(fresh / "cohort.csv", _manifest(rows))
            fresh.replace(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    yield Progress(total, total, "Importing patches")
    return Imported(folder / "cohort.csv", len(samples), total, markers)


def _samples(source: Path) -> dict[str, list[_Patch]]:
    file = source / "demo_samples.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        named = {str(region): [str(name) for name in names] for region, names in content.items()}
    except FileNotFoundError as error:
        raise HaikuError(
            f"{source.name} has no demo_samples.json: choose the folder of the published demo data."
        ) from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise HaikuError(
            f"{file.name} cannot be read as {{region: [patches]}}: fetch it again."
        ) from error
    samples = {}
    for region, names in named.items():
        for name in (region, *names):
            if name != Path(name).name or name in ("", ".", ".."):
                raise HaikuError(f"{file.name} names a path instead of a patch: fetch it again.")
        samples[region] = [_patch(name) for name in names]
    if not any(samples.values()):
        raise HaikuError(f"{file.name} names no patch: fetch it again.")
    return {region: patches for region, patches in samples.items() if patches}


def _patch(name: str) -> _Patch:
    match = _NAME.fullmatch(name)
    if match is None:
        raise HaikuError(
            f"The patch {name} does not say which pixels it covers (region_x0-x1-y0-y1): fetch "
            "the data again."
        )
    x0, x1, y0, y1 = (int(match[key]) for key in ("x0", "x1", "y0", "y1"))
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise HaikuError(f"The patch {name} covers no pixels: fetch the data again.")
    return _Patch(name, slice(x0, x1), slice(y0, y1))


class _Canvas:
    """One region, patches laid where they were cut."""

    def __init__(
        self, source: Path, folder: Path, region: str, patches: list[_Patch], pixel_size_um: float
    ) -> None:
        self._source, self._folder, self._region = source, folder, region
        self._pixel_size_um = pixel_size_um
        self._x0 = min(patch.x.start for patch in patches)
        self._y0 = min(patch.y.start for patch in patches)
        width = max(patch.x.stop for patch in patches) - self._x0
        height = max(patch.y.stop for patch in patches) - self._y0
        if width * height > _MOST_PIXELS:
            raise HaikuError(f"The patches of region {region} lie too far apart: fetch them again.")
        self._shape = (height, width)
        self._he: NDArray[np.uint8] | None = None
        self._mif: NDArray[np.uint8] | None = None
        self.markers: tuple[str, ...] = ()
        self._text = ""

    def lay(self, patch: _Patch) -> None:
        """Read one patch and put it in its place."""
        pickled = self._source / "codex_patches" / self._region / f"{patch.name}.pkl"
        codex, markers = _codex(read_plain_pickle(pickled), pickled, patch)
        he = _he(self._source / "he_patches" / self._region / f"{patch.name}.npy", patch)
        if self._mif is None or self._he is None:
            self.markers = markers
            self._check_space(len(markers))
            self._he = np.full((*self._shape, 3), GLASS, np.uint8)
            self._mif = np.zeros((len(markers), *self._shape), np.uint8)
        if markers != self.markers:
            raise HaikuError(
                f"{pickled.name} has other markers than the first patch of its region: fetch it "
                "again."
            )
        y = slice(patch.y.start - self._y0, patch.y.stop - self._y0)
        x = slice(patch.x.start - self._x0, patch.x.stop - self._x0)
        self._mif[:, y, x] = codex
        self._he[y, x] = he
        self._text = self._text or self._read_text(patch)

    def close(self) -> dict[str, str]:
        """Write the images and return the row of the manifest."""
        if self._he is None or self._mif is None:
            raise HaikuError(f"Region {self._region} has no patch: fetch the data again.")
        um = self._pixel_size_um
        size: dict[str, Any] = {
            "PhysicalSizeX": um,
            "PhysicalSizeY": um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeYUnit": "µm",
        }
        # The corner of the first pixel lies where it lay in the region.
        x, y = self._x0 * um, self._y0 * um
        he, mif = f"{self._region}_he.ome.tif", f"{self._region}_mif.ome.tif"
        tifffile.imwrite(
            self._folder / he,
            self._he,
            photometric="rgb",
            tile=(256, 256),
            compression="zlib",
            metadata={"axes": "YXS", **size, **_position(x, y, 1)},
        )
        tifffile.imwrite(
            self._folder / mif,
            self._mif,
            photometric="minisblack",
            tile=(256, 256),
            compression="zlib",
            metadata={
                "axes": "CYX",
                **size,
                "Channel": {"Name": list(self.markers)},
                **_position(x, y, len(self.markers)),
            },
        )
        row = {"slide_id": self._region, "patient_id": self._region, "he": he, "mif": mif}
        return row | ({"description": self._text} if self._text else {})

    def _check_space(self, channels: int) -> None:
        needed = (channels + 3) * self._shape[0] * self._shape[1]
        if shutil.disk_usage(self._folder).free < needed:
            raise HaikuError(
                f"Region {self._region} may take {needed / 1e9:.1f} GB and the disk has less: free "
                "some space or choose another folder."
            )

    def _read_text(self, patch: _Patch) -> str:
        for ending in _TEXT_ENDINGS:
            file = self._source / "text" / self._region / f"{patch.name}{ending}"
            if file.is_file():
                return " ".join(file.read_text(encoding="utf-8", errors="replace").split())
        return ""


def _position(x: float, y: float, planes: int) -> dict[str, Any]:
    return {
        "Plane": {
            "PositionX": [x] * planes,
            "PositionY": [y] * planes,
            "PositionXUnit": ["µm"] * planes,
            "PositionYUnit": ["µm"] * planes,
        }
    }


def _codex(content: Any, file: Path, patch: _Patch) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    size = (patch.y.stop - patch.y.start, patch.x.stop - patch.x.start)
    try:
        codex = content["codex"]
        names = content["biomarker_name"]
        markers = tuple(str(name) for name in list(names))
        fits = codex.dtype == np.uint8 and codex.shape == (len(markers), *size)
    except (KeyError, TypeError, AttributeError) as error:
        raise HaikuError(
            f"{file.name} does not hold 'codex' and 'biomarker_name': fetch it again."
        ) from error
    if not fits:
        raise HaikuError(
            f"{file.name} does not hold {len(markers)} channels of {size[1]} x {size[0]} pixels in "
            "8 bits: fetch it again."
        )
    return codex, markers


def _he(file: Path, patch: _Patch) -> NDArray[np.uint8]:
    size = (patch.y.stop - patch.y.start, patch.x.stop - patch.x.start)
    try:
        he = np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise HaikuError(f"{file.name} is missing beside its pickle: fetch it again.") from error
    except (OSError, ValueError, EOFError) as error:
        raise HaikuError(f"{file.name} is no plain array of pixels: fetch it again.") from error
    if he.ndim == 2:
        he = np.repeat(he[..., None], 3, axis=2)
    if he.dtype != np.uint8 or he.shape != (*size, 3):
        raise HaikuError(
            f"{file.name} does not hold {size[1]} x {size[0]} RGB pixels in 8 bits: fetch it again."
        )
    result: NDArray[np.uint8] = he
    return result


def _manifest(rows: list[dict[str, str]]) -> str:
    fields = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
