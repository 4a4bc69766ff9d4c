"""The published test and the published table."""

import numpy as np
import pytest
from scipy import stats

from napari_haiku.analysis.counterfactual.published_test import wilcoxon_over_patches
from napari_haiku.analysis.statistics.multiple_testing import benjamini_hochberg

# haiku.md 5.3: marker, mean shift, p, q of the rows that the paper shows in full.
SHOWN = [
    ("PD1", 0.009743, 1.200e-05, 6.360e-04),
    ("CD38", 0.007325, 4.253e-04, 0.011271),
    ("CD3e", 0.007684, 6.652e-04, 0.011752),
    ("ICOS", 0.006593, 1.593e-03, 0.017912),
    ("CD45", 0.008777, 1.690e-03, 0.017912),
    ("CD79", 0.005408, 4.483e-03, 0.039601),
    ("Keratin8_18", -0.008297, 8.831e-03, 0.061421),
    ("EpCAM", -0.005149, 9.925e-03, 0.061421),
    ("CD14", 0.004655, 0.010430, 0.061421),
    ("ECad", -0.008094, 0.013313, 0.067298),
    ("MPO", -0.005831, 0.013967, 0.067298),
    ("CollagenIV", -0.006989, 0.017412, 0.076905),
    ("CD45RO", 0.006503, 0.020309, 0.081812),
    ("CD4", 0.006639, 0.022580, 0.081812),
    ("IFNg", 0.003973, 0.023267, 0.081812),
    ("aSMA", -0.005712, 0.024698, 0.081812),
    ("CD8", 0.007529, 0.026986, 0.083026),
    ("BCL2", -0.006742, 0.028198, 0.083026),
    ("VISTA", 0.005054, 0.041368, 0.115395),
    ("HLA-DR", -0.004794, 0.054201, 0.143633),
]
OTHERS = [
    0.0825, 0.0836, 0.106, 0.120, 0.123, 0.130, 0.154, 0.191, 0.224, 0.227, 0.238, 0.266, 0.308,
    0.330, 0.333, 0.353, 0.381, 0.416, 0.477, 0.485, 0.521, 0.614, 0.638, 0.680, 0.705, 0.775,
    0.788, 0.828, 0.846, 0.855, 0.922, 0.941, 1.0,
]  # fmt: skip


def test_the_published_p_values_give_the_published_q_values_and_counts():
    p = [row[2] for row in SHOWN] + OTHERS
    assert len(p) == 53
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q[: len(SHOWN)], [row[3] for row in SHOWN], rtol=1e-3)
    low = q < 0.10
    assert int(low.sum()) == 18
    assert not low[len(SHOWN) :].any()
    signs = [np.sign(row[1]) for row, called in zip(SHOWN, low, strict=False) if called]
    assert (signs.count(1), signs.count(-1)) == (11, 7)
    assert int((q < 0.05).sum()) == 6


def test_patches_are_ranked_niche_by_niche():
    rng = np.random.default_rng(0)
    change = rng.normal(0.3, 1, size=(60, 2))
    change[:4, 1] = np.nan
    niches = np.repeat([1, 2, 3], [40, 17, 3])
    p = wilcoxon_over_patches(change, niches, (1, 2, 3, 4), 5)
    for place, niche in enumerate((1, 2)):
        for marker in (0, 1):
            values = change[niches == niche, marker]
            values = values[np.isfinite(values)]
            expected = stats.wilcoxon(values, method="asymptotic").pvalue
            assert p[place, marker] == pytest.approx(expected)
    assert np.isnan(p[2:]).all()


def test_no_change_at_all_is_no_test():
    p = wilcoxon_over_patches(np.zeros((20, 1)), np.ones(20, np.int64), (1,), 5)
    assert np.isnan(p).all()
