"""Bad manifests: one sentence each, with line and column and without ids."""

import json

import pytest

from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.atlas.manifest_checks import (
    check_classes,
    check_markers_overlap,
    check_other_patients,
    check_several_patients,
    check_splits,
    check_survival,
    check_text,
    event_of,
)
from napari_haiku.errors import HaikuError

HEADER = "slide_id,patient_id,he,mif,stage,months,status"


@pytest.fixture
def manifest(tmp_path):
    count = iter(range(10))

    def write(*lines, header=HEADER, folder="a", seed=None):
        (tmp_path / folder).mkdir(exist_ok=True)
        if seed is not None:
            (tmp_path / folder / "simulation.json").write_text(json.dumps({"seed": seed}))
        path = tmp_path / folder / f"cohort{next(count)}.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return read_manifest(path, check_files=False)

    return write


def test_a_patient_in_two_cohorts(manifest):
    cohort = manifest("s1,Q77,a.tif,,II,3,Alive", "s2,Q78,a.tif,,II,3,Alive")
    other = manifest("s3,Q79,a.tif,,II,3,Alive", "s4,Q78,a.tif,,II,3,Alive")
    with pytest.raises(
        HaikuError, match=r"^Line 3 of cohort1\.csv.*column patient_id.*line 3"
    ) as e:
        check_other_patients(cohort, other)
    assert "Q78" not in str(e.value)
    check_other_patients(cohort, manifest("s9,Q80,a.tif,,II,3,Alive"))


def test_virtual_cohorts_of_different_seeds_share_numbers_only(manifest):
    line = "s1,patient_00000,a.tif,,II,3,Alive"
    first, second = manifest(line, folder="a", seed=1), manifest(line, folder="b", seed=2)
    check_other_patients(first, second)
    with pytest.raises(HaikuError, match="patient_id"):
        check_other_patients(first, manifest(line, folder="c", seed=1))


def test_a_patient_in_two_splits(manifest):
    header = "slide_id,patient_id,he,split"
    with pytest.raises(HaikuError, match=r"Line 3 .*column split.*line 2.*'train'.*'test'"):
        check_splits(manifest("s1,A,a.tif,train", "s2,A,a.tif,test", header=header))
    check_splits(manifest("s1,A,a.tif,train", "s2,B,a.tif,test", header=header))


@pytest.mark.parametrize("months", ["soon", "-2", "inf"])
def test_months_that_are_no_number(manifest, months):
    cohort = manifest("s1,A,a.tif,,II,3,Deceased", f"s2,B,a.tif,,II,{months},Alive")
    with pytest.raises(HaikuError, match=rf"Line 3 .*column months: '{months}'"):
        check_survival(cohort, "months", "status")


def test_a_status_that_says_nothing(manifest):
    cohort = manifest("s1,A,a.tif,,II,3,Deceased", "s2,B,a.tif,,II,4,maybe")
    with pytest.raises(HaikuError, match=r"Line 3 .*column status: 'maybe'"):
        check_survival(cohort, "months", "status")


def test_nobody_died(manifest):
    cohort = manifest("s1,A,a.tif,,II,3,0", "s2,B,a.tif,,II,4,0")
    with pytest.raises(HaikuError, match=r"Column status .* no event on any line"):
        check_survival(cohort, "months", "status")
    # The same column read as a mark of censoring says that everybody died.
    check_survival(cohort, "months", None, "status")


def test_a_column_that_is_not_there(manifest):
    cohort = manifest("s1,A,a.tif,,II,3,Alive")
    with pytest.raises(HaikuError, match=r"no column weeks: .*stage, months, status"):
        check_survival(cohort, "weeks", "status")


def test_one_class_only(manifest):
    cohort = manifest("s1,A,a.tif,,II,3,Alive", "s2,B,a.tif,,II,4,Alive")
    with pytest.raises(HaikuError, match=r"Column stage .*'II'.*line 2"):
        check_classes(cohort, "stage")


def test_one_patient(manifest):
    cohort = manifest("s1,A,a.tif,,II,3,Alive", "s2,A,a.tif,,IV,4,Alive")
    with pytest.raises(HaikuError, match=r"one patient \(column patient_id, lines 2 to 3\)"):
        check_several_patients(cohort)


def test_no_text(manifest):
    with pytest.raises(HaikuError, match=r"No line of .* clinical field"):
        check_text(manifest("s1,A,a.tif", header="slide_id,patient_id,he"))
    with pytest.raises(HaikuError, match="No line"):
        check_text(manifest("s1,A,a.tif,,,,"))


def test_panels_that_never_overlap():
    with pytest.raises(HaikuError, match=r"Lines 2 and 3 of c\.csv, column mif"):
        check_markers_overlap({2: ("CD8",), 3: ("CD20",)}, "c.csv")
    check_markers_overlap({2: ("CD8",), 3: ("CD20",), 4: ("CD20", "CD68")}, "c.csv")
    check_markers_overlap({2: ("CD8",)}, "c.csv")


@pytest.mark.parametrize(
    ("text", "event"),
    [("1", True), ("Deceased", True), ("1:DECEASED", True), ("0", False), ("alive", False),
     ("", None), ("maybe", None), ("unknown", None)],
)  # fmt: skip
def test_words_of_events(text, event):
    assert event_of(text) is event


def test_words_of_censoring():
    assert event_of("censored", censoring=True) is False
    assert event_of("1", censoring=True) is False
    assert event_of("0.0", censoring=True) is True
