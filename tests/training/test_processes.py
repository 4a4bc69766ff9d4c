"""Two processes that share every step, and one that is alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.training.processes import Processes

# Each process encodes its own rows; both must end with the gradient of the whole batch.
SCRIPT = """
import sys
import torch
from torch import nn
from napari_haiku.training.cached_gradients import Prepared, backward
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.processes import Processes

processes = Processes.join()
torch.manual_seed(0)
towers = nn.ModuleDict({"he": nn.Linear(5, 6), "mif": nn.Linear(4, 6)})
norm = nn.BatchNorm1d(3)
draw = torch.Generator().manual_seed(1)
he, mif = torch.randn(13, 5, generator=draw), torch.randn(13, 4, generator=draw)
rows = []


def encode(name, data):
    def run(some):
        rows.append(some.stop - some.start)
        return towers[name](data[some])
    return run


prepared = Prepared(13, {"he": encode("he", he), "mif": encode("mif", mif)}, ContrastiveBatch)
objective = build_objective({"pairwise_clip": {"learnable": True}}, dim=6)
backward(prepared, objective, towers, processes, chunk=4, seed=3, step=0)
processes.add_gradients(towers.parameters())
norm(torch.full((4, 3), float(processes.rank)))
processes.average_buffers(norm)
assert processes.agree(processes.rank == 0)
processes.wait()
torch.save(
    {
        "gradients": [p.grad for p in (*towers.parameters(), *objective.parameters())],
        "encoded": sum(rows),
        "mean": norm.running_mean,
    },
    f"{sys.argv[1]}/{processes.count}-{processes.rank}.pt",
)
processes.leave()
"""


def _start(folder: Path, rank: int, count: int, port: int) -> subprocess.Popen[bytes]:
    told = {"RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = os.environ | {name: str(value) for name, value in told.items()}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], env=environment)


def test_two_processes_give_the_gradient_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [_start(tmp_path, rank, 2, port) for rank in (0, 1)] + [_start(tmp_path, 0, 1, port)]
    assert [process.wait() for process in running] == [0, 0, 0]
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    for one, two, three in zip(
        alone["gradients"], first["gradients"], second["gradients"], strict=True
    ):
        torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)
        assert torch.equal(two, three)
    # Every row goes through two towers twice, wherever it is encoded.
    assert alone["encoded"] == first["encoded"] + second["encoded"] == 4 * 13
    assert abs(first["encoded"] - second["encoded"]) <= 4
    torch.testing.assert_close(first["mean"], torch.full((3,), 0.05))
    assert torch.equal(first["mean"], second["mean"])


def test_rows_are_shared_out_whole() -> None:
    parts = [Processes(rank, 3).own_rows(11) for rank in range(3)]
    assert [row for part in parts for row in range(11)[part]] == list(range(11))
    assert Processes().own_rows(11) == slice(0, 11)


def test_processes_that_cannot_meet_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(HaikuError, match="start them with torchrun"):
        Processes.join()
