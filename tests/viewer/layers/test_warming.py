from __future__ import annotations

import subprocess
import sys

import pint
import pytest

from napari_haiku.jobs import run_job
from napari_haiku.viewer.layers.warming import LATER_MODULES, read_units, take_units, warm_up

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


@pytest.fixture
def unread():
    """A program in which no layer was made yet."""
    before = pint.application_registry.get()
    pint.set_application_registry(pint.LazyRegistry())
    yield pint.application_registry.get()
    pint.set_application_registry(before)


def test_units_are_read_out_of_sight_and_taken_whole(unread):
    units = run_job(read_units())
    assert pint.application_registry.get() is unread
    assert type(unread) is pint.LazyRegistry
    take_units(units)
    assert pint.application_registry.get() is units
    assert pint.get_application_registry().parse_expression("um").units == units.micrometer


def test_units_that_layers_have_already_stay(unread):
    pixel = pint.get_application_registry().pixel
    take_units(run_job(read_units()))
    assert pint.application_registry.get() is unread
    assert pint.get_application_registry().pixel == pixel
