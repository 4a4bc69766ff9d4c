"""``doctor``: every check speaks, none ends another."""

from __future__ import annotations

import json

import pytest

from napari_haiku.cli import health
from napari_haiku.cli.health import Finding
from napari_haiku.cli.window_check import WindowCheck
from napari_haiku.errors import HaikuError

CHECKS = [
    "Python", "Packages", "Device", "Window", "Default model", "Demo atlas", "Cache folder", "Disk",
]  # fmt: skip


@pytest.fixture
def quick_window(monkeypatch):
    monkeypatch.setattr(health, "has_display", lambda: True)
    monkeypatch.setattr(health, "check_window", lambda: WindowCheck(True, "PyQt6 on xcb", {}))


def test_all_is_well_here(run, quick_window):
    done = run("doctor", "--json")
    assert done.exit_code == 0, done.stdout
    assert done.content["ok"] is True
    assert [check["name"] for check in done.content["checks"]] == CHECKS
    assert {check["status"] for check in done.content["checks"]} <= {"ok", "warning"}


def test_in_words(run, quick_window):
    lines = run("doctor").stdout.splitlines()
    assert len(lines) == len(CHECKS)
    assert lines[0].startswith("ok       Python: 3.")


def test_warnings_leave_exit_code_0_and_a_failure_does_not(run, monkeypatch):
    findings = [Finding("Window", "warning", "No display.")]
    monkeypatch.setattr(health, "examine", lambda: iter(findings))
    assert run("doctor").exit_code == 0
    findings.append(Finding("Default model", "failed", "It is broken."))
    done = run("doctor", "--json")
    assert done.exit_code == 1
    assert done.content["ok"] is False
    assert "Default model" in done.stderr


def test_a_broken_model_does_not_end_the_other_checks(monkeypatch, quick_window):
    def broken(name, device):
        raise HaikuError("The model folder has no config.json.")

    monkeypatch.setattr("napari_haiku.model.loading.load_model", broken)
    found = {finding.name: finding for finding in health.examine()}
    assert list(found) == CHECKS
    assert found["Default model"].status == "failed"
    assert found["Disk"].status != "failed"


@pytest.mark.parametrize(
    ("display", "xvfb", "works", "status", "told"),
    [
        (True, False, True, "ok", "PyQt6"),
        (True, False, False, "warning", "libxcb"),
        (False, False, False, "warning", "There is no display"),
        (False, True, True, "ok", "Xvfb instead"),
        (False, True, False, "warning", "libxcb"),
        (True, True, False, "warning", "libxcb"),
    ],
)
def test_window(monkeypatch, display, xvfb, works, status, told):
    from contextlib import nullcontext

    seen = WindowCheck(works, "PyQt6" if works else "install libxcb-cursor0", {})
    monkeypatch.setattr(health, "has_display", lambda: display)
    monkeypatch.setattr(health, "find_xvfb", lambda: "Xvfb" if xvfb else None)
    monkeypatch.setattr(health, "virtual_display", lambda: nullcontext({}))
    monkeypatch.setattr(health, "check_window", lambda environment=None: seen)
    found = {finding.name: finding for finding in health.examine()}["Window"]
    assert found.status == status
    assert told in found.says


def test_a_full_disk_is_a_warning(monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr(health.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1e8))
    found = {finding.name: finding for finding in health.examine()}["Disk"]
    assert found.status == "warning"
    assert "0.1 GB" in found.says


def test_details_are_plain_json(run, quick_window):
    json.dumps(run("doctor", "--json").content)
