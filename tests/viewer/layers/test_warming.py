from __future__ import annotations

import subprocess
import sys

from napari_haiku.jobs import run_job
from napari_haiku.viewer.layers.warming import LATER_MODULES, warm_up

SCRIPT = """
import sys
from napari_haiku.jobs import run_job
from napari_haiku.viewer.layers.warming import LATER_MODULES, warm_up
assert not set(LATER_MODULES) & set(sys.modules), set(LATER_MODULES) & set(sys.modules)
run_job(warm_up())
assert set(LATER_MODULES) <= set(sys.modules)
"""


def test_what_is_needed_later_is_loaded():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_it_can_be_stopped_between_any_two_steps():
    steps = list(warm_up())
    assert len(steps) > len(LATER_MODULES)
    assert steps[-1].done == steps[-1].total
    for taken in range(len(steps)):
        job = warm_up()
        for _ in range(taken):
            next(job)
        job.close()
    assert run_job(warm_up()) is None
