"""Real and virtual patches beside each other, for eyes only: never committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from realism_measures import PIXEL_UM, Piece
from realism_pieces import open_he

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS, _GAP = 4, 6
_BARS_UM = (20, 100)
_SIDES_UM = {20: 130, 100: 600}
_SHOWN = ("DAPI", "PanCK", "CD45")


def side_by_side(virtual: list[Piece], real: list[Piece], cohort: Path, folder: Path) -> list[Path]:
    """Write one PNG a scale and modality: upper row real, lower row virtual; a bar says the scale.

    At 20 um the virtual H&E is also shown at its own 0.5 um per pixel (third row), since the real
    slide is at hand at 1.3 um only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    written = []
    rng = np.random.default_rng(3)
    for bar in _BARS_UM:
        side = round(_SIDES_UM[bar] / PIXEL_UM)
        places = [
            [_place(pieces[i], side, rng) for i in rng.permutation(len(pieces))[:_COLUMNS]]
            for pieces in (real, virtual)
        ]
        zoom = max(1, round(300 / side))
        rows = [[cut[0] for cut in row] for row in places]
        if bar == _BARS_UM[0]:
            fine = [open_he(cohort, piece.group) for piece in virtual[:_COLUMNS]]
            size = round(_SIDES_UM[bar] / 0.5)
            middle = [picture.shape[0] // 2 - size // 2 for picture in fine]
            rows.append([p[m : m + size, m : m + size] for p, m in zip(fine, middle, strict=True)])
        written.append(_sheet(rows, zoom, bar, folder / f"he_{bar}um.png"))
        rows = [[cut[1] for cut in row] for row in places]
        written.append(_sheet(rows, zoom, bar, folder / f"mif_{bar}um.png"))
    return written


def _place(
    piece: Piece, side: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut the square with the most tissue of eight tries."""
    height, width = piece.tissue.shape
    side = min(side, height, width)
    tries = [
        (int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)))
        for _ in range(8)
    ]
    top, left = max(tries, key=lambda p: piece.tissue[p[0] : p[0] + side, p[1] : p[1] + side].sum())
    at = np.s_[top : top + side, left : left + side]
    colours = np.stack([np.clip(piece.mif[name][at], 0, 255) for name in _SHOWN], -1)
    order = [1, 2, 0]  # red PanCK, green CD45, blue DAPI
    return piece.he[at], colours[..., order].astype(np.uint8)


def _sheet(rows: list[list[NDArray[np.uint8]]], zoom: int, bar_um: int, path: Path) -> Path:
    size = zoom * max(cut.shape[0] for cut in rows[0])
    sheet = np.full((len(rows) * (size + _GAP), _COLUMNS * (size + _GAP), 3), 128, np.uint8)
    for row, cuts in enumerate(rows):
        for column, cut in enumerate(cuts):
            places = [np.minimum(np.arange(size) * s // size, s - 1) for s in cut.shape[:2]]
            shown = cut[places[0]][:, places[1]].copy()
            length = round(bar_um * size / (cut.shape[1] * _pixel(cut, rows, row)))
            shown[-14:-8, 8 : 8 + length] = (0, 0, 0) if shown.mean() > 90 else (255, 255, 255)
            top, left = row * (size + _GAP), column * (size + _GAP)
            sheet[top : top + size, left : left + size] = shown
    path.write_bytes(imagecodecs.png_encode(sheet))
    return path


def _pixel(cut: NDArray[np.uint8], rows: list[list[NDArray[np.uint8]]], row: int) -> float:
    return 0.5 if row == 2 and cut.shape != rows[0][0].shape else PIXEL_UM
