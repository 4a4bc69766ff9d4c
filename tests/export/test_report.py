"""The counterfactual report: whole, private, escaped, honest."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from napari_haiku.export.report import (
    NO_MORE_THAN_PLACEBO,
    counterfactual_report,
    write_counterfactual_report,
)
from napari_haiku.notices import ASSOCIATION, RESEARCH_USE, SAME_PATIENT


class Reader(HTMLParser):
    """Collects text by section heading, tags and attributes."""

    def __init__(self):
        super().__init__()
        self.sections, self.heading, self._inside = {"": ""}, "", False
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._inside = tag in ("h1", "h2")
        if tag == "img":
            self.sources.append(dict(attrs)["src"])
        if self._inside:
            self.heading = ""

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.heading += data
        else:
            self.sections[self.heading] = self.sections.get(self.heading, "") + data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.fixture(scope="module")
def report(case):
    return counterfactual_report(case.counterfactual, case.atlas)


def test_every_section_is_there(report):
    found = read(report)
    assert list(found.sections)[1:] == [
        "Counterfactual: stage II to IV",
        "In short",
        "The edit",
        "Support",
        "Shifts",
        "Every row",
        "Evidence",
        "How to read this",
        "How it was computed",
        "Provenance",
    ]
    assert report.startswith("<!DOCTYPE html>")
    assert found.tags.count("svg") == 6


def test_notices_stand_at_the_top_and_at_the_bottom(report):
    assert report.index(RESEARCH_USE) < report.index("<main>")
    assert report.index(ASSOCIATION) < report.index("<main>")
    footer = report[report.index("<footer>") :]
    assert RESEARCH_USE in footer
    assert ASSOCIATION in footer


def test_nothing_is_fetched_from_elsewhere(report):
    assert not re.search(r"(src|href)=\"(?!data:)", report)
    assert "<script" not in report
    assert "@import" not in report
    assert "url(" not in report


def test_whatever_the_record_and_names_say_is_escaped(report):
    assert "alert(" in report
    assert "<script>" not in report
    assert "&lt;script&gt;" in report


def test_no_identifying_value_is_in_it(case, report):
    assert "SECRET" not in report
    for column in ("patient_id", "slide_id"):
        for name in case.atlas.slides[column]:
            assert name not in report
    assert re.search(r"\bP\d\d, stage", report)


def test_a_filter_that_names_a_patient_is_withheld(case):
    from toy_cohort import ToyModel

    from napari_haiku.analysis.counterfactual.counterfactual import (
        CounterfactualRequest,
        run_counterfactual,
    )
    from napari_haiku.jobs import run_job

    request = CounterfactualRequest(
        edits={"stage": "IV"},
        k=5,
        resamples=0,
        placebo=False,
        where="patient_id != 'patient-003'",
    )
    result = run_job(run_counterfactual(case.encoding, case.atlas, ToyModel(), request))
    made = counterfactual_report(result, case.atlas)
    assert "patient-003" not in made
    assert "a filter on identifying fields" in made


def test_the_edit_is_struck_and_written_in(report):
    assert re.search(r"stage: </span><del>II</del><ins>IV</ins>", report)


def test_rows_are_sorted_by_size_and_not_estimable_ones_come_last(case):
    table = case.counterfactual.shifts.copy()
    table.loc[3, ["shift", "ci_low", "p"]] = np.nan
    made = counterfactual_report(replace(case.counterfactual, shifts=table), case.atlas)
    body = made[made.index("Every row") : made.index("Evidence")]
    rows = re.findall(r"<tr class=\"([a-z]*)\">(.*?)</tr>", body)
    assert len(rows) == len(table)
    shifts = [re.findall(r"<td>(.*?)</td>", cells)[5] for _, cells in rows]
    assert shifts[-1] == "\N{EN DASH}"
    assert rows[-1][0] in ("none", "faint")
    sizes = [abs(float(shift.replace("\N{MINUS SIGN}", "-"))) for shift in shifts[:-1]]
    assert sizes == sorted(sizes, reverse=True)


def test_an_edit_that_moves_no_more_than_placebo_says_so_first(case):
    made = counterfactual_report(replace(case.counterfactual, whole_edit_p=0.3), case.atlas)
    assert made.index(NO_MORE_THAN_PLACEBO) < made.index(ASSOCIATION)
    clear = counterfactual_report(replace(case.counterfactual, whole_edit_p=0.02), case.atlas)
    assert NO_MORE_THAN_PLACEBO not in clear


def test_same_patient_results_are_labelled(case):
    made = counterfactual_report(replace(case.counterfactual, label=SAME_PATIENT), case.atlas)
    assert made.index(SAME_PATIENT) < made.index("<main>")


def test_evidence_pictures_are_the_atlas_thumbnails(case, report):
    sources = read(report).sources
    assert 1 <= len(sources) <= 12
    row, _ = case.counterfactual.gained(1)[0]
    picture = Image.open(io.BytesIO(base64.b64decode(sources[0].split(",")[1])))
    np.testing.assert_array_equal(np.asarray(picture), case.atlas.thumbnail(row))


def test_evidence_comes_from_many_patients(report):
    shown = re.findall(r"<figcaption>(P\d\d), stage", report)
    assert max(shown.count(name) for name in shown) <= 2


def test_nothing_new_is_said(case):
    same = case.counterfactual.neighbours_before
    made = counterfactual_report(replace(case.counterfactual, neighbours_after=same), case.atlas)
    assert "brought in no patch" in made


def test_no_shift_estimable_draws_no_chart(case):
    table = case.counterfactual.shifts.copy()
    table["shift"] = np.nan
    made = counterfactual_report(replace(case.counterfactual, shifts=table), case.atlas)
    assert "No shift is estimable." in made
    assert "<svg" not in made


def test_provenance_and_inference_are_told(case, report):
    said = read(report).sections
    assert "toy-atlas" in said["Provenance"]
    assert "seed" in said["Provenance"]
    assert case.counterfactual.inference in said["How it was computed"]
    assert case.counterfactual.support.sentence in said["Support"]
    assert "size cannot" in said["How to read this"]


def test_written_whole_and_alike_every_time(tmp_path, case):
    for name in ("a.html", "b.html"):
        write_counterfactual_report(tmp_path / name, case.counterfactual, case.atlas)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.html").stat().st_size < 1_000_000
