"""p from text heads refitted on other training patients."""

import numpy as np
import pytest
from headed_model import HeadedModel
from scipy import stats
from toy_cohort import ask

from napari_haiku.analysis.retrieval.text_heads import MIN_HEADS, heads_p
from napari_haiku.analysis.retrieval.text_reranking import Gallery, rank_under_captions
from napari_haiku.jobs import run_job


def test_p_is_the_t_of_both_errors_together():
    rng = np.random.default_rng(0)
    shift, of_heads = rng.normal(size=(2, 3)), rng.normal(size=(16, 2, 3))
    error = rng.uniform(0.1, 1, size=(2, 3))
    p, model_error, _ = heads_p(shift, of_heads, error)
    np.testing.assert_allclose(model_error, of_heads.std(axis=0, ddof=1))
    t = np.abs(shift) / np.sqrt(error**2 + of_heads.std(axis=0, ddof=1) ** 2)
    np.testing.assert_allclose(p, 2 * stats.t.sf(t, 15))


def test_fewer_than_eleven_heads_and_rows_without_a_figure_are_not_estimable():
    ones = np.ones((1, 3))
    p, error, _ = heads_p(ones, np.random.default_rng(0).normal(size=(MIN_HEADS - 1, 1, 3)), ones)
    assert np.isnan(p).all()
    assert np.isnan(error).all()
    of_heads = np.random.default_rng(0).normal(size=(16, 1, 3))
    p, *_ = heads_p(np.array([[1.0, np.nan, 1.0]]), of_heads, np.array([[1.0, 1.0, np.nan]]))
    assert np.isfinite(p[0]).tolist() == [True, False, False]
    assert np.isnan(heads_p(ones, np.zeros((16, 1, 3)), np.zeros((1, 3)))[0]).all()


def test_rejects_at_its_level_when_heads_share_the_chance_of_the_model():
    """The model and its heads draw from one distribution around no effect."""
    rng = np.random.default_rng(1)
    p = [
        heads_p(
            rng.normal(size=(1, 4)) * np.sqrt(2),
            rng.normal(size=(16, 1, 4)),
            np.ones((1, 4)),
        )[0]
        for _ in range(500)
    ]
    assert 0.03 < (np.array(p) < 0.05).mean() < 0.07


@pytest.fixture(scope="module")
def headed(query, atlas, bands):
    return ask(query, atlas, {"stage": "IV"}, bands, HeadedModel())


def row(result, niche, marker):
    table = result.shifts
    return table[(table["niche"] == niche) & (table["marker"] == marker)].iloc[0]


def test_the_report_says_that_heads_gave_p(headed):
    assert "16 text heads" in headed.inference
    assert "15 degrees of freedom" in headed.inference
    assert "placebo edits were run" in headed.inference


def test_p_of_the_table_is_made_of_its_own_columns(headed):
    table = headed.shifts
    np.testing.assert_allclose(table["p"], 2 * stats.t.sf(table["shift"].abs() / table["se"], 15))
    share = (table["se"] ** 2 - table["se_model"] ** 2) / table["se_atlas"] ** 2
    assert 0 <= share.min() <= 1
    assert np.ptp(share) < 1e-6
    assert f"{share.iloc[0]:.2f} se_atlas^2" in headed.inference
    larger = np.fmax(table["p"], table["placebo_t_p"])
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(larger))
    assert row(headed, 2, "CD8")["q"] < 0.05
    assert row(headed, 2, "CD8")["supported"]
    assert table["placebo_p"].notna().all()


def test_model_error_is_the_spread_over_searches_with_each_head(headed, query, atlas, bands):
    model = HeadedModel()
    edit = headed.edit
    read = model.encode_text_heads([edit.baseline_caption, edit.edited_caption])
    from napari_haiku.analysis.retrieval.retrieval import SlideQuestion

    question = SlideQuestion.of(
        query, atlas, np.arange(query.n_patches), within_patient_um=None, where=None
    )
    expression = np.asarray(atlas.expression, float)
    sd = expression.std(axis=0, ddof=1)
    shifts = []
    for texts in read:
        change = np.zeros((query.n_patches, len(sd)))
        weights = {"he": 0.6, "text": 0.4}
        for found in rank_under_captions(question.he, Gallery.of(question), weights, texts, 20):
            before, after = (expression[found.rows[chosen]].mean(0) for chosen in found.chosen)
            change[found.patch] = (after - before) / sd
        shifts.append(change[bands.labels == 2].mean(axis=0))
    expected = np.std(shifts, axis=0, ddof=1)
    found = headed.shifts[headed.shifts["niche"] == 2]["se_model"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_field_without_meaning_is_seldom_called(query, atlas, bands):
    quiet = 0
    for field, low, high in [("ward", "north", "annex"), ("weekday", "Monday", "Friday")]:
        record = {**query.record, field: low}
        result = ask(query, atlas, {field: high}, bands, HeadedModel(noise=0.25), record=record)
        quiet += not (result.shifts["q"] < 0.05).any()
        assert not result.shifts["supported"].any()
    assert quiet == 2


def test_without_resampled_atlases_heads_give_no_p(query, atlas, bands):
    result = ask(query, atlas, {"stage": "IV"}, bands, HeadedModel(), resamples=0)
    assert result.shifts["p"].isna().all()
    assert "need resampled atlases" in result.inference


def test_too_few_heads_fall_back_to_placebo_edits_and_say_so(query, atlas, bands):
    result = ask(query, atlas, {"stage": "IV"}, bands, HeadedModel(heads=8))
    assert result.shifts["se_model"].isna().all()
    assert "no refitted text heads" in result.inference
    assert result.shifts["p"].notna().all()


def test_edit_and_reverse_have_the_same_p(query, atlas, bands, headed):
    back = ask(
        query, atlas, {"stage": "II"}, bands, HeadedModel(), record={**query.record, "stage": "IV"}
    )
    np.testing.assert_allclose(back.shifts["shift"], -headed.shifts["shift"], atol=1e-12)
    for column in ("p", "q", "se_model", "se_atlas", "se"):
        np.testing.assert_allclose(back.shifts[column], headed.shifts[column], rtol=1e-6)


def test_progress_tells_of_the_heads(query, atlas, bands):
    from napari_haiku.analysis.counterfactual.counterfactual import (
        CounterfactualRequest,
        run_counterfactual,
    )

    said = []
    request = CounterfactualRequest(edits={"stage": "IV"}, k=5, resamples=10)
    run_job(run_counterfactual(query, atlas, HeadedModel(), request, bands), said.append)
    assert "Refitted text heads" in {report.doing for report in said}
