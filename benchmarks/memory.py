"""Memory and time of encoding as the slide grows.

    python benchmarks/memory.py                      12,500 and 25,000 px a side
    python benchmarks/memory.py --sides 100000       the largest that is spoken of
    python benchmarks/memory.py --docs               the table goes into the docs

The slide is virtual: a lazy pyramid at 0.35 um whose pixels are made when they are
read, all tissue. Each size is encoded with the default model in a process of its
own, whose largest resident memory is read from the kernel (Linux).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.images.lazy import lazy_array
from napari_haiku.images.slide_image import SlideImage
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.storage import write_text

SIZE_UM = 0.35
BLOCK = 512
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "scale.md"
BEGIN, END = "<!-- memory: begin -->", "<!-- memory: end -->"


class Painted:
    """An endless section: one painted block, shifted from place to place."""

    def __init__(self, side: int) -> None:
        self.shape, self.dtype, self.ndim = (side, side, 3), np.dtype(np.uint8), 3
        rng = np.random.default_rng(0)
        coarse = np.kron(rng.normal(0, 25, (BLOCK // 16, BLOCK // 16, 3)), np.ones((16, 16, 1)))
        noise = rng.normal(0, 8, (BLOCK, BLOCK, 3))
        self._block = np.clip(coarse + noise + (190, 120, 175), 0, 235).astype(np.uint8)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        (y0, y1, _), (x0, x1, _) = (
            part.indices(size) for part, size in zip(key[:2], self.shape[:2], strict=True)
        )
        rows, columns = np.arange(y0, y1) % BLOCK, np.arange(x0, x1) % BLOCK
        return self._block[np.ix_(rows, columns)][..., key[2]]


def virtual_slide(side: int) -> SlideImage:
    levels = tuple(
        lazy_array(Painted(side // factor), (BLOCK, BLOCK, 3))
        for factor in (1, 4, 16, 64)
        if side // factor >= BLOCK
    )
    return SlideImage("virtual", "he", levels, SIZE_UM, fingerprint=f"virtual {side}")


def encode(side: int) -> None:
    model = load_model(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        request = EncodeRequest(
            he=virtual_slide(side), output=Path(folder) / "e.zarr", slide_id="virtual"
        )
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        done = run_job(encode_slide(request, model))
        after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {
                "side": side,
                "patches": done.patches,
                "gigabytes": after.ru_maxrss / 2**20,
                "before": before.ru_maxrss / 2**20,
                "wall": time.perf_counter() - began,
                "processor": spent,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[12_500, 25_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    if given.one:
        encode(given.one)
        return
    lines = [
        "| px a side | patches | largest memory | of it before encoding | processor ms a patch |",
        "|---|---|---|---|---|",
    ]
    for side in given.sides:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(side)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout.strip().splitlines()[-1])
        lines.append(
            f"| {side:,} | {told['patches']:,} | {told['gigabytes']:.2f} GB | "
            f"{told['before']:.2f} GB | {1000 * told['processor'] / told['patches']:.1f} |"
        )
        print(lines[-1], flush=True)
    if given.docs:
        page = PAGE.read_text("utf-8")
        before, rest = page.split(BEGIN)
        text = "\n".join(lines)
        write_text(PAGE, f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
