"""The map of patches beside umap-learn on all rows, in the same run: seconds and faithfulness.

    python benchmarks/projection.py [--patches 100000] [--dim 256] [--output projection.json]

Both get the same principal components. Faithfulness: of the 15 nearest patches in the vectors, what
share is among the 15 (and the 150) nearest on the map, for 2,000 patches; chance is 15 (150) over
the number of patches. The first run of either compiles its loops, so a small one goes before.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from atlas_vectors import Cloud

from napari_haiku.analysis.niches.nearest_points import nearest_points
from napari_haiku.analysis.niches.niche_slides import NicheSlide
from napari_haiku.analysis.niches.projection import ProjectionRequest, project_slides
from napari_haiku.analysis.niches.umap_map import principal_components
from napari_haiku.jobs import run_job

ASKED = 2000


def ours(vectors: np.ndarray, repeat: str) -> np.ndarray:
    slide = NicheSlide(
        np.arange(len(vectors)), np.zeros((len(vectors), 2)), vectors, (), None, "bench"
    )
    return run_job(project_slides([slide], ProjectionRequest(repeat=repeat))).points


def umap_on_all(vectors: np.ndarray, seed: int | None) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap.umap_ import UMAP

        flat = principal_components(vectors, np.arange(len(vectors)), 50)
        jobs = 1 if seed is not None else -1
        return np.asarray(UMAP(random_state=seed, n_jobs=jobs).fit_transform(flat), np.float32)


def kept(vectors: np.ndarray, points: np.ndarray) -> dict[str, float]:
    rows = np.linspace(0, len(vectors) - 1, ASKED).round().astype(int)
    true = run_job(nearest_points(vectors[rows], vectors, 16, ""))[0][:, 1:]
    near = run_job(nearest_points(points[rows], points, 151, ""))[0][:, 1:]
    found = {}
    for k in (15, 150):
        inside = (true[:, :, None] == near[:, None, :k]).any(axis=2)
        found[f"of_15_among_{k}"] = round(float(inside.mean()), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--seeded", action="store_true", help="only what repeats exactly")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    cloud, rng = Cloud(asked.dim), np.random.default_rng(0)
    vectors = cloud.unit(cloud.deviations(asked.patches, rng)).astype(np.float32)
    ways = {
        "exact repeat": lambda x: ours(x, "exact"),
        "umap-learn, seeded, all rows": lambda x: umap_on_all(x, 0),
    }
    if not asked.seeded:
        ways["fast"] = lambda x: ours(x, "fast")
        ways["umap-learn, all cores, all rows"] = lambda x: umap_on_all(x, None)
    results = {}
    for name, run in ways.items():
        run(vectors[:500])
        started, busy = time.perf_counter(), time.process_time()
        points = run(vectors)
        results[name] = {
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - busy, 1),
            **kept(vectors, points),
        }
        print(name, results[name], flush=True)
    if asked.output is not None:
        said = {"patches": asked.patches, "dim": asked.dim, "cores": os.cpu_count()}
        asked.output.write_text(json.dumps(said | {"results": results}, indent=1))


if __name__ == "__main__":
    main()
