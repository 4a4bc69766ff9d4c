#!/bin/sh
# Make the shipped model and demo atlas again, from nothing but a seed and the real region.
#
#   sh scripts/default_model.sh WORK_FOLDER
#
# HAIKU_REAL_DATA names the folder that holds orion_crc01 (default: ../shared/data).
# Takes about five and a half hours on two cores; a second call goes on where the first stopped.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=${1:?give a folder to work in}
real=${HAIKU_REAL_DATA:-$root/../shared/data}
mkdir -p "$work"
work=$(CDPATH='' cd -- "$work" && pwd)
haiku=${HAIKU:-$root/.venv/bin/napari-haiku}

"$haiku" simulate "$work/virtual" --patients 1000 --seed 20271 --field-um 600,600 --workers 2
"$haiku" simulate "$work/atlas_cohort" --patients 32 --seed 20262 --field-um 600,600 --workers 2

# Paths in a manifest are relative to it.
python3 - "$work" "$real" <<'PYTHON'
import os
import sys
from pathlib import Path

work, real = map(Path, sys.argv[1:])
region = os.path.relpath(real.resolve() / "orion_crc01" / "crc01_west", work)
(work / "west.csv").write_text(
    "slide_id,patient_id,he,mif,markers\n"
    f"crc01_west,C01,{region}_he.ome.tif,{region}_mif18.ome.tif,\n"
)
PYTHON
cp "$root"/recipes/default*.json "$work/"
# What one stage has resampled, the next need not.
mkdir -p "$work/cache"
for stage in towers fine cells record model; do
    mkdir -p "$work/$stage"
    [ -e "$work/$stage/cache" ] || ln -s ../cache "$work/$stage/cache"
done

# Towers at the model's pixels first, then with finer H&E; from these on the H&E tower alone, taught
# at each place of its map, in two rounds, and in a third one with the statistics of its batch norms
# kept, as in use. Each stage fits its text heads; the last ones ship.
"$haiku" train "$work/virtual/cohort.csv" "$work/towers" --config "$work/default.json" --resume
"$haiku" train "$work/virtual/cohort.csv" "$work/fine" --config "$work/default_fine.json" --resume
"$haiku" train "$work/virtual/cohort.csv" "$work/cells" --config "$work/default_cells.json" --resume
"$haiku" train "$work/virtual/cohort.csv" "$work/record" --config "$work/default_record.json" --resume
"$haiku" train "$work/virtual/cohort.csv" "$work/model" --config "$work/default_fixed.json" --resume
for file in config.json model.safetensors text_heads.safetensors tokenizer.json card.json; do
    cp "$work/model/$file" "$root/src/napari_haiku/assets/model/$file"
done
rm -rf "$work/demo_atlas"
"$haiku" atlas build "$work/atlas_cohort/cohort.csv" "$work/demo_atlas" --model default
rm -rf "$root/src/napari_haiku/assets/demo_atlas"
cp -r "$work/demo_atlas" "$root/src/napari_haiku/assets/demo_atlas"
