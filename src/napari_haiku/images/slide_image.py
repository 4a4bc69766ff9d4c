"""One opened image: a lazy pyramid that knows its physical size and its markers."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.images.fingerprint import FingerprintField
from napari_haiku.images.lazy import read, sides, window
from napari_haiku.images.pixel_size import checked_pixel_size
from napari_haiku.markers import MarkerMatch, resolve_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dask.array as da
    from numpy.typing import NDArray

Modality = Literal["he", "mif"]

_UNNAMED = re.compile(r"((channel|ch)[\s_:-]*)?\d+(:\d+)*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class SlideImage:
    """An H&E or mIF image that is read on demand.

    Parameters
    ----------
    name : str
        What to call it: the file's or the layer's name.
    modality : {"he", "mif"}
        What it shows.
    levels : tuple of dask.array.Array
        The pyramid, finest first: (y, x, 3) uint8 for H&E, (c, y, x) for mIF.
    pixel_size_um : float or None
        Side of a pixel of level 0 in um; None when the file does not say.
    origin_um : tuple of float
        (x, y) of the top-left corner of pixel (0, 0) in the physical frame, um.
    channel_names : tuple of str
        The channels as the file names them; empty for H&E.
    markers : tuple of (str or None)
        Canonical marker of each channel, its own name where unknown, None for a
        channel that is no marker or is not used; empty for H&E.
    fingerprint : str
        Identifies the pixels, computed when first asked for; see
        :mod:`napari_haiku.images.fingerprint`.
    path : Path or None
        Where it was read from.
    notes : tuple of str
        Sentences about what was found and decided while reading.
    empty_channels : tuple of int
        Channels without any signal; they carry no marker.
    affine_um : tuple of float or None
        (a, b, e, c, d, f) of the affine by which it was laid into this frame.
    outline_um : tuple
        (x, y) of its four corners where it lies turned or sheared in its
        rectangle, else empty.
    """

    name: str
    modality: Modality
    levels: tuple[da.Array, ...]
    pixel_size_um: float | None = None
    origin_um: tuple[float, float] = (0.0, 0.0)
    channel_names: tuple[str, ...] = ()
    markers: tuple[str | None, ...] = ()
    fingerprint: FingerprintField = FingerprintField()  # noqa: RUF009 - a descriptor
    path: Path | None = None
    notes: tuple[str, ...] = ()
    empty_channels: tuple[int, ...] = ()
    affine_um: tuple[float, ...] | None = None
    outline_um: tuple[tuple[float, float], ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of level 0."""
        return self.level_shape(0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored intensities."""
        dtype: np.dtype[Any] = np.dtype(self.levels[0].dtype)
        return dtype

    @property
    def level_scales(self) -> tuple[float, ...]:
        """How many level-0 pixels one pixel of each level spans."""
        return tuple(
            _downsampling(self.shape, self.level_shape(level)) for level in range(len(self.levels))
        )

    @property
    def known_pixel_size_um(self) -> float:
        """The pixel size of level 0.

        Raises
        ------
        HaikuError
            The file does not say and nobody has.
        """
        if self.pixel_size_um is None:
            raise HaikuError(
                f"{self.name} does not say how large its pixels are: give the size in um "
                "with --pixel-size."
            )
        return self.pixel_size_um

    @property
    def extent_um(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) of the image in the physical frame, um."""
        size = self.known_pixel_size_um
        x0, y0 = self.origin_um
        rows, columns = self.shape
        return x0, y0, x0 + columns * size, y0 + rows * size

    def covers(self, boxes_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which boxes (n, 4) of x0, y0, x1, y1 lie wholly inside the turned image, um."""
        boxes = np.asarray(boxes_um, float).reshape(-1, 4)
        inside = np.ones(len(boxes), bool)
        if not self.outline_um:
            return inside
        corners = np.stack([boxes[:, [i, j]] for i in (0, 2) for j in (1, 3)])
        outline = np.array(self.outline_um)
        edges = np.roll(outline, -1, axis=0) - outline
        turning = np.sign(edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0])
        slack = self.known_pixel_size_um / 2
        for start, edge in zip(outline, edges, strict=True):
            away = corners - start
            beside = edge[0] * away[..., 1] - edge[1] * away[..., 0]
            inside &= (beside * turning >= -slack * np.hypot(*edge)).all(axis=0)
        return inside

    @property
    def used_channels(self) -> tuple[int, ...]:
        """Indices of the channels that carry a marker."""
        return tuple(i for i, marker in enumerate(self.markers) if marker is not None)

    @property
    def used_markers(self) -> tuple[str, ...]:
        """The markers of :attr:`used_channels`, in the same order."""
        return tuple(marker for marker in self.markers if marker is not None)

    @property
    def channels_named(self) -> bool:
        """Whether the mIF's channels have names of their own (True for H&E)."""
        return self.modality == "he" or not all(is_unnamed(name) for name in self.channel_names)

    def require_named_channels(self) -> None:
        """Refuse an mIF whose channels have no names.

        Raises
        ------
        HaikuError
            No channel has a name, so no marker can be told.
        """
        if not self.channels_named:
            raise HaikuError(
                f"The mIF channels have no names in {self.name}: give a markers file with one name "
                f"per line for its {len(self.channel_names)} channels."
            )

    def level_shape(self, level: int) -> tuple[int, int]:
        """Rows and columns of one level."""
        return sides(self.levels[level], colour_last=self.modality == "he")

    def level_pixel_size_um(self, level: int) -> float:
        """Side of a pixel of one level in um."""
        return self.known_pixel_size_um * self.level_scales[level]

    def level_for(self, pixel_size_um: float) -> int:
        """Choose the level to read for work at a given pixel size.

        Parameters
        ----------
        pixel_size_um : float
            Wanted side of a pixel, um.

        Returns
        -------
        int
            The coarsest level whose pixels are at most 1 % larger, else 0.
        """
        sizes = [self.level_pixel_size_um(level) for level in range(len(self.levels))]
        fitting = [level for level, size in enumerate(sizes) if size <= pixel_size_um * 1.01]
        return max(fitting, key=lambda level: sizes[level], default=0)

    def read_region(self, level: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """Read the pixels [y0, y1) x [x0, x1) of one level.

        Parameters
        ----------
        level : int
            Which level.
        y0, y1, x0, x1 : int
            Half-open ranges in pixels of that level; what lies outside is left out.

        Returns
        -------
        numpy.ndarray
            (h, w, 3) for H&E, (c, h, w) for mIF.
        """
        rows, columns = self.level_shape(level)
        ys = slice(min(max(y0, 0), rows), min(max(y1, 0), rows))
        xs = slice(min(max(x0, 0), columns), min(max(x1, 0), columns))
        return read(window(self.levels[level], ys, xs, colour_last=self.modality == "he"))

    def with_pixel_size(self, pixel_size_um: float) -> SlideImage:
        """Return this image with a pixel size that somebody gave, um."""
        return self.changed(pixel_size_um=checked_pixel_size(pixel_size_um, self.name))

    def with_markers(self, names: Sequence[str]) -> SlideImage:
        """Return this image with its channels named anew.

        Parameters
        ----------
        names : sequence of str
            One name per channel, in the image's order.

        Raises
        ------
        HaikuError
            The number of names differs, or two channels are one marker.
        """
        if self.modality == "he":
            raise HaikuError(
                f"{self.name} is an H&E image and has no markers: name those of an mIF."
            )
        if len(names) != len(self.channel_names):
            raise HaikuError(
                f"{self.name} has {len(self.channel_names)} channels but {len(names)} marker names "
                "were given: give one name per channel."
            )
        matches = resolve_panel(names)
        markers = tuple(
            None if i in self.empty_channels else marker_of(match)
            for i, match in enumerate(matches)
        )
        outdated = naming_notes(resolve_panel(self.channel_names))
        notes = [note for note in self.notes if note not in outdated]
        return self.changed(
            channel_names=tuple(names),
            markers=markers,
            notes=(*notes, *naming_notes(matches)),
        )

    def changed(self, **fields: Any) -> SlideImage:
        """Return a copy with other values; unlike `replace` it asks for no fingerprint."""
        other = copy.copy(self)
        for name, value in fields.items():
            object.__setattr__(other, name, value)
        return other


def marker_of(match: MarkerMatch) -> str | None:
    """Return the name under which a channel is used: canonical, its own where unknown, or None."""
    return None if match.status == "not a marker" else match.canonical or match.name


def naming_notes(matches: Sequence[MarkerMatch]) -> list[str]:
    """Say what was made of the channels' names, where it was not plain."""
    named = [match for match in matches if not is_unnamed(match.name)]
    notes = []
    if not named:
        notes.append(
            f"The {len(matches)} mIF channels have no names: give a markers file with one name per "
            "line."
        )
    for match in named:
        if match.status == "ambiguous":
            notes.append(f"{match.name} may mean {' or '.join(match.candidates)}; kept as it is.")
    for status, said in (
        ("unknown", "Not in the marker vocabulary, kept as named"),
        ("not a marker", "Not used as markers"),
    ):
        names = [match.name for match in named if match.status == status]
        if names:
            notes.append(f"{said}: {', '.join(names)}.")
    return notes


def is_unnamed(name: str) -> bool:
    """Tell whether a channel's name is only a number ("Channel 3", "0:2")."""
    return not name.strip() or _UNNAMED.fullmatch(name.strip()) is not None


def _downsampling(finest: tuple[int, int], level: tuple[int, int]) -> float:
    """Return the factor between two levels; whole where rounding of the sides explains the rest."""
    ratio = (finest[0] / level[0] + finest[1] / level[1]) / 2
    whole = max(round(ratio), 1)
    explained = all(abs(full / whole - side) <= 1 for full, side in zip(finest, level, strict=True))
    return float(whole) if explained else ratio
