"""The same encoding on workers of a Dask cluster, each a process of its own."""

from __future__ import annotations

import os
import pickle
import signal
from functools import partial

import pytest
from fake_model import FakeModel, SlowModel
from slide_bench import CHUNK, content_of

from napari_haiku.encoding.cluster import OnACluster, _environments, open_cluster
from napari_haiku.encoding.cluster_task import encode_chunk
from napari_haiku.encoding.pipeline import encode_slide
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job

pytest.importorskip("distributed", reason="needs napari-haiku[cluster]")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client():
    with open_cluster("local:2") as client:
        yield client


def test_the_bytes_are_those_of_this_machine(client, bench, encoded):
    computing = OnACluster(client, FakeModel)
    assert len(set(client.run(os.getpid).values()) - {os.getpid()}) == 2
    result = run_job(encode_slide(bench.request(), bench.model, computing=computing))
    assert bench.model.batches == [], "nothing was computed here"
    assert result.seconds["encode"] > 0
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")


def test_a_worker_killed_on_the_way_costs_its_task_only(client, bench, encoded):
    job = encode_slide(bench.request(), bench.model, computing=OnACluster(client, SlowModel))
    killed = None
    for report in job:
        if killed is None and report.done >= CHUNK:
            killed = next(iter(client.run(os.getpid).values()))
            os.kill(killed, signal.SIGKILL)
    assert killed is not None
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")
    client.wait_for_workers(2, timeout=240)
    assert killed not in client.run(os.getpid).values()


def test_cancelled_there_and_resumed_here_it_is_the_same(client, bench, encoded):
    job = encode_slide(bench.request(), bench.model, computing=OnACluster(client, SlowModel))
    for report in job:
        if report.done >= CHUNK:
            break
    job.close()
    result = run_job(encode_slide(bench.request(), bench.model))
    assert CHUNK <= result.resumed_from < result.patches
    assert content_of(bench.folder / "slide.zarr") == content_of(encoded.folder / "slide.zarr")


def test_a_worker_with_another_model_is_refused(client, bench):
    computing = OnACluster(client, partial(FakeModel, 1))
    with pytest.raises(HaikuError, match=r"another model under the name fake-0.*0 of 273"):
        run_job(encode_slide(bench.request(), bench.model, computing=computing))


def test_a_task_is_idempotent(bench):
    from napari_haiku.encoding.store import Encoding

    encoding = bench.encode(mif=None)
    payload = pickle.dumps(
        (FakeModel, bench.request(mif=None), encoding.planned_grid, encoding.description)
    )
    once, again = (encode_chunk(payload, f"key {number}", (64, 128), {})[0] for number in range(2))
    assert [(piece.start, piece.stop) for piece in once] == [(64, 89), (89, 114), (114, 128)]
    stored = Encoding.open(bench.folder / "slide.zarr").embeddings("he")
    for piece, other in zip(once, again, strict=True):
        assert piece.rows["embedding_he"].tobytes() == other.rows["embedding_he"].tobytes()
        assert piece.rows["embedding_he"].tobytes() == stored[piece.start : piece.stop].tobytes()


@pytest.mark.parametrize("wrong", ["local:", "local:0", "local:two", "local:-1"])
def test_a_number_of_workers_that_is_none(wrong):
    with pytest.raises(HaikuError, match="write local:2"), open_cluster(wrong):
        pass


def test_an_address_where_nobody_answers():
    with (
        pytest.raises(HaikuError, match="No Dask scheduler answers at 'nonsense://x'"),
        open_cluster("nonsense://x"),
    ):
        pass


def test_each_worker_has_a_gpu_of_its_own(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    shared = [one["CUDA_VISIBLE_DEVICES"] for one in _environments(3)]
    assert shared == ["0", "1", "0"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert _environments(2) == [{"OMP_NUM_THREADS": "4"}] * 2
