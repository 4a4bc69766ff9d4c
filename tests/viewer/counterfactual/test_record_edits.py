from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.viewer.counterfactual.record_edits import RecordEdits, choices

FIELDS = st.sampled_from(["stage", "grade", "site"])
VALUES = st.sampled_from(["", "I", "II", "IV"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), FIELDS, VALUES),
        st.tuples(st.sampled_from(["undo", "redo", "reset"])),
    ),
    max_size=25,
)


def test_an_edit_is_undone_and_made_again():
    record = RecordEdits({"stage": "II"})
    assert record.set("stage", "IV")
    assert record.edited == {"stage": "IV"}
    assert record.undo()
    assert record.edits == {}
    assert record.redo()
    assert record.edits == {"stage": "IV"}


def test_setting_the_original_value_is_no_edit():
    record = RecordEdits({"stage": "II"})
    record.set("stage", "IV")
    record.set("stage", "II")
    assert record.edits == {}
    assert record.can_undo


def test_setting_what_it_reads_already_changes_nothing():
    record = RecordEdits({"stage": "II"})
    assert not record.set("stage", "II")
    assert not record.can_undo


def test_reset_can_be_undone():
    record = RecordEdits({"stage": "II"})
    record.set("stage", "IV")
    assert record.reset()
    assert record.edits == {}
    record.undo()
    assert record.edits == {"stage": "IV"}


def test_a_new_edit_forgets_what_was_undone():
    record = RecordEdits({"stage": "II"})
    record.set("stage", "IV")
    record.undo()
    record.set("stage", "I")
    assert not record.can_redo
    assert not record.redo()


@given(STEPS)
def test_undoing_everything_gives_the_slides_record(steps):
    record = RecordEdits({"stage": "II", "grade": "I"})
    for step, *given_values in steps:
        getattr(record, step)(*given_values)
    assert all(record.baseline.get(field, "") != value for field, value in record.edits.items())
    while record.undo():
        pass
    assert record.edits == {}
    assert record.edited == record.baseline == {"stage": "II", "grade": "I"}


def test_choices_carry_their_patients_and_read_in_order():
    offered = choices({"IV": 6, "II": 1, "I": 9, "IIIB": 2, "III": 3}, "II")
    assert [choice.text for choice in offered] == [
        "I (9 patients)",
        "II (1 patient)",
        "III (3 patients)",
        "IIIB (2 patients)",
        "IV (6 patients)",
    ]


def test_numbers_are_ordered_by_size_and_words_by_letter():
    assert [choice.value for choice in choices({"10": 1, "9": 1}, "9")] == ["9", "10"]
    assert [choice.value for choice in choices({"low": 1, "high": 1}, "low")] == ["high", "low"]


def test_the_slides_own_value_is_offered_though_no_patient_carries_it():
    own = next(choice for choice in choices({"IV": 6}, "X0") if choice.value == "X0")
    assert not own.enabled
    assert own.hint == "no patient in this atlas"


def test_a_field_that_is_not_recorded_says_so():
    assert "not recorded" in [choice.text for choice in choices({"IV": 6})]
