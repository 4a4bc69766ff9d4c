import pandas as pd
import pytest

from napari_haiku.analysis.outcome.survival_times import SurvivalTimes, read_survival
from napari_haiku.errors import HaikuError


def table(months, status) -> pd.DataFrame:
    return pd.DataFrame({"survival_months": months, "survival_status": status})


def test_words_in_any_case():
    found = read_survival(
        table([1, 2, 3, 4, 5, 6], ["Alive", "DECEASED", "dead", "1", 0.0, "Died"])
    )
    assert found.event.tolist() == [False, True, True, True, False, True]
    assert found.n_events == 4


def test_censoring_column_is_the_reverse():
    days = pd.DataFrame({"OSDays": [10.0, 20.0, 30.0], "OSCensor": [1.0, 0.0, 1.0]})
    found = read_survival(days, time="OSDays", censor="OSCensor")
    assert found.event.tolist() == [False, True, False]
    died = read_survival(days, time="OSDays", event="OSCensor")
    assert died.event.tolist() == [True, False, True]


def test_rows_without_outcome_are_counted():
    found = read_survival(
        table(["5", "", None, "7"], ["dead", "dead", "alive", "n/a"])
        .iloc[:4]
        .pipe(lambda t: pd.concat([t, table(["9"], ["alive"])]))
    )
    assert found.rows.tolist() == [0, 4]
    assert found.n_missing == 3


@pytest.mark.parametrize(
    ("months", "status", "says"),
    [
        ([5, "soon"], ["dead", "alive"], "Row 2, column 'survival_months': 'soon' is no number"),
        ([5, -1], ["dead", "alive"], "Row 2, column 'survival_months'.*is below 0"),
        (["inf", 1], ["dead", "alive"], "Row 1, column 'survival_months'"),
        ([5, 6], ["dead", "maybe"], "Row 2, column 'survival_status': 'maybe' is not understood"),
        ([5, 6], ["alive", "alive"], "no death among 2 patients"),
        ([5, ""], ["dead", "alive"], "one patient with a survival time"),
        ([], [], "no patient with a survival time"),
    ],
)
def test_bad_tables_are_named(months, status, says):
    with pytest.raises(HaikuError, match=says):
        read_survival(table(months, status))


def test_missing_columns_and_both_marks():
    with pytest.raises(HaikuError, match="no column 'OSDays'"):
        read_survival(table([1, 2], ["dead", "alive"]), time="OSDays")
    with pytest.raises(HaikuError, match="not both"):
        read_survival(table([1, 2], ["dead", "alive"]), event="a", censor="b")


def test_arrays_are_checked():
    with pytest.raises(HaikuError, match="Row 2"):
        SurvivalTimes.from_arrays([1, -2], [1, 1])
    with pytest.raises(HaikuError, match="one time and one event"):
        SurvivalTimes.from_arrays([1, 2, 3], [1, 1])
