"""Virtual tissue beside real tissue: the table of figures, a classifier, and pictures to look at.

    napari-haiku simulate work/realism --patients 150 --seed 20271 --field-um 600,600 --workers 2
    export HAIKU_REAL_DATA=FOLDER
    python benchmarks/realism.py work/realism --write docs/reference/virtual_tissue.md

Both kinds of tissue are brought to 1.3 um per pixel and measured by the same code. Pictures show
real tissue, so they go into a folder that the repository ignores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from realism_measures import Patches, measure, visible
from realism_page import page
from realism_pictures import side_by_side
from realism_pieces import real_pieces, virtual_pieces
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

_ORGAN = "Colon/Rectum"
# Features 0-14 are colours, 15-22 textures; only textures are free of the stain.
_FIRST_TEXTURE = 15


def main() -> int:
    """Measure both, write what was asked for; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, help="folder that `simulate` made, preset standard")
    parser.add_argument("--patients", type=int, default=60, help=f"of {_ORGAN}, like the real one")
    parser.add_argument("--write", type=Path, help="page to write")
    parser.add_argument("--figures", type=Path, help="JSON of the figures to write")
    parser.add_argument("--pictures", type=Path, default=Path("real_output/realism"))
    given = parser.parse_args()
    if "HAIKU_REAL_DATA" not in os.environ:
        sys.stderr.write("Set HAIKU_REAL_DATA to the folder with real tissue.\n")
        return 1
    real_folder = Path(os.environ["HAIKU_REAL_DATA"]) / "orion_crc01"
    virtual = list(virtual_pieces(given.cohort, given.patients, _ORGAN))
    real = list(
        real_pieces(real_folder / "crc01_west_he.ome.tif", real_folder / "crc01_west_mif18.ome.tif")
    )
    own = list(virtual[0].mif)
    shared = [name for name in real[0].mif if name in own]
    virtual_table, virtual_patches = measure(virtual, own)
    real_table, real_patches = measure(real, list(real[0].mif))
    figures = {
        "virtual": virtual_table,
        "real": {name: real_table[name] for name in virtual_table if name in real_table},
        "seen_virtual": visible(virtual_patches, own),
        "seen_real": visible(real_patches, list(real[0].mif)),
        "shared": shared,
        "told_apart": told_apart(virtual_patches, real_patches),
        "patients": len(virtual),
        "patches": [len(virtual_patches.group), len(real_patches.group)],
        "settings": json.loads((given.cohort / "simulation.json").read_text(encoding="utf-8")),
    }
    if given.figures:
        given.figures.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    side_by_side(virtual, real, given.cohort, given.pictures)
    if given.write:
        given.write.write_text(page(figures), encoding="utf-8")
    return 0


def told_apart(virtual: Patches, real: Patches) -> dict[str, float]:
    """Return the balanced accuracy of telling real from virtual H&E patches, folds by group."""
    rng = np.random.default_rng(0)
    most = min(len(virtual.group), len(real.group))
    chosen = [rng.choice(len(p.group), most, replace=False) for p in (virtual, real)]
    features, group = (
        np.concatenate(
            [getattr(p, name)[at] for p, at in zip((virtual, real), chosen, strict=True)]
        )
        for name in ("features", "group")
    )
    label = np.repeat([0, 1], most)
    result = {}
    for name, columns in (
        ("colours and textures", slice(None)),
        ("textures only", slice(_FIRST_TEXTURE, None)),
    ):
        model = HistGradientBoostingClassifier(random_state=0)
        told = cross_val_predict(model, features[:, columns], label, groups=group, cv=GroupKFold(5))
        result[name] = float(np.mean([(told[label == k] == k).mean() for k in (0, 1)]))
    return result


if __name__ == "__main__":
    raise SystemExit(main())
