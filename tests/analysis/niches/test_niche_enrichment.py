"""Markers that stand out in a niche."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_haiku.analysis.niches.niche_enrichment import enrichment_table, suggest_names

GROUPS = {"epithelium": ("PanCK", "ECad"), "T cells": ("CD3e", "CD8")}


def cohort(seed=1):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 2], [60, 40])
    values = rng.normal(size=(100, 3))
    values[labels == 1, 0] += 3
    values[labels == 2, 1] += 3
    return labels, values


def row(table, niche, marker):
    return table[(table["niche"] == niche) & (table["marker"] == marker)].iloc[0]


def test_figures_agree_with_scipy():
    labels, values = cohort()
    table = enrichment_table(labels, values, ("PanCK", "CD8", "DAPI"), (1, 2))
    found = row(table, 1, "CD8")
    here, rest = values[labels == 1, 1], values[labels == 2, 1]
    assert found["mean"] == pytest.approx(here.mean())
    assert found["mean_rest"] == pytest.approx(rest.mean())
    assert found["p"] == pytest.approx(stats.mannwhitneyu(here, rest).pvalue)
    assert found["p_welch"] == pytest.approx(stats.ttest_ind(here, rest, equal_var=False).pvalue)
    pooled = np.sqrt((59 * here.var(ddof=1) + 39 * rest.var(ddof=1)) / 98)
    assert found["effect"] == pytest.approx((here.mean() - rest.mean()) / pooled)
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))


def test_names_say_group_and_markers():
    labels, values = cohort()
    table = enrichment_table(labels, values, ("PanCK", "CD8", "DAPI"), (1, 2))
    names = suggest_names(table, (1, 2), GROUPS)
    assert names == {1: "Epithelium: PanCK", 2: "T cells: CD8"}


def test_names_differ_even_where_markers_do_not():
    labels = np.repeat([1, 2, 3], 30)
    rng = np.random.default_rng(0)
    table = enrichment_table(labels, rng.normal(size=(90, 1)) * 1e-3, ("DAPI",), (1, 2, 3))
    table["effect"] = 0.0
    names = suggest_names(table, (1, 2, 3), GROUPS)
    assert len(set(names.values())) == 3


def test_a_marker_of_no_group_names_a_niche_too():
    labels, values = cohort()
    table = enrichment_table(labels, values[:, :1], ("Odd1",), (1, 2))
    assert suggest_names(table, (1, 2), GROUPS)[1] == "High Odd1"


def test_without_markers_niches_are_numbered():
    table = enrichment_table(np.array([1, 1, 2, 2]), np.empty((4, 0)), (), (1, 2))
    assert len(table) == 0
    assert suggest_names(table, (1, 2), GROUPS) == {1: "Niche 1", 2: "Niche 2"}


def test_three_patches_are_not_estimable():
    labels = np.array([1] * 50 + [2] * 3)
    values = np.random.default_rng(0).normal(size=(53, 1))
    table = enrichment_table(labels, values, ("CD8",), (1, 2))
    assert table["n"].tolist() == [50, 3]
    assert table[["mean", "effect", "p", "q"]].isna().all().all()


@pytest.mark.parametrize("constant", [0.0, 0.1, 255.0])
def test_a_constant_marker_has_a_mean_and_no_test(constant):
    labels = np.repeat([1, 2], 20)
    table = enrichment_table(labels, np.full((40, 1), constant), ("CD8",), (1, 2))
    assert table["mean"].tolist() == pytest.approx([constant, constant])
    assert table[["effect", "p", "p_welch", "q"]].isna().all().all()


def test_gaps_are_left_out():
    labels, values = cohort()
    values[::2, 0] = np.nan
    table = enrichment_table(labels, values, ("PanCK", "CD8", "DAPI"), (1,))
    assert row(table, 1, "PanCK")["n"] == 30


@pytest.mark.parametrize(("others", "name"), [(True, "T cells: CD8"), (False, "Nuclei: DAPI")])
def test_a_nuclear_stain_names_nothing_beside_another_marker(others, name):
    groups = {**GROUPS, "nuclei": ("DAPI",)}
    markers = ("DAPI", "CD8") if others else ("DAPI",)
    table = pd.DataFrame(
        {"niche": 1, "marker": markers, "effect": [2.0, 0.6][: len(markers)], "q": 0.001}
    )
    assert suggest_names(table, (1,), groups) == {1: name}


@pytest.mark.parametrize(
    ("effects", "name"), [((-0.8, -0.2), "Low in all markers"), ((-0.8, 0.2), "No high marker")]
)
def test_a_niche_without_a_high_marker_is_named_by_what_is_so(effects, name):
    table = pd.DataFrame({"niche": 1, "marker": ("PanCK", "CD8"), "effect": effects, "q": 0.001})
    assert suggest_names(table, (1,), GROUPS) == {1: name}
