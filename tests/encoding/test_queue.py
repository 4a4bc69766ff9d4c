"""Several slides in a row: one that fails stops nobody."""

from __future__ import annotations

import pytest
from slide_bench import CHUNK, content_of

from napari_haiku.encoding.queue import QueuedSlide, encode_queue
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job


def queued(bench, *names):
    return [
        QueuedSlide(name, lambda name=name: bench.request(f"{name}.zarr", mif=None))
        for name in names
    ]


def broken(name="broken"):
    def fail():
        raise HaikuError("broken.tif is damaged: copy it again.")

    return QueuedSlide(name, fail)


def test_one_that_fails_is_named_and_the_others_are_encoded(bench):
    told = []
    first, last = queued(bench, "a", "b")
    outcomes = run_job(encode_queue([first, broken(), last], bench.model, on_failure=told.append))
    assert [outcome.failed for outcome in outcomes] == [False, True, False]
    assert [outcome.name for outcome in outcomes] == ["a", "broken", "b"]
    assert outcomes[1].reason == "broken.tif is damaged: copy it again."
    assert told == [outcomes[1]]
    assert outcomes[0].result.patches == outcomes[2].result.patches > 0
    a, b = (content_of(bench.folder / f"{name}.zarr") for name in "ab")
    assert a == b


def test_a_failure_in_the_middle_of_a_slide_says_what_is_kept(bench, monkeypatch):
    slides = queued(bench, "a", "b")
    seen = []

    def fail_once(patches, size):
        seen.append(len(patches))
        if len(seen) == 4:
            raise HaikuError("The device went away.")
        return type(bench.model)._he_vectors(bench.model, patches, size)

    monkeypatch.setattr(bench.model, "_he_vectors", fail_once, raising=False)
    # One pass at a time: of two side by side, the fourth to begin may hold the first patches.
    monkeypatch.setattr("napari_haiku.encoding.pieces.passes_at_once", lambda _model: 1)
    one, other = run_job(encode_queue(slides, bench.model))
    assert f"{CHUNK} of 273 patches are encoded and kept" in one.reason
    assert one.output.name == "a.zarr"
    assert not other.failed
    again, done = run_job(encode_queue(slides, bench.model))
    assert again.result.resumed_from == CHUNK
    assert done.result.resumed_from == done.result.patches


def test_cancelling_ends_the_queue(bench):
    job = encode_queue(queued(bench, "a", "b"), bench.model)
    for report in job:
        if report.done >= CHUNK:
            break
    assert report.doing == "Encoding slide 1 of 2"
    job.close()
    assert not (bench.folder / "b.zarr").exists()
    assert not (bench.folder / "a.zarr.lock").exists()


def test_what_nobody_foresaw_is_not_hidden(bench):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(encode_queue([QueuedSlide("odd", fail)], bench.model))
