"""Painted slides for tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

MARKERS = ("DAPI", "PanCK", "CD8")


def paint_slide(folder: Path, name: str, seed: int, markers: tuple[str, ...] = MARKERS) -> None:
    """Write an H&E at 1 um and an mIF at 2 um of the same 300 um of tissue."""
    rng = np.random.default_rng(seed)
    dark = np.kron(rng.random((10, 10)) > 0.5, np.ones((30, 30), bool))
    he = np.where(dark[..., None], (110, 70, 140), (200, 150, 190)) + rng.integers(
        -9, 9, (300, 300, 3)
    )
    tifffile.imwrite(
        folder / f"{name}_he.ome.tif",
        he.clip(0, 255).astype(np.uint8),
        photometric="rgb",
        tile=(128, 128),
        metadata={"axes": "YXS", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0},
    )
    mif = np.stack(
        [
            dark[::2, ::2] * (50 + 60 * i) + rng.integers(0, 20, (150, 150))
            for i in range(len(markers))
        ]
    )
    tifffile.imwrite(
        folder / f"{name}_mif.ome.tif",
        mif.astype(np.uint8),
        tile=(64, 64),
        metadata={
            "axes": "CYX",
            "PhysicalSizeX": 2.0,
            "PhysicalSizeY": 2.0,
            "Channel": {"Name": list(markers)},
        },
    )
