"""Biomarkers predicted on the real region beside hand-made features on the same split.

    napari-haiku demo --slide WEST_HE --mif WEST_MIF --output real_output --no-window
    python benchmarks/real_region.py WEST_HE real_output > table.md

Reads what the demo left: the slide's encoding and the atlas of its left half. Every patch of the
test part lies at least 512 px (666 um) to the right of every patch fitted on, or retrieved from.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
from napari_haiku.analysis.biomarkers.hand_made_features import hand_made_features
from napari_haiku.analysis.biomarkers.yardstick import measure_yardstick
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.atlas.store import Atlas
from napari_haiku.encoding.store import Encoding
from napari_haiku.images.patches import PatchSource
from napari_haiku.images.reading import open_image
from napari_haiku.jobs import run_job

GAP_UM = 500.0
BLOCK_UM = 1000.0


def main() -> int:
    """Print the table; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("he", type=Path)
    parser.add_argument("demo_output", type=Path)
    parser.add_argument("--middle-px", type=float, default=2560, help="fit left of this column")
    parser.add_argument("--test-px", type=float, default=3072, help="test right of this column")
    given = parser.parse_args()

    image = open_image(given.he)
    size = float(image.pixel_size_um or 1)
    encoding = Encoding.open(next(given.demo_output.glob("*.haiku.zarr")))
    atlas = Atlas.open(next(given.demo_output.glob("left_half-*.atlas")))
    x = encoding.centres_um[:, 0] - image.origin_um[0]
    half = encoding.patch_um / 2
    fit = np.flatnonzero(x + half <= given.middle_px * size)
    test = np.flatnonzero(x - half >= given.test_px * size)

    runs = {}
    for name, weights in (("H&E", {"he": 1.0}), ("H&E 0.8, record 0.2", None)):
        if weights is None and not encoding.caption:
            continue
        request = BiomarkerRequest(weights=weights, within_patient_um=GAP_UM, rows=test)
        runs[name] = run_job(predict_biomarkers(encoding, atlas, request))
    markers = runs["H&E"].markers
    at = [encoding.markers.index(name) for name in markers]
    measured = np.asarray(encoding.expression, np.float64)[:, at]

    source = PatchSource(image, encoding.grid, encoding.patch_um / 96)
    features = np.concatenate(
        [
            hand_made_features(source.read(i, min(i + 256, len(source))), source.pixel_size_um)
            for i in range(0, len(source), 256)
        ]
    )
    yardstick = measure_yardstick(
        features[fit], measured[fit], features[test], measured[test], markers
    )
    columns = {f"model, {name}": run.pearson_r for name, run in runs.items()}
    columns["hand-made, 50 neighbours"] = yardstick.neighbours_r
    columns["hand-made, ridge"] = yardstick.ridge_r

    write = sys.stdout.write
    write(f"{len(fit)} patches fitted on, {len(test)} tested on; model {encoding.model_name} ")
    write(f"{encoding.model_fingerprint[:12]}. Same patient, other region.\n\n")
    write("| marker | " + " | ".join(columns) + " | 95 % (model, H&E) |\n")
    write("|---|" + "---:|" * (len(columns) + 1) + "\n")
    low, high = _block_intervals(encoding.centres_um[test], measured[test], runs["H&E"].values)
    for i, name in enumerate(markers):
        cells = [f"{column[name]:.2f}" for column in columns.values()]
        write(f"| {name} | " + " | ".join(cells) + f" | {low[i]:.2f} to {high[i]:.2f} |\n")
    means = [f"**{np.nanmean(list(column.values())):.3f}**" for column in columns.values()]
    write(f"| **mean of {len(markers)}** | " + " | ".join(means))
    write(f" | {low[-1]:.2f} to {high[-1]:.2f} |\n")
    return 0


def _block_intervals(
    centres_um: np.ndarray, measured: np.ndarray, predicted: np.ndarray, resamples: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile limits of r over blocks of tissue; the last entry is the mean over markers."""
    blocks = np.unique((centres_um // BLOCK_UM).astype(int), axis=0, return_inverse=True)[1].ravel()
    members = [np.flatnonzero(blocks == block) for block in range(blocks.max() + 1)]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        r = pearson_columns(measured[rows], predicted[rows].astype(np.float64))
        drawn.append([*r, np.nanmean(r)])
    return tuple(np.nanpercentile(drawn, (2.5, 97.5), axis=0))  # type: ignore[return-value]


if __name__ == "__main__":
    raise SystemExit(main())
