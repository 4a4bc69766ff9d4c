"""Manifests that cannot be trained on are told before any slide is prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_room import paint_slide

from napari_haiku.errors import HaikuError
from napari_haiku.training.cohort import read_cohorts, split_entries
from napari_haiku.training.config import TrainConfig

CONFIG = TrainConfig(threads=1)


def write(folder: Path, rows: list[str], header: str = "disease") -> Path:
    path = folder / "cohort.csv"
    path.write_text("\n".join([f"slide_id,patient_id,he,mif,{header}", *rows]) + "\n")
    return path


def rows(n: int, **cells: str) -> list[str]:
    return [f"s{i},p{i},s{i}_he.ome.tif,s{i}_mif.ome.tif,Cancer" for i in range(n)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(2):
        paint_slide(tmp_path, f"s{i}", i)
    return tmp_path


def refused(path: Path, match: str, config: TrainConfig = CONFIG) -> None:
    with pytest.raises(HaikuError, match=match):
        read_cohorts(path, config, path.parent)


def test_a_missing_file_is_named_with_line_and_column(folder: Path) -> None:
    refused(write(folder, rows(3)), "Line 4 of cohort.csv, column he: s2_he.ome.tif does not exist")


def test_a_repeated_id_is_named(folder: Path) -> None:
    refused(write(folder, [rows(1)[0]] * 2), "Line 3 of cohort.csv repeats the slide_id of line 2")


def test_a_patient_in_two_splits(folder: Path) -> None:
    lines = [
        f"{row.replace(f'p{i}', 'p')},{s}"
        for i, (row, s) in enumerate(zip(rows(2), ("train", "test"), strict=True))
    ]
    refused(
        write(folder, lines, "disease,split"), "Line 3 .* column split.*'train' there and in 'test'"
    )


def test_an_unknown_split(folder: Path) -> None:
    lines = [f"{row},{s}" for row, s in zip(rows(2), ("train", "third"), strict=True)]
    refused(write(folder, lines, "disease,split"), "Line 3 .*column split: 'third' is no split")


def test_splits_say_who_is_kept_out_and_enter_no_caption(folder: Path) -> None:
    lines = [f"{row},{s}" for row, s in zip(rows(2), ("train", "val"), strict=True)]
    read = read_cohorts(write(folder, lines, "disease,split"), CONFIG, folder)
    assert read.kept_out == {"p1"}
    assert split_entries(read.rows, CONFIG, read.kept_out) == {"p1"}
    assert all(slide.record == {"disease": "Cancer"} for _, slide in read.rows)
    lines = [f"{row},{s}" for row, s in zip(rows(2), ("train", "test"), strict=True)]
    one = replace(CONFIG, text_steps=0)
    left = read_cohorts(write(folder, lines, "disease,split"), one, folder)
    assert [slide.slide_id for _, slide in left.rows] == ["s0"]


def test_a_run_that_goes_on_keeps_out_the_same_patients(folder: Path) -> None:
    slide = read_cohorts(write(folder, rows(2)), CONFIG, folder).rows[0][1]
    patients = [("", replace(slide, patient_id=f"p{i}")) for i in range(40)]
    some = replace(CONFIG, validation_share=0.2)
    kept = split_entries(patients, some)
    assert len(kept) == 8
    assert split_entries(patients[::-1], replace(some, seed=7)) == kept
    fewer = [row for row in patients if row[1].patient_id != min(kept)]
    assert kept - {min(kept)} <= split_entries(fewer, some), "the others stay kept out"


def test_one_patient_needs_to_be_meant(folder: Path) -> None:
    path = write(folder, rows(1))
    refused(path, "one patient .column patient_id, lines 2 to 2.*text_steps to 0")
    assert read_cohorts(path, replace(CONFIG, text_steps=0), folder).rows


def test_no_text(folder: Path) -> None:
    path = write(folder, [row.removesuffix("Cancer") for row in rows(2)])
    refused(path, "No line of cohort.csv has a clinical field.*text_steps to 0")
    assert read_cohorts(path, replace(CONFIG, text_steps=0), folder).rows


def test_no_pairs_names_the_empty_column(folder: Path) -> None:
    path = write(folder, [row.replace(f"s{i}_mif.ome.tif", "") for i, row in enumerate(rows(2))])
    refused(path, r"nothing to align: fill column mif of cohort.csv \(lines 2 to 3\)")


def test_markers_that_never_overlap(folder: Path) -> None:
    paint_slide(folder, "s1", 1, markers=("CD4", "FOXP3", "CD20"))
    refused(write(folder, rows(2)), "Lines 2 and 3 of cohort.csv, column mif, share no marker")
