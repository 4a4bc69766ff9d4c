"""The plain words a report of shifts opens with, for readers who know no statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.export.markup import Element, element

if TYPE_CHECKING:
    import pandas as pd

    from napari_haiku.analysis.cohort.cohort_result import CohortCounterfactualResult
    from napari_haiku.analysis.counterfactual.counterfactual_result import CounterfactualResult

HEADING = "In short"
WHOLE_TISSUE = 0
_NAMED = 8
_SUPPORTED = (
    "Supported means: chance alone would rarely give such a shift (q below 0.05), and other "
    "patients of the atlas who carry the edited value differ in the same direction from those who "
    "do not, by their measured markers and without any text (p below 0.05). It does not mean that "
    "the one causes the other."
)


def in_short(result: CounterfactualResult) -> Element:
    """Say what was asked of a slide, what was found and how many patients stand behind it."""
    support = result.support
    with_what = _instead(result.edit.before, result.edit.after)
    behind = (
        f"Patients behind it: {support.patients} of the {support.of_patients} others in the atlas "
        f"carry the edited values. Support: {support.word}."
    )
    return _section(
        f"Asked: how do patches of other patients that look like this tissue differ when they are "
        f"looked up with {with_what} in the record?",
        f"Found: {found(result.shifts, f'with {with_what}')}",
        behind,
    )


def cohort_in_short(result: CohortCounterfactualResult) -> Element:
    """Say what was asked of a cohort, what was found and how many patients were asked about."""
    with_what = _instead({}, result.edits)
    return _section(
        f"Asked: how do patches of other patients that look like the tissue of this cohort differ "
        f"when they are looked up with {with_what} in every record?",
        f"Found: {found(result.shifts, f'with {with_what}')}",
        f"Patients asked about: {len(result.patients)}, each with the record edited.",
    )


def found(shifts: pd.DataFrame, under: str) -> str:
    """Say in plain words which shifts are supported.

    Parameters
    ----------
    shifts : DataFrame
        The table of shifts.
    under : str
        Under what, such as ``with stage IV instead of II``.
    """
    if not shifts["shift"].notna().any():
        return f"no shift {under} can be estimated."
    rows = shifts[shifts["supported"].astype(bool)]
    order = rows["shift"].abs().sort_values(ascending=False, kind="stable").index
    parts: dict[str, list[str]] = {}
    for row in rows.loc[order].to_dict("records"):
        way = f"{row['marker']} {'higher' if row['shift'] > 0 else 'lower'}"
        where = f"{row['niche_name']} (niche {row['niche']})"
        parts.setdefault(way, [])
        if row["niche"] != WHOLE_TISSUE:
            parts[way].append(where)
    if not parts:
        return f"{under}, nothing is supported."
    said = [f"{way} in {_listed(where)}" if where else way for way, where in parts.items()]
    if len(said) > _NAMED:
        more = len(said) - _NAMED
        markers = "marker" if more == 1 else "markers"
        return f"{under}: {'; '.join(said[:_NAMED])}; and {more} more {markers}, in the table."
    return f"{under}: {'; '.join(said)}. Nothing else is supported."


def _section(*sentences: str) -> Element:
    said = []
    for sentence in (*sentences, _SUPPORTED):
        lead, rest = sentence.split(":", 1)
        said.append(element("p", element("strong", f"{lead}:"), rest))
    return element("section", element("h2", HEADING), *said)


def _instead(before: dict[str, str], after: dict[str, str]) -> str:
    changes = []
    for field, value in after.items():
        name = field.replace("_", " ")
        old = before.get(field)
        changes.append(f"{name} {value} instead of {old}" if old else f"{name} {value}")
    return _listed(changes)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
