from __future__ import annotations

import subprocess

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.viewer.niches import projecting


def child_that(code):
    """Stand-in for the process, so that no test waits for UMAP to load."""
    return f"import sys, json, time; {code}"


def test_points_and_progress_come_back(stores, monkeypatch):
    code = (
        "print(json.dumps({'done': 3, 'total': 9, 'unit': 'patches'}), flush=True); "
        "import numpy; numpy.save(sys.argv[4], numpy.ones((4, 2), 'float32'))"
    )
    monkeypatch.setattr(projecting, "_CHILD", child_that(code))
    told = []
    points = run_job(projecting.project_apart(stores.encoding, "he"), told.append)
    np.testing.assert_array_equal(points, np.ones((4, 2)))
    assert (told[-1].done, told[-1].total, told[-1].doing) == (3, 9, projecting.DOING)


def test_a_refusal_is_told_in_its_own_words(stores, monkeypatch):
    code = "print(json.dumps({'refused': 'Too few patches: add some.'}))"
    monkeypatch.setattr(projecting, "_CHILD", child_that(code))
    with pytest.raises(HaikuError, match="Too few patches"):
        run_job(projecting.project_apart(stores.encoding, "he"))


def test_a_child_that_dies_is_a_sentence(stores, monkeypatch):
    monkeypatch.setattr(projecting, "_CHILD", child_that("sys.exit(3)"))
    with pytest.raises(HaikuError, match="could not be drawn"):
        run_job(projecting.project_apart(stores.encoding, "he"))


def test_closing_the_job_ends_the_process(stores, monkeypatch):
    started = []
    popen = subprocess.Popen

    def remember(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    monkeypatch.setattr(projecting, "_CHILD", child_that("time.sleep(600)"))
    job = projecting.project_apart(stores.encoding, "he")
    next(job)
    next(job)
    job.close()
    assert started[0].poll() is not None
