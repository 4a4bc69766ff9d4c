"""A run that is killed outright goes on to the very same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.loop import TrainRequest, train

RECIPE = TrainConfig(
    name="killed",
    steps=5,
    batch_size=12,
    validate_every=2,
    checkpoint_every=2,
    he_width=4,
    dim=16,
    threads=1,
    text_steps=20,
    text_batch=8,
    text_heads=2,
)
# Says every step of its progress, so that it can be killed at any of them.
SCRIPT = """
import sys
from pathlib import Path
from training.test_resuming import RECIPE
from napari_haiku.training.loop import TrainRequest, train

manifest = Path(sys.argv[1])
job = train(TrainRequest(manifest, Path(sys.argv[2]), RECIPE, manifest.parent, resume=True))
for report in job:
    print(report.doing, report.done, flush=True)
"""
LEFT = ("model.safetensors", "text_heads.safetensors", "curves.csv", "card.json", "tokenizer.json")


def _request(manifest: Path, name: str, **changes: object) -> TrainRequest:
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    return TrainRequest(
        manifest, manifest.parent / name, recipe, manifest.parent, cache=manifest.parent / "cache"
    )


def _kill_at(manifest: Path, output: Path, moment: str) -> None:
    tests = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(manifest), str(output)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)])},
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith(moment):
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL


def test_killed_among_steps_and_among_text_heads(manifest: Path) -> None:
    whole = run_job(train(_request(manifest, "whole"))).model
    killed = manifest.parent / "killed"
    _kill_at(manifest, killed, "Training 3")
    assert (killed / "checkpoint.pt").is_file()
    job = train(replace(_request(manifest, "killed"), resume=True))
    fitted = 0
    for report in job:
        fitted += report.doing == "Fitting the text head"
        if fitted == 2:
            job.close()
            break
    result = run_job(train(replace(_request(manifest, "killed"), resume=True)))
    assert result.resumed_from == 5
    for name in LEFT:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_cut_checkpoint_is_told(manifest: Path) -> None:
    request = _request(manifest, "m", text_steps=0, steps=2)
    output = run_job(train(request)).model
    (output / "model.safetensors").unlink()
    file = output / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(HaikuError, match=r"checkpoint.pt in m is damaged .* remove it"):
        run_job(train(replace(request, resume=True)))


def test_another_objective_is_told(manifest: Path) -> None:
    request = _request(manifest, "m", text_steps=0, steps=1)
    run_job(train(request))
    other = replace(request.config, objectives={"siglip": 1.0})
    with pytest.raises(HaikuError, match="started with another objectives"):
        run_job(train(replace(request, config=other, resume=True)))
