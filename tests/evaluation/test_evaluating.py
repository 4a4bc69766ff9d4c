"""From a request to report.json: shape, notices, what is refused and what is left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_cohort import draw_patients, write_atlas

from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import cohort as cohort_module
from napari_haiku.evaluation import tasks as tasks_module
from napari_haiku.evaluation.cohort import EvaluationCohort, check_apart
from napari_haiku.evaluation.evaluating import evaluate
from napari_haiku.evaluation.request_checks import check_request
from napari_haiku.evaluation.tasks import TASKS, chosen_tasks
from napari_haiku.jobs import run_job


class Model:
    name, fingerprint, modalities, shared_space = "toy", "toy", frozenset(("he", "mif")), True

    def __init__(self, images=()):
        self.card = {"training_images": [{"fingerprint": name} for name in images]}


@pytest.fixture
def atlas(tmp_path, monkeypatch):
    monkeypatch.setattr(cohort_module, "load_model", lambda *_, **__: Model(["he-0", "mif-1"]))
    return write_atlas(tmp_path / "given", draw_patients(n=8, patches=6)).path


def test_the_report_has_the_contracts_shape(atlas, ask):
    request = ask(source=atlas, tasks=("biomarkers", "retrieval"))
    done = run_job(evaluate(request))
    content = json.loads((request.output / "report.json").read_text())
    assert content == json.loads(json.dumps(done.content))
    assert list(content) == ["retrieval", "biomarkers", "about"]
    figure = content["retrieval"]["he->mif"]["R@50"]
    assert set(figure) >= {"value", "ci", "n", "chance"}
    assert len(figure["ci"]) == 2
    assert set(content["biomarkers"]["per_marker"]) == {"DAPI", "CD8", "PanCK"}
    assert "secret" not in json.dumps(content)


def test_same_seed_same_report(atlas, ask):
    first, again = (
        run_job(evaluate(ask(source=atlas, tasks=("knn",), seed=4))).content for _ in range(2)
    )
    assert first == again


def test_images_seen_in_training_are_told(atlas, ask):
    about = run_job(evaluate(ask(source=atlas, tasks=("biomarkers",)))).content["about"]
    assert about["seen_in_training"].startswith("The model was trained on part of these images")
    assert "25%" in about["seen_in_training"]


def test_the_protocol_is_told(atlas, ask):
    for protocol, says in (("honest", "out of every gallery"), ("published", "flatter")):
        request = ask(source=atlas, tasks=("biomarkers",), protocol=protocol)
        about = run_job(evaluate(request)).content["about"]
        assert about["protocol"] == protocol
        assert says in about["protocol_says"]


def test_unknown_tasks_are_refused_with_those_there_are():
    with pytest.raises(HaikuError, match=r"no task 'alchemy': choose among retrieval, biomarkers"):
        chosen_tasks(("retrieval", "alchemy"))


def test_every_task_can_be_imported():
    for task in TASKS.values():
        assert callable(task.load())


def test_a_task_that_cannot_be_done_is_left_out_or_refused(atlas, ask, monkeypatch):
    some = {name: TASKS[name] for name in ("biomarkers", "zero_shot")}
    monkeypatch.setattr(tasks_module, "TASKS", some)
    done = run_job(evaluate(ask(source=atlas)))
    assert "no text tower" in done.skipped["zero_shot"]
    assert "zero_shot" not in done.content
    with pytest.raises(HaikuError, match=r"zero_shot.*no text tower"):
        run_job(evaluate(ask(source=atlas, tasks=("zero_shot",))))


def test_cohorts_that_share_patients_or_images_are_refused(tmp_path):
    one, two = (
        EvaluationCohort(write_atlas(tmp_path / name, draw_patients(n=3, seed=seed)), None)
        for seed, name in enumerate("ab")
    )
    with pytest.raises(HaikuError, match="images are in both"):
        check_apart(one, two)
    for column in ("he_fingerprint", "mif_fingerprint"):
        two.atlas.slides[column] = ["x", "y", "z"]
    with pytest.raises(HaikuError, match=r"3 patients are in both cohorts \(column patient_id\)"):
        check_apart(one, two)
    two.atlas.slides["patient_id"] = ["q", "r", "s"]
    check_apart(one, two)


def test_another_models_atlas(atlas, ask, monkeypatch):
    other = Model()
    other.fingerprint, other.name = "other", "other"
    monkeypatch.setattr(cohort_module, "load_model", lambda *_, **__: other)
    with pytest.raises(HaikuError, match="made with another model"):
        run_job(evaluate(ask(source=atlas, tasks=("biomarkers",), model="other")))
    # Not asked for: the atlas's vectors are enough for what needs no text.
    assert run_job(evaluate(ask(source=atlas, tasks=("biomarkers",)))).cohort.model is None


@pytest.fixture
def manifest(tmp_path):
    def write(*lines, header="slide_id,patient_id,he,mif,disease,survival_months,survival_status"):
        for name in ("a.tif", "b.tif"):
            (tmp_path / name).touch()
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


GOOD = ("s1,A,a.tif,,Lung,3,Alive", "s2,B,a.tif,,Colon,4,Deceased")


@pytest.mark.parametrize(
    ("lines", "changes", "says"),
    [
        ((GOOD[0], "s2,B,missing.tif,,Lung,3,Alive"), {}, r"Line 3 .*column he: missing\.tif"),
        ((GOOD[0], "s1,B,a.tif,,Lung,3,Alive"), {}, r"Line 3 .*repeats the slide_id of line 2"),
        ((GOOD[0], "s2,B,a.tif,,Lung,soon,Alive"), {}, r"Line 3 .*column survival_months: 'soon'"),
        ((GOOD[0], "s2,B,a.tif,,Lung,3,Alive"), {"tasks": ("survival",)}, "survival_status"),
        ((GOOD[0], "s2,B,a.tif,,Lung,3,Alive"), {"labels": ("disease",)}, "Column disease"),
        ((GOOD[0], "s2,A,a.tif,,Lung,3,Alive"), {"tasks": ("knn",)}, "one patient"),
        (GOOD, {"time": "weeks"}, "no column weeks"),
        (("s1,A,a.tif,,,,", "s2,B,a.tif,,,,"), {"tasks": ("zero_shot",)}, "No line of cohort.csv"),
    ],
)
def test_bad_manifests_are_refused_before_anything_is_encoded(
    lines, changes, says, manifest, ask, monkeypatch
):
    def never(*_, **__):
        raise AssertionError("work began")

    monkeypatch.setattr(cohort_module, "load_model", never)
    with pytest.raises(HaikuError, match=says):
        run_job(evaluate(ask(source=manifest(*lines), **changes)))


def test_nobody_died_is_no_mistake_unless_survival_was_asked_for(manifest, ask):
    check_request(ask(source=manifest(GOOD[0], "s2,B,a.tif,,Lung,3,Alive")))


def test_patients_in_both_manifests(manifest, ask, tmp_path):
    fit = tmp_path / "fit.csv"
    fit.write_text("slide_id,patient_id,he\nx1,Z,a.tif\nx2,B,a.tif\n")
    with pytest.raises(HaikuError, match=r"Line 3 of fit\.csv \(--fit\), column patient_id"):
        check_request(ask(source=manifest(*GOOD), fit=fit))


def test_seen_patches_are_those_of_seen_images(tmp_path):
    atlas = write_atlas(tmp_path / "atlas", draw_patients(n=3, patches=4))
    cohort = replace(EvaluationCohort(atlas, None), model=Model(["mif-1"]))
    assert cohort.seen.tolist() == [False] * 4 + [True] * 4 + [False] * 4
    assert not np.any(replace(cohort, model=None).seen)
