"""How fast the published towers run, beside their peers in the same run.

    python benchmarks/towers.py                 ratios on this machine
    python benchmarks/towers.py --device cuda   the same on a GPU
    python benchmarks/towers.py --memory        peak memory of each form, one process each (Linux)

Weights are random (speed does not depend on them). Every form of the mIF tower
gives the same embeddings; that is checked before anything is timed. Absolute
times depend on what else the machine does: the ratios are medians over
interleaved repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import scaled_dot_product_attention

from napari_haiku.model.published.config import HeSizes, MifSizes
from napari_haiku.model.published.he_tower import HeTower
from napari_haiku.model.published.mif_tower import MifBlock, MifTower

if TYPE_CHECKING:
    from collections.abc import Callable

PANELS = (4, 16, 54)
GRID = 16
FORMS = ("ours", "per-sample loop", "block mask")


def mif_tower(device: str) -> MifTower:
    torch.manual_seed(0)
    sizes = MifSizes()
    tower = MifTower(sizes, [f"M{i}" for i in range(max(PANELS))], 1152)
    with torch.no_grad():
        for parameter in tower.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.03)
    return tower.to(device).eval().requires_grad_(False)


def batch(device: str) -> tuple[list[torch.Tensor], list[list[str]]]:
    torch.manual_seed(1)
    tiles = [torch.randn(c, GRID, GRID, 256, device=device) for c in PANELS]
    return tiles, [[f"M{i}" for i in range(c)] for c in PANELS]


def per_sample_loop(tower: MifTower, tiles: list, markers: list) -> torch.Tensor:
    parts = [tower([t], [m]).embedding for t, m in zip(tiles, markers, strict=True)]
    return torch.cat(parts)


def block_mask(tower: MifTower, tiles: list, markers: list) -> torch.Tensor:
    """All channels of the batch in one sequence per position, samples kept apart by a mask."""
    x, layout = tower._tokens(tiles, markers, None)  # noqa: SLF001
    rotation = tower._rotation(layout, x)  # noqa: SLF001
    sample = torch.repeat_interleave(
        torch.arange(len(layout.lengths), device=x.device),
        torch.tensor(layout.lengths, device=x.device),
    )
    same = sample[:, None] == sample[None, :]
    for block in tower.blocks:
        if block.across:
            x = _masked_across(block, x.transpose(0, 1), same).transpose(0, 1)
        else:
            x = block(x, layout, rotation)
    return x[list(layout.starts)].mean(1)


def _masked_across(block: MifBlock, x: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    parts = block.qkv(block.norm1(x)).chunk(3, dim=-1)
    q, k, v = (block._heads(part) for part in parts)  # noqa: SLF001
    attended = scaled_dot_product_attention(q, k, v, attn_mask=same)
    x = x + block.out(attended.transpose(1, 2).flatten(2))
    return x + block._feedforward(x)  # noqa: SLF001


def forms(tower: MifTower, device: str) -> dict[str, Callable[[], torch.Tensor]]:
    tiles, markers = batch(device)
    return {
        "ours": lambda: tower.embed(tiles, markers),
        "per-sample loop": lambda: per_sample_loop(tower, tiles, markers),
        "block mask": lambda: block_mask(tower, tiles, markers),
    }


def interleaved(
    runs: dict[str, Callable[[], torch.Tensor]], repeats: int, device: str
) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of every form, one after the other in each repeat."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    with torch.no_grad():
        for run in runs.values():
            run()
        for _ in range(repeats):
            for name, run in runs.items():
                _wait(device)
                start = time.perf_counter(), time.process_time()
                run()
                _wait(device)
                times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return times


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def speed(times: dict[str, list[tuple[float, float]]], peer: str, ours: str) -> dict[str, float]:
    """Speed of ours over the peer's: the median of the repeats' ratios.

    On a machine that does other work the processor seconds say more.
    """
    pairs = list(zip(times[peer], times[ours], strict=True))
    return {
        kind: round(statistics.median(theirs[i] / mine[i] for theirs, mine in pairs), 3)
        for i, kind in enumerate(("wall", "processor"))
    }


def medians(times: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    return {name: round(statistics.median(t[0] for t in rows), 3) for name, rows in times.items()}


def time_mif(repeats: int, device: str) -> dict[str, object]:
    runs = forms(mif_tower(device), device)
    with torch.no_grad():
        results = {name: run() for name, run in runs.items()}
    worst = max(float((results["ours"] - other).abs().max()) for other in results.values())
    assert worst < 1e-3, f"the forms disagree by {worst}"
    times = interleaved(runs, repeats, device)
    return {
        "panels": PANELS,
        "largest difference between forms": worst,
        "median seconds": medians(times),
        "speed relative to per-sample loop": speed(times, "per-sample loop", "ours"),
        "speed relative to block mask": speed(times, "block mask", "ours"),
    }


def time_he(repeats: int, device: str, images: int) -> dict[str, object]:
    torch.manual_seed(0)
    tower = HeTower(HeSizes()).to(device).eval().requires_grad_(False)
    pixels = torch.randn(images, 3, 384, 384, device=device)
    times = interleaved(
        {"ours": lambda: tower(pixels), "timm": lambda: tower.trunk(pixels)}, repeats, device
    )
    return {
        "images": images,
        "median seconds": medians(times),
        "speed relative to timm called directly": speed(times, "timm", "ours"),
    }


def peak_memory(form: str) -> None:
    """Print how many MB one form needs beyond tower and input; runs in a process of its own."""
    run = forms(mif_tower("cpu"), "cpu")[form]
    # Linux can forget the peak so far; imports would hide what the form itself needs.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_mb()
    with torch.no_grad():
        run()
    print(_peak_mb() - before)


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def memory() -> dict[str, int]:
    return {
        form: int(
            subprocess.run(
                [sys.executable, __file__, "--peak", form],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for form in FORMS
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--only", choices=["mif", "he"])
    parser.add_argument("--peak", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak_memory(options.peak)
        return
    result: dict[str, object] = {"device": options.device, "threads": torch.get_num_threads()}
    if options.only != "he":
        result["mIF tower"] = time_mif(options.repeats, options.device)
    if options.only != "mif":
        result["H&E tower"] = time_he(options.repeats, options.device, options.images)
    if options.memory:
        result["peak MB beyond tower and input"] = memory()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
