"""Which patients may answer."""

import numpy as np
from toy_cohort import toy_atlas, toy_slide, write_slide

from napari_haiku.analysis.retrieval.evidence import evidence_for
from napari_haiku.analysis.statistics.atlas_patients import patient_numbers, patient_of


def test_everyone_but_the_slides_own_patient(encodings, atlas):
    evidence = evidence_for(encodings[3], atlas, within_patient_um=None, where=None)
    assert evidence.n_patients == 17
    assert encodings[3].patient_id not in evidence.records.patients
    ids = atlas.patches["patient_id"].to_numpy(str)
    for row in range(0, len(atlas), 7):
        number = evidence.number[row]
        if ids[row] == encodings[3].patient_id:
            assert number == -1
        else:
            assert evidence.records.patients[number] == ids[row]


def test_the_own_patient_too_when_asked_for_by_name(encodings, atlas):
    evidence = evidence_for(encodings[3], atlas, within_patient_um=500.0, where=None)
    assert evidence.n_patients == 18
    assert (evidence.number >= 0).all()


def test_a_filter_leaves_the_patients_that_fit(query, atlas):
    evidence = evidence_for(query, atlas, within_patient_um=None, where="stage = 'IV'")
    assert evidence.n_patients == 6
    assert set(evidence.records.values["stage"]) == {"IV"}
    assert (evidence.number >= 0).sum() == (atlas.patches["stage"] == "IV").sum()


def test_patients_without_mif_cannot_answer(tmp_path, query, encodings):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    blind = write_slide(
        tmp_path / "blind", slide, encodings[0].record, patient="blind", modalities=("he",)
    )
    atlas = toy_atlas(tmp_path, [blind, *encodings[1:4]])
    evidence = evidence_for(query, atlas, within_patient_um=None, where=None)
    assert "blind" not in evidence.records.patients
    assert evidence.n_patients == 3


def test_a_slide_without_a_patient_is_a_patient_of_its_own(tmp_path, encodings):
    slide = toy_slide(np.random.default_rng(0), 0.0, (6, 9))
    nameless = write_slide(tmp_path / "nameless", slide, encodings[0].record, patient="")
    assert patient_of(nameless) == "nameless"
    atlas = toy_atlas(tmp_path, [nameless, *encodings[1:4]])
    evidence = evidence_for(nameless, atlas, within_patient_um=None, where=None)
    assert evidence.n_patients == 3
    assert "nameless" not in evidence.records.patients


def test_patients_are_numbered_row_by_row(atlas):
    patients, number = patient_numbers(atlas)
    assert list(patients) == sorted(patients)
    assert np.array(patients)[number].tolist() == list(atlas.patches["patient_id"])
