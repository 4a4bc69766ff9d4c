from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.clinical import (
    CAPTION_TEMPLATES,
    caption,
    clean_value,
    edit_record,
    is_empty,
    is_identifying,
    parse_settings,
    patient_of,
    public_record,
    read_record,
)
from napari_haiku.errors import HaikuError

RECORD = {
    "patient_id": "C01",
    "tissue_type": "Colon",
    "disease": "Colon Cancer",
    "sex": "Female",
    "grade": "-",
    "stage": "II",
}


@pytest.mark.parametrize(
    "field",
    [
        "patient_id",
        "PatientID",
        "PATIENTID",
        "patient",
        "Case No.",
        "tissue id",
        "Tissue ID.",
        "name",
        "Patient Name",
        "date of birth",
        "DOB",
        "accession_number",
        "spot number",
        "core_id",
        "slide",
        "Position",
        "No.",
        "array row",
        "TMA column",
        "case",
        "core x",
        "sample_id",
        "MRN",
        "Spot",
        "medical record number",
        "barcode",
        "date_of_surgery",
        "surname",
        "slide_id",
        "Core No",
    ],
)
def test_identifying_fields_are_found(field: str) -> None:
    assert is_identifying(field)


@pytest.mark.parametrize(
    "field",
    [
        "age",
        "sex",
        "stage",
        "grade",
        "disease",
        "tissue_type",
        "LocationOfRecurrence",
        "Histology",
        "TNMAtDiagnosis",
        "survival_status",
        "OSDays",
        "number of nodes",
        "no. of lymph nodes",
        "Pathology diagnosis",
        "disease name",
        "Disposition",
        "patient age",
        "KRAS",
        "type",
        "PIK3CA",
    ],
)
def test_clinical_fields_are_not(field: str) -> None:
    assert not is_identifying(field)


def test_a_public_record_keeps_order_and_drops_ids_and_empty_values() -> None:
    assert list(public_record(RECORD).items()) == [
        ("tissue_type", "Colon"),
        ("disease", "Colon Cancer"),
        ("sex", "Female"),
        ("stage", "II"),
    ]


@pytest.mark.parametrize("value", ["-", "nan", "NaN", "None", "n/a", "N/A", "null", "", "  ", None])
def test_values_that_say_nothing_are_empty(value: object) -> None:
    assert is_empty(value)


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [("69.0", "69"), ("-1.0", "-1"), ("1.50", "1.50"), (" a  b ", "a b"), (3, "3")],
)
def test_values_are_compared_in_one_spelling(value: object, cleaned: str) -> None:
    assert clean_value(value) == cleaned


def test_the_caption_is_the_published_sentence() -> None:
    assert caption(RECORD) == (
        "A representative section of Colon tissue highlighting the landscape of Colon Cancer. "
        "Additional clinical details include: sex: Female, stage: II."
    )


def test_the_caption_takes_tissue_and_diagnosis_as_second_names() -> None:
    text = caption({"Diagnosis": "Cirrhosis", "tissue": "Liver"})
    assert (
        text == "A representative section of Liver tissue highlighting the landscape of Cirrhosis."
    )


def test_disease_goes_before_diagnosis_which_stays_a_detail() -> None:
    text = caption({"tissue": "Lung", "diagnosis": "Adenocarcinoma", "disease": "Lung Cancer"})
    assert text.endswith(
        "landscape of Lung Cancer. Additional clinical details include: diagnosis: Adenocarcinoma."
    )


def test_without_tissue_or_disease_the_opening_is_generic() -> None:
    text = caption({"stage": "II", "sex": "Male"})
    assert text.endswith("Clinical metadata includes: stage: II, sex: Male.")


@pytest.mark.parametrize("record", [{}, {"patient_id": "C01"}, {"stage": "nan"}])
def test_a_record_that_says_nothing_has_no_caption(record: dict[str, str]) -> None:
    assert caption(record) == ""


def test_five_templates_and_their_openings() -> None:
    texts = [caption(RECORD, template=i) for i in range(len(CAPTION_TEMPLATES))]
    assert len(set(texts)) == 5
    assert texts[1].startswith("This region captures a sample of Colon")
    assert texts[4].startswith("High-plex imaging of Colon")


def test_a_seed_draws_the_same_template_again() -> None:
    drawn = [caption(RECORD, seed=seed) for seed in range(20)]
    assert drawn == [caption(RECORD, seed=seed) for seed in range(20)]
    assert len(set(drawn)) > 1


def test_a_template_that_is_not_there_is_refused() -> None:
    with pytest.raises(HaikuError, match="no caption template 5: choose 0 to 4"):
        caption(RECORD, template=5)


@given(
    st.dictionaries(st.sampled_from(["stage", "Patient ID", "case_no", "sex", "spot"]), st.text())
)
def test_no_identifying_value_enters_a_caption(record: dict[str, str]) -> None:
    marked = {k: f"secret{v}" if is_identifying(k) else "open" for k, v in record.items()}
    assert "secret" not in caption(marked)


def test_json_records_keep_their_order(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"stage": "II", "age": 69.0, "sex": None, "grade": True}))
    assert list(read_record(file).items()) == [("stage", "II"), ("age", "69"), ("grade", "True")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_gives_one_patients_row(tmp_path: Path, delimiter: str) -> None:
    rows = ["patient_id,stage,age", "A,II,60.0", "B,III,-"]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(rows).replace(",", delimiter), encoding="utf-8-sig")
    assert read_record(file, "A") == {"patient_id": "A", "stage": "II", "age": "60"}
    assert read_record(file, "B") == {"patient_id": "B", "stage": "III"}


def test_a_single_row_needs_no_patient(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("Case ID,stage\n7,II\n")
    record = read_record(file)
    assert record["stage"] == "II"
    assert patient_of(record) == "7"


def test_a_quoted_comma_stays_in_its_value(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text('patient,Histology\nC01,"Adenocarcinoma, mucinous"\n')
    assert read_record(file)["Histology"] == "Adenocarcinoma, mucinous"


@pytest.mark.parametrize(
    ("content", "patient", "said"),
    [
        ("patient,stage\nA,II\nB,I\n", None, "holds 2 rows: say which one is meant with --patient"),
        ("patient,stage\nSMITH,II\n", "JONES", "No row .* check --patient"),
        ("patient,stage\nA,II\nA,I\n", "A", "2 rows .* keep one row per patient"),
        ("stage,sex\nII,F\nI,M\n", "A", "no patient column"),
        ("patient,stage\n", None, "heading and no rows"),
        ("", None, "is empty"),
        ("patient,stage\nA\n", None, "Row 2 .* as many cells"),
        ("patient,stage\nA,II,x\n", None, "Row 2 .* as many cells"),
        ("[1, 2]", None, "not one JSON object"),
        ('{"stage": ["II"]}', None, "not a single value"),
        ('{"stage": ', None, "not valid JSON"),
    ],
)
def test_unclear_metadata_is_refused_in_one_sentence(
    tmp_path: Path, content: str, patient: str | None, said: str
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(content)
    with pytest.raises(HaikuError, match=said) as caught:
        read_record(file, patient)
    assert "SMITH" not in str(caught.value)
    assert "JONES" not in str(caught.value)


def test_missing_and_binary_metadata_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match=r"none\.json does not exist"):
        read_record(tmp_path / "none.json")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(HaikuError, match="not UTF-8"):
        read_record(tmp_path / "b.csv")
    with pytest.raises(HaikuError, match="cannot be read"):
        read_record(tmp_path)


def test_settings_are_field_and_value() -> None:
    assert parse_settings(["stage=IV", " sex = Male ", "note=a=b"]) == {
        "stage": "IV",
        "sex": "Male",
        "note": "a=b",
    }


@pytest.mark.parametrize("settings", [["stage"], ["=IV"], ["stage=I", "stage=II"]])
def test_malformed_settings_are_refused(settings: list[str]) -> None:
    with pytest.raises(HaikuError, match=r"is not a setting|set twice"):
        parse_settings(settings)


def test_an_edit_keeps_the_records_spelling_and_order() -> None:
    edited = edit_record(RECORD, {"Stage": "IV", "TISSUE TYPE": "Rectum"})
    assert list(edited) == list(RECORD)
    assert (edited["stage"], edited["tissue_type"]) == ("IV", "Rectum")
    assert RECORD["stage"] == "II"


def test_an_edit_of_an_unknown_field_names_the_public_ones() -> None:
    with pytest.raises(
        HaikuError, match=r'no field "smoking"\. It has tissue_type, disease'
    ) as caught:
        edit_record(RECORD, {"smoking": "yes"})
    assert "patient_id" not in str(caught.value)


def test_an_identifying_field_cannot_be_edited() -> None:
    with pytest.raises(HaikuError, match="identifies a person"):
        edit_record(RECORD, {"patient_id": "X"})


@pytest.mark.real_data
def test_the_real_cohort_reads_by_patient(real_data: Path) -> None:
    record = read_record(real_data / "orion_crc_cohort" / "clinical_survival.csv", "C01")
    assert (record["Stage"], record["Age"], patient_of(record)) == ("II", "69", "C01")
    assert "C01" not in caption(record)


@pytest.mark.parametrize(
    ("asked", "meant"), [("stge", "stage"), ("tumor grad", "tumor_grade"), ("Survival", None)]
)
def test_a_field_typed_wrong_is_guessed(asked, meant):
    record = {"stage": "II", "tumor_grade": "G2", "organ": "Colon"}
    with pytest.raises(HaikuError) as told:
        edit_record(record, {asked: "III"})
    said = str(told.value)
    assert (f'Did you mean "{meant}"?' in said) == (meant is not None)
    assert "It has stage, tumor_grade, organ." in said
