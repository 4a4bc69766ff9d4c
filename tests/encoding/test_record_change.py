from __future__ import annotations

import os
import shutil
import threading

import numpy as np
import pytest
from fake_model import FakeModel
from slide_bench import RECORD

from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.record_change import change_record
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job

OTHER = {"tissue": "Lung", "disease": "Lung Cancer", "patient_id": "Q7731", "stage": "IV"}


@pytest.fixture
def model(bench):
    return bench.model


@pytest.fixture
def encoded(bench):
    return bench.encode(stride_um=200.0).path


def images(path):
    encoding = Encoding.open(path)
    return [encoding.embeddings("he"), encoding.embeddings("mif"), encoding.expression]


def test_only_the_text_is_read_anew(encoded, model):
    before = images(encoded)
    words = change_record(encoded, OTHER, model)
    after = Encoding.open(encoded)
    assert after.record == {"tissue": "Lung", "disease": "Lung Cancer", "stage": "IV"}
    assert after.caption == words
    assert "stage: IV" in words
    assert "Q7731" not in words
    np.testing.assert_array_equal(after.embeddings("text"), model.encode_record(after.record))
    for old, new in zip(before, images(encoded), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_is_then_the_encoding_of_that_record(encoded, bench, model):
    change_record(encoded, OTHER, model)
    again = run_job(encode_slide(bench.request(stride_um=200.0, record=OTHER), model))
    assert again.resumed_from == again.patches
    with pytest.raises(HaikuError, match="another clinical record"):
        run_job(encode_slide(bench.request(stride_um=200.0, record=RECORD), model))


@pytest.mark.parametrize("record", [{}, {"patient_id": "Q7731"}])
def test_a_record_that_says_nothing_leaves_no_vector(encoded, model, record):
    assert change_record(encoded, record, model) == ""
    assert Encoding.open(encoded).embeddings("text") is None
    change_record(encoded, OTHER, model)
    assert Encoding.open(encoded).embeddings("text") is not None


@pytest.mark.parametrize("step", range(3))
def test_a_kill_never_leaves_an_old_vector_beside_a_new_caption(encoded, model, monkeypatch, step):
    done = 0
    replace, rmtree = os.replace, shutil.rmtree

    def counted(function):
        def call(*args, **options):
            nonlocal done
            # An interrupt reaches the main thread; zarr writes in one of its own.
            if threading.current_thread() is not threading.main_thread():
                return function(*args, **options)
            if done == step:
                raise KeyboardInterrupt
            done += 1
            return function(*args, **options)

        return call

    monkeypatch.setattr(os, "replace", counted(replace))
    monkeypatch.setattr(shutil, "rmtree", counted(rmtree))
    with pytest.raises(KeyboardInterrupt):
        change_record(encoded, OTHER, model)
    monkeypatch.undo()
    left = Encoding.open(encoded)
    text = left.embeddings("text")
    assert text is None or np.array_equal(text, model.encode_record(left.record))
    assert left.record["stage"] == ("II" if step == 0 else "IV")
    change_record(encoded, OTHER, model)
    assert Encoding.open(encoded).embeddings("text") is not None


def test_another_model_is_refused(encoded):
    with pytest.raises(HaikuError, match="was encoded with the model"):
        change_record(encoded, OTHER, FakeModel(seed=3))
    assert Encoding.open(encoded).record["stage"] == "II"


def test_an_open_encoding_takes_note(encoded, model):
    opened = Encoding.open(encoded)
    change_record(encoded, OTHER, model)
    opened.reread()
    assert opened.record["stage"] == "IV"
