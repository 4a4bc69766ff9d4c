from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_haiku.atlas.where import (
    Both,
    Comparison,
    Either,
    Not,
    comparisons,
    evaluate,
    parse_where,
    write_where,
)
from napari_haiku.errors import HaikuError

TABLE = pd.DataFrame(
    {
        "disease": ["Lung Cancer", "Colon Cancer", "", "O'Brien's"],
        "grade": ["3", "2--3", "2", ""],
        "age": ["61.5", "n.a.", "70", ""],
        "x_um": [0.0, 50.0, 100.0, np.nan],
        "tumour stage": ["II", "IV", "II", "X"],
    }
)


def kept(text: str, table: pd.DataFrame = TABLE) -> list[int]:
    mask = evaluate(parse_where(text), list(table.columns), lambda name: table[name])
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("disease = 'Lung Cancer'", [0]),
        ("disease == 'Lung Cancer'", [0]),
        ("disease != 'Lung Cancer'", [1, 3]),
        ("disease <> 'Lung Cancer'", [1, 3]),
        ("not disease = 'Lung Cancer'", [1, 3]),
        ("disease = 'O''Brien''s'", [3]),
        ("grade = 3", [0]),
        ("grade = '3'", [0]),
        ("grade != 3", [1, 2]),
        ("grade in (2, '2--3')", [1, 2]),
        ("grade not in (2, 3)", [1]),
        ("age > 61.5", [2]),
        ("age >= 6.15e1", [0, 2]),
        ("age < 100", [0, 2]),
        ("not age < 100", []),
        ("x_um <= 50", [0, 1]),
        ("x_um = 50", [1]),
        ("x_um != 50", [0, 2]),
        ("x_um > -1", [0, 1, 2]),
        ("\"tumour stage\" = 'II'", [0, 2]),
        ("Disease = 'Colon Cancer'", [1]),
        ("disease = 'Lung Cancer' or grade = 2 and x_um = 0", [0]),
        ("(disease = 'Lung Cancer' or grade = 2) and x_um > 0", [2]),
        ("disease = 'Lung Cancer' OR grade = 2", [0, 2]),
        ("not (disease = 'Lung Cancer' or x_um = 50)", []),
        ("not (disease = 'Lung Cancer' and x_um = 50)", [0, 1, 2, 3]),
        ("not (disease = 'Lung Cancer' and x_um = 0)", [1, 2, 3]),
        ("not (disease = 'Lung Cancer' and x_um = 100)", [0, 1, 3]),
        ("disease = 'lung cancer'", []),
        ("  grade=3  ", [0]),
    ],
)
def test_what_a_filter_keeps(text, rows):
    assert kept(text) == rows
    assert kept(text, TABLE.astype("category").assign(x_um=TABLE["x_um"])) == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends too early"),
        ("disease", "ends too early"),
        ("disease =", "ends too early"),
        ("disease = 'Lung", "cannot be read at ''Lung'"),
        ("disease = Lung", "put words in single quotes, like 'Lung'"),
        ('disease = "Lung Cancer"', "put words in single quotes, like 'Lung Cancer'"),
        ("disease = 'a' grade = 2", "cannot be read at 'grade'"),
        ("(grade = 2", "ends too early"),
        ("grade = 2)", r"cannot be read at '\)'"),
        ("and grade = 2", "cannot be read at 'and'"),
        ("grade in ()", r"cannot be read at '\)'"),
        ("grade not = 2", "cannot be read at '='"),
        ("grade , 2", "cannot be read at ','"),
        ("= 2", "cannot be read at '='"),
        ("grade = 2; drop table patches", "cannot be read at '; drop"),
        ("grade = 2 -- comment", "cannot be read at '-- comment'"),
        ("disease like '%Lung%'", "cannot be read at 'like'"),
        ("select * from patches", "cannot be read at 'from|cannot be read at '\\*"),
        ("grade = 2 union select 1", "cannot be read at 'union'"),
        ("lower(disease) = 'x'", r"cannot be read at '\('"),
        ("__import__('os').system('x')", r"cannot be read at"),
        ("grade is null", "cannot be read at 'is'"),
        ("1 = 1", "cannot be read at '1'"),
        ("grade = 2 | 1", "cannot be read at '| 1'"),
        ("stage = 'II'", "no field 'stage'.*the fields are disease, grade, age"),
        ("disase = 'x'", r"no field 'disase' \(did you mean 'disease'\?\)"),
        ("disease < 'x'", "'disease <' needs a number, not 'x'"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(HaikuError, match=said):
        kept(text)


def test_a_number_in_quotes_can_be_compared_by_size():
    assert kept("age > '65'") == [2]


def test_no_field_at_all_is_told():
    with pytest.raises(HaikuError, match="the fields are none"):
        evaluate(parse_where("a = 1"), [], lambda name: pd.Series([]))


def test_two_fields_that_differ_in_capitals_are_not_guessed():
    with pytest.raises(HaikuError, match="no field 'AGE'"):
        evaluate(parse_where("AGE = 1"), ["Age", "age"], lambda name: pd.Series([1]))


fields = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
values = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
)
simple = st.builds(
    lambda field, sign, value: Comparison(field, sign, (value,)),
    fields,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    values,
) | st.builds(
    lambda field, several: Comparison(field, "in", tuple(several)),
    fields,
    st.lists(values, min_size=1, max_size=3),
)
conditions = st.recursive(
    simple,
    lambda part: st.builds(Not, part) | st.builds(Both, part, part) | st.builds(Either, part, part),
    max_leaves=6,
)


@given(conditions)
def test_a_filter_written_down_reads_the_same(condition):
    assert parse_where(write_where(condition)) == condition
    assert comparisons(parse_where(write_where(condition))) == comparisons(condition)


@given(
    st.recursive(
        st.builds(
            lambda field, sign, value: Comparison(field, sign, (value,)),
            st.sampled_from(["grade", "age", "x_um", "disease"]),
            st.sampled_from(["=", "!=", "<", ">="]),
            st.sampled_from([2.0, 3.0, 50.0, 61.5]),
        ),
        lambda part: (
            st.builds(Not, part) | st.builds(Both, part, part) | st.builds(Either, part, part)
        ),
        max_leaves=5,
    )
)
def test_nothing_is_both_kept_and_kept_by_the_opposite(condition):
    text = write_where(condition)
    assert not set(kept(text)) & set(kept(f"not ({text})"))
    assert kept(f"not (not ({text}))") == kept(text)


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused_in_a_sentence(text):
    sentence = "."
    try:
        kept(text)
    except HaikuError as error:
        sentence = str(error)
    assert sentence.endswith(".")
