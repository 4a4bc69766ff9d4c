"""Batch sizes by device, and what happens when memory ends."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_model import FakeModel

from napari_haiku.encoding import passes
from napari_haiku.encoding.passes import BatchSize, batch_size_for, is_out_of_memory
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.encoding.store import Encoding
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job

ENDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    RuntimeError("MPS backend out of memory"),
]


class Cramped(FakeModel):
    """A model whose towers take no more than some patches at once."""

    def __init__(self, fits: int, error: Exception) -> None:
        super().__init__()
        self.fits, self.error = fits, error

    def _he_vectors(self, patches, pixel_size):
        if len(patches) > self.fits:
            raise self.error
        return super()._he_vectors(patches, pixel_size)


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_the_ways_in_which_memory_ends(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory")])
def test_other_errors_are_no_matter_of_memory(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)):
        BatchSize(8).run(8, lambda _size: (_ for _ in ()).throw(error))


@pytest.mark.parametrize("error", [ENDS[0], ENDS[1]], ids=["CUDA", "CPU"])
def test_a_batch_that_does_not_fit_is_halved_and_the_store_says_so(bench, encoded, error):
    bench.model = Cramped(7, error)
    made = bench.encode()
    plain = Encoding.open(encoded.folder / "slide.zarr")
    assert max(bench.model.batches) == 6
    for modality in ("he", "mif"):
        np.testing.assert_allclose(made.embeddings(modality), plain.embeddings(modality), atol=1e-5)
    (entry,) = made.computed_on
    assert (entry["batch_size"], entry["reduced_from"]) == (6, 25)
    assert entry["first_patch"] == 0


def test_a_resumed_run_begins_with_the_reduced_size(bench):
    cramped = Cramped(7, MemoryError())
    bench.model = cramped
    job = encode_slide(bench.request(), cramped)
    for report in job:
        if report.done >= 100:
            break
    job.close()
    asked = []
    bench.model = Cramped(7, MemoryError())
    bench.model._he_vectors = lambda patches, size: (
        asked.append(len(patches)) or Cramped(7, MemoryError())._he_vectors(patches, size)
    )
    made = bench.encode()
    assert max(asked) == 6
    assert [entry["first_patch"] for entry in made.computed_on] == [0]


def test_a_single_patch_that_does_not_fit_is_told(bench):
    with pytest.raises(HaikuError, match=r"single patch: choose another device .* 0 of 273"):
        run_job(encode_slide(bench.request(), Cramped(0, MemoryError())))


def test_a_read_that_does_not_fit_is_told(bench, monkeypatch):
    def no_room(*_args):
        raise MemoryError

    monkeypatch.setattr("napari_haiku.images.patches.PatchSource.read", no_room)
    with pytest.raises(HaikuError, match="read 25 patches at once: give a smaller --batch-size"):
        run_job(encode_slide(bench.request(), bench.model))


def test_the_batch_follows_the_device(monkeypatch):
    model = FakeModel()
    assert batch_size_for(model) == passes.CPU_BATCH
    model.device = replace(model.device, torch_name="mps")
    assert batch_size_for(model) == passes.GPU_BATCH
    model.device = replace(model.device, torch_name="cuda:0")
    for gigabytes, batch in ((80, 256), (24, 128), (8, 64)):
        card = type("Card", (), {"total_memory": gigabytes * 2**30})
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _name, card=card: card)
        assert batch_size_for(model) == batch


def test_a_pass_has_one_thread_and_others_keep_theirs():
    seen = {}
    # A thread that is yet to come need not have as many as this one.
    here = torch.get_num_threads()

    def alone():
        with passes.pass_thread(FakeModel()):
            seen["pass"] = torch.get_num_threads()

    for name, does in (
        ("earlier", lambda: seen.update(earlier=torch.get_num_threads())),
        ("pass", alone),
        ("later", lambda: seen.update(later=torch.get_num_threads())),
    ):
        thread = threading.Thread(target=does, name=name)
        thread.start()
        thread.join()
    assert seen == {"earlier": seen["earlier"], "pass": 1, "later": seen["earlier"]}
    assert torch.get_num_threads() == here


def test_the_bytes_do_not_depend_on_the_number_of_threads(bench, encoded):
    from slide_bench import content_of

    torch.set_num_threads(3)
    try:
        assert passes.passes_at_once(bench.model) == 3
        bench.encode()
    finally:
        torch.set_num_threads(1)
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")
