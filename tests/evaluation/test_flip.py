"""Flip accuracy: the right record against one field flipped."""

from types import SimpleNamespace

import numpy as np
import pytest
from toy_bench import BenchModel, make_bench, make_truth

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import flip
from napari_haiku.evaluation.figures import figures_to_json
from napari_haiku.evaluation.request import EvaluateRequest
from napari_haiku.jobs import run_job


class BenchAtlas:
    """Just enough of an atlas: one slide a patient, H&E that shows the stage."""

    def __init__(self, bench, seen=1.0):
        values = bench.records.values
        self.fields = tuple(values.columns)
        self.records = values.reset_index(names="patient_id")
        self.slides = self.records[["patient_id"]]
        self.slide_index = bench.patient
        self.dim = bench.he.shape[1]
        he = bench.he.copy()
        he[:, 3] += seen * np.where(values["stage"].to_numpy() == "IV", 0.5, -0.5)[bench.patient]
        self._he = he

    def require_modality(self, name):
        assert name == "he"

    def has(self, name):
        return np.ones(len(self._he), bool)

    def embeddings(self, name):
        return self._he


def ask(tmp_path, model=None, truth=None, bench=None, **options):
    bench = bench or make_bench(30)
    path = tmp_path / "truth.parquet"
    (make_truth() if truth is None else truth).to_parquet(path)
    atlas = BenchAtlas(bench, **options)
    model = model or BenchModel(chance=0.05)
    cohort = SimpleNamespace(
        atlas=atlas,
        truth=path,
        simulation_folder=None,
        chosen=np.arange(len(bench.he)),
        require_model=lambda: model,
    )
    request = EvaluateRequest(tmp_path / "c.csv", tmp_path, resamples=100)
    return figures_to_json(run_job(flip.run(cohort, request)))


def test_tissue_that_shows_its_stage_prefers_the_right_record(tmp_path):
    done = ask(tmp_path)
    assert done["value"] > 0.9
    assert done["chance"] == 0.5
    assert done["n"] == 30
    assert list(done["by_field"]) == ["stage"]
    assert done["ci"][0] > 0.5


def test_fields_without_meaning_stand_apart_at_one_half(tmp_path):
    values = [
        ask(tmp_path, bench=make_bench(30, seed=seed))["placebo"]["value"] for seed in range(3)
    ]
    assert 0.35 < np.mean(values) < 0.65


def test_records_that_read_alike_are_half_right(tmp_path):
    class Deaf(BenchModel):
        def _text_vectors(self, captions):
            return super()._text_vectors(["x"] * len(captions))

    assert ask(tmp_path, model=Deaf())["value"] == 0.5


def test_nothing_to_flip_is_refused(tmp_path):
    truth = make_truth().assign(field="colour")
    with pytest.raises(HaikuError, match="No field"):
        ask(tmp_path, truth=truth)


def test_a_scale_is_flipped_to_its_other_half():
    import pandas as pd

    from napari_haiku.analysis.counterfactual.record_fields import PatientRecords

    ages = [str(age) for age in range(40, 60)]
    records = PatientRecords(tuple(ages), pd.DataFrame({"age": ages}, index=ages, dtype=object))
    others = flip._others(records, "age", "45")
    assert min(map(int, others)) == 50
    assert max(map(int, flip._others(records, "age", "55"))) == 49
