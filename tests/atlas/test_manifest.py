from __future__ import annotations

import pytest

from napari_haiku.atlas.manifest import read_manifest
from napari_haiku.errors import HaikuError

GOOD = """slide_id,patient_id,he,mif,markers,tissue,stage,note
s1,A,he.tif,mif.tif,names.txt,Lung,II,"comma, quote "" and
line break"
s2,A,,mif.tif,,Lung,,n/a

s3,B,he.tif,,,Colon,IV,plain
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("he.tif", "mif.tif", "names.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write(folder, text, encoding="utf-8"):
    path = folder / "cohort.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_manifest_is_read_in_order(folder):
    cohort = read_manifest(write(folder, GOOD))
    assert [slide.slide_id for slide in cohort.slides] == ["s1", "s2", "s3"]
    assert cohort.patients == ("A", "B")
    assert cohort.fields == ("tissue", "stage", "note")
    first, second, third = cohort.slides
    assert first.he == folder / "he.tif"
    assert first.markers == folder / "names.txt"
    assert list(first.record) == ["tissue", "stage", "note"]
    assert "comma, quote" in first.record["note"]
    assert second.he is None
    assert second.record == {"tissue": "Lung"}
    assert third.mif is None
    assert [slide.row for slide in cohort.slides] == [2, 4, 6]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(folder, encoding, delimiter, newline):
    text = newline.join(["slide_id,patient_id,he,größe", "s1,A,he.tif,5", ""])
    cohort = read_manifest(write(folder, text.replace(",", delimiter), encoding))
    assert cohort.slides[0].record == {"größe": "5"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("slide_id,patient_id,he\n", "a header but no slides"),
        ("patient_id,he\nA,he.tif\n", "no column slide_id"),
        ("slide_id,he\ns1,he.tif\n", "no column patient_id"),
        ("slide_id,patient_id,image\ns1,A,he.tif\n", "neither a column he nor mif"),
        ("slide_id,patient_id,he,\ns1,A,he.tif,x\n", "Column 4 of cohort.csv has no name"),
        ("slide_id,patient_id,he,a,a\ns1,A,he.tif,1,2\n", "two columns 'a'"),
        ("slide_id,patient_id,he\n,A,he.tif\n", "Line 2 of cohort.csv has no slide_id"),
        ("slide_id,patient_id,he\ns1,,he.tif\n", "Line 2 of cohort.csv has no patient_id"),
        (
            "slide_id,patient_id,he\ns1,A,he.tif\ns2,A,he.tif\ns1,B,he.tif\n",
            "Line 4 of cohort.csv repeats the slide_id of line 2",
        ),
        ("slide_id,patient_id,he\ns1,A\n", "Line 2 .* has 2 values for 3 columns"),
        ("slide_id,patient_id,he,mif\ns1,A,,\n", "Line 2 .* neither he nor mif"),
        (
            "slide_id,patient_id,he\ns1,A,he.tif\ns2,A,sub/gone.tif\n",
            "Line 3 of cohort.csv, column he: gone.tif does not exist",
        ),
        (
            "slide_id,patient_id,mif,markers\ns1,A,mif.tif,gone.txt\n",
            "Line 2 of cohort.csv, column markers: gone.txt",
        ),
        ('slide_id,patient_id,he\ns1,A,"he.tif\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(folder, text, said):
    with pytest.raises(HaikuError, match=said):
        read_manifest(write(folder, text))


def test_missing_files_can_wait(folder):
    text = "slide_id,patient_id,he\ns1,A,gone.tif\n"
    cohort = read_manifest(write(folder, text), check_files=False)
    with pytest.raises(HaikuError, match=r"Line 2 .* column he"):
        cohort.slides[0].check_files(cohort.path)


def test_a_file_that_is_no_manifest_is_told(folder):
    with pytest.raises(HaikuError, match=r"gone\.csv does not exist"):
        read_manifest(folder / "gone.csv")
    with pytest.raises(HaikuError, match="not UTF-8"):
        read_manifest(write(folder, "slide_id,größe", "latin-1"))
    with pytest.raises(HaikuError, match="cannot be read"):
        read_manifest(folder)


def test_ids_stay_out_of_messages(folder):
    text = "slide_id,patient_id,he\nSECRET1,SECRET2,gone.tif\n"
    with pytest.raises(HaikuError) as caught:
        read_manifest(write(folder, text))
    assert "SECRET" not in str(caught.value)
