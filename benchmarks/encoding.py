"""End-to-end encoding of an H&E slide beside LazySlide and TIAToolbox.

    python benchmarks/encoding.py --lazyslide ENV/bin/python --tiatoolbox ENV/bin/python
    python benchmarks/encoding.py --side 6000 ...      a smaller slide
    python benchmarks/encoding.py --docs ...           the table goes into the docs

A JPEG pyramid is generated (20,000 x 20,000 px at 0.35 um: 4,900 patches of 100 um)
and encoded with timm's vit_tiny under one seeded state dict by each side, in a
process of its own, one after another, several rounds. Ratios are medians over
rounds. On a machine that does other work too, wall time says who was lucky;
processor time says what each side costs. Both are told.

Peers live in environments of their own:
    uv venv lazy && uv pip install --python lazy/bin/python "lazyslide==0.13.*" timm openslide-bin
    uv venv tia && uv pip install --python tia/bin/python tiatoolbox timm openslide-bin
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from napari_haiku.storage import write_text

SIZE_UM = 0.35
TILE = 512
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "scale.md"
BEGIN, END = "<!-- encoding: begin -->", "<!-- encoding: end -->"
SIDES = ("bare", "ours", "bare-bf16", "ours-bf16", "lazyslide", "tiatoolbox")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_000, help="px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lazyslide", type=Path)
    parser.add_argument("--tiatoolbox", type=Path)
    parser.add_argument("--folder", type=Path, help="keep the slide and the answers here")
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    pythons = {"lazyslide": given.lazyslide, "tiatoolbox": given.tiatoolbox}
    sides = [side for side in SIDES if side not in pythons or pythons[side]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True, parents=True)
        slide = folder / f"slide{given.side}.tif"
        if not slide.exists():
            write_slide(slide, given.side)
        state = folder / "state.safetensors"
        write_state(state)
        patches = int(given.side * SIZE_UM // 100) ** 2
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for number in range(given.rounds):
            for side in sides if number % 2 == 0 else sides[::-1]:
                out = folder / f"{side}-{number}"
                python = pythons.get(side) or sys.executable
                found[side].append(run(python, side, slide, state, out, patches))
                print(number, side, found[side][-1], flush=True)
        text = table(found, folder, patches)
    print(text)
    if given.docs:
        page = PAGE.read_text("utf-8")
        before, rest = page.split(BEGIN)
        write_text(PAGE, f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def run(
    python: Path | str, side: str, slide: Path, state: Path, out: Path, patches: int
) -> dict[str, float]:
    script = Path(__file__).with_name("encoding_side.py")
    # What an earlier run left would be resumed.
    for left in out.parent.glob(f"{out.name}.*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    done = subprocess.run(
        [str(python), str(script), side, str(slide), str(state), str(out), str(patches)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def table(found: dict[str, list[dict[str, float]]], folder: Path, patches: int) -> str:
    rows = [
        f"{patches:,} patches, medians of {len(found['ours'])} rounds in turn. *Processor* is the",
        "time that all threads of a side spent, which other work on the machine changes little.",
        "",
        "| side | patches/s | processor ms a patch | cosine with ours in fp32 |",
        "|---|---|---|---|",
    ]
    rate, cost = {}, {}
    for side, runs in found.items():
        rate[side] = statistics.median(r["patches"] / r["wall"] for r in runs)
        cost[side] = statistics.median(1000 * r["processor"] / r["patches"] for r in runs)
        alike = "" if side.startswith("bare") else closeness(folder, side)
        rows.append(f"| {side} | {rate[side]:.1f} | {cost[side]:.1f} | {alike} |")
    rows += ["", "| ratio | by the clock | by processor time | aim |", "|---|---|---|---|"]
    peers = [side for side in ("lazyslide", "tiatoolbox") if side in found]
    compared = [("ours / bare tower, fp32", "ours", "bare", "0.92")]
    compared += [("ours-bf16 / bare tower, bf16", "ours-bf16", "bare-bf16", "")]
    for peer in peers:
        compared.append((f"ours / {peer}, fp32", "ours", peer, "1.1"))
        compared.append((f"ours-bf16 / {peer} in fp32", "ours-bf16", peer, "1.5"))
    rows += [
        f"| {name} | {rate[one] / rate[two]:.2f} | {cost[two] / cost[one]:.2f} | {aim} |"
        for name, one, two, aim in compared
    ]
    return "\n".join(rows)


def closeness(folder: Path, side: str) -> str:
    """Least and mean cosine with our fp32 vectors, row by row where the grids agree."""
    ours, theirs = (unit(np.load(folder / f"{name}-0.npy")) for name in ("ours", side))
    if len(ours) != len(theirs):
        return f"other grid ({len(theirs):,} patches)"
    cosine = (ours * theirs).sum(1)
    return f"{cosine.min():.4f} at least, {cosine.mean():.4f} on average"


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_state(path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(20260505)
    save_file(timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict(), path)


def write_slide(path: Path, side: int) -> None:
    """Write a tiled JPEG pyramid of tissue-like texture, generated tile by tile."""
    options = {
        "tile": (TILE, TILE),
        "photometric": "ycbcr",
        "compression": "jpeg",
        "compressionargs": {"level": 90},
        "resolution": (1e4 / SIZE_UM, 1e4 / SIZE_UM),
        "resolutionunit": "CENTIMETER",
    }
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level, factor in enumerate((1, 4, 16)):
            size = side // factor
            writer.write(
                tiles(size, factor),
                shape=(size, size, 3),
                dtype=np.uint8,
                subfiletype=1 if level else 0,
                metadata=None,
                **{**options, "resolution": (1e4 / SIZE_UM / factor,) * 2},
            )


def tiles(size: int, factor: int):
    """Cells on stroma: every tile from a seed of its own."""
    count = -(-size // TILE)
    for row in range(count):
        for column in range(count):
            rng = np.random.default_rng([row, column, factor])
            coarse = rng.normal(0, 25, (TILE // 32 + 1, TILE // 32 + 1, 3))
            tile = np.kron(coarse, np.ones((32, 32, 1)))[:TILE, :TILE] + (200, 130, 180)
            cells = rng.random((TILE // 16, TILE // 16)) < 0.4
            tile -= np.kron(cells, np.ones((16, 16)))[..., None] * (60, 70, 30)
            tile += rng.normal(0, 6, (TILE, TILE, 1))
            yield np.clip(tile, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
