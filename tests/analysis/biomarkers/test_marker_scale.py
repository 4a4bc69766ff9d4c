"""Mean and SD of markers over an atlas."""

from types import SimpleNamespace

import numpy as np

from napari_haiku.analysis.biomarkers import marker_scale as module
from napari_haiku.analysis.biomarkers.marker_scale import marker_scale


def scale_of(expression):
    expression = np.asarray(expression, np.float32)
    return marker_scale(SimpleNamespace(markers=range(expression.shape[1]), expression=expression))


def test_agrees_with_numpy_gaps_left_out(monkeypatch):
    rng = np.random.default_rng(0)
    table = (1000 + 50 * rng.normal(size=(1000, 3))).astype(np.float32)
    table[rng.random(table.shape) < 0.3] = np.nan
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 64)
    scale = scale_of(table)
    np.testing.assert_allclose(scale.mean, np.nanmean(table.astype(float), axis=0))
    np.testing.assert_allclose(scale.sd, np.nanstd(table.astype(float), axis=0, ddof=1))
    np.testing.assert_array_equal(scale.measured, np.isfinite(table).sum(axis=0))
    z = scale.standardise(table)
    np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(z, axis=0, ddof=1), 1)


def test_constant_and_unmeasured_markers_have_no_unit():
    table = np.column_stack(
        [np.full(50, 0.1), np.full(50, np.nan), [1.0] + [np.nan] * 49, np.zeros(50), np.arange(50)]
    )
    scale = scale_of(table)
    assert np.isnan(scale.sd[:4]).all()
    assert np.isfinite(scale.sd[4])
    assert scale.measured.tolist() == [50, 0, 1, 50, 50]
    assert np.isnan(scale.mean[1])


def test_the_atlas_is_read(atlas):
    scale = marker_scale(atlas)
    np.testing.assert_allclose(scale.mean, np.asarray(atlas.expression, float).mean(axis=0))
