"""Kill an encoding at random moments (-9) and resume it: are the stores identical?

    python benchmarks/kills.py              20 kills
    python benchmarks/kills.py --docs       the same, and the result goes into the docs

A small virtual H&E is encoded with the default model in a process of its own,
killed with SIGKILL after a random share of the time that an uninterrupted run
takes, and encoded again by a fresh process until it is finished. Every file of
the store is compared with that of the uninterrupted run. Chunks are smaller than
usual (8 patches), so that kills fall between, into and behind many commits.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch

from napari_haiku.encoding import layout
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.request import EncodeRequest
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.storage import write_text

if TYPE_CHECKING:
    from napari_haiku.model.base import TissueModel

SIDE_UM = 900
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "scale.md"
BEGIN, END = "<!-- kills: begin -->", "<!-- kills: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    layout.CHUNK_ROWS = 8  # type: ignore[misc]
    draw = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_image(home)
        # Opened before forking, and with one thread, so that a run costs no start.
        torch.set_num_threads(1)
        model = load_model(device="cpu")
        began = time.perf_counter()
        assert encode_in_a_child(model, home, "whole") == 0
        seconds = time.perf_counter() - began
        whole = digests(home / "whole.zarr")
        print(f"uninterrupted: {seconds:.1f} s, {len(whole)} files", flush=True)
        kills = identical = attempts = 0
        committed = []
        while kills < given.kills:
            attempts += 1
            name = f"run{attempts}"
            status = encode_in_a_child(model, home, name, kill_after=draw.uniform(0, seconds))
            if not os.WIFSIGNALED(status):
                continue  # it had finished first
            kills += 1
            done = home / f"{name}.zarr" / layout.DONE / "c"
            committed.append(len(list(done.iterdir())) if done.is_dir() else 0)
            assert encode_in_a_child(model, home, name) == 0
            identical += digests(home / f"{name}.zarr") == whole
            print(f"kill {kills}: {committed[-1]} chunks kept, {identical} identical", flush=True)
    line = (
        f"{given.kills} kills (-9) at random moments, with {min(committed)} to {max(committed)} of "
        f"{chunks_of(whole)} chunks on disk: **{identical} identical stores** after resuming "
        f"(`python benchmarks/kills.py`)."
    )
    print(line)
    if given.docs:
        text = PAGE.read_text("utf-8")
        before, rest = text.split(BEGIN)
        write_text(PAGE, f"{before}{BEGIN}\n{line}\n{END}{rest.split(END)[1]}")
    sys.exit(0 if identical == given.kills else 1)


def encode_in_a_child(
    model: TissueModel, home: Path, name: str, kill_after: float | None = None
) -> int:
    """Encode in a forked process; returns its status."""
    child = os.fork()
    if child == 0:
        try:
            encode(model, home, name)
        finally:
            os._exit(0 if (home / f"{name}.zarr").exists() else 1)
    if kill_after is not None:
        time.sleep(kill_after)
        if os.waitpid(child, os.WNOHANG) == (0, 0):
            os.kill(child, signal.SIGKILL)
        else:
            return 0
    return os.waitpid(child, 0)[1]


def encode(model: TissueModel, home: Path, name: str) -> None:
    request = EncodeRequest(
        he=open_image(home / "he.ome.tif"),
        output=home / f"{name}.zarr",
        slide_id="slide",
        record={"tissue_type": "Lung", "stage": "II"},
        batch_size=8,
    )
    run_job(encode_slide(request, model))


def write_image(home: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 30, (SIDE_UM // 50, SIDE_UM // 50, 3))
    pixels = np.kron(coarse, np.ones((50, 50, 1))) + np.asarray([190, 110, 170])
    pixels = np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 230).astype(np.uint8)
    tifffile.imwrite(
        home / "he.ome.tif",
        pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="zlib",
        metadata={
            "axes": "YXS",
            "PhysicalSizeX": 1.0,
            "PhysicalSizeY": 1.0,
            "PhysicalSizeXUnit": "\u00b5m",
            "PhysicalSizeYUnit": "\u00b5m",
        },
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def chunks_of(files: dict[str, str]) -> int:
    return sum(name.startswith(f"{layout.DONE}/c/") for name in files)


if __name__ == "__main__":
    main()
