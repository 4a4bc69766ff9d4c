"""What is installed, what is imported, and what the repository may hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest

import napari_haiku

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = Path(napari_haiku.__file__).parent


def _modules_loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_loads_neither_torch_nor_qt_nor_napari():
    loaded = _modules_loaded_by("import napari_haiku")
    assert not loaded & {"torch", "napari", "qtpy", "PyQt6", "PySide6", "zarr", "dask", "pandas"}


def test_importing_the_command_line_loads_nothing_heavy():
    loaded = _modules_loaded_by("import napari_haiku.cli")
    heavy = {"torch", "napari", "qtpy", "PyQt6", "PySide6", "zarr", "dask", "pandas", "sklearn"}
    assert not loaded & heavy


@pytest.mark.parametrize("name", sorted(napari_haiku.__all__))
def test_every_public_name_can_be_had(name):
    assert getattr(napari_haiku, name) is not None
    assert name in dir(napari_haiku)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = napari_haiku.no_such_thing


def test_version_is_the_installed_ones():
    assert napari_haiku.__version__ == version("napari-haiku")


def test_the_manifest_is_found_through_the_installed_distribution():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-haiku")
    assert manifest.name == "napari-haiku"
    assert manifest.package_version == version("napari-haiku")
    assert len(manifest.contributions.widgets or []) >= 5
    assert manifest.contributions.sample_data


def test_every_command_of_the_manifest_can_be_imported():
    from npe2 import PluginManifest

    for command in PluginManifest.from_distribution("napari-haiku").contributions.commands or []:
        module, _, attribute = str(command.python_name).partition(":")
        assert hasattr(__import__(module, fromlist=["x"]), attribute), command.id


def test_the_manifest_at_the_top_is_the_one_in_the_package():
    top = REPOSITORY / "napari.yaml"
    assert top.read_text(encoding="utf-8") == (PACKAGE / "napari.yaml").read_text(encoding="utf-8")


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_no_qt_binding_and_no_napari_all_without_an_extra():
    base = [need for need in requires("napari-haiku") or [] if "extra ==" not in need]
    names = {re.split(r"[^\w\[\]-]", need)[0].casefold() for need in base}
    assert "napari" in names
    assert not names & {"napari[all]", "pyqt5", "pyqt6", "pyside2", "pyside6"}


def test_constraints_are_plain_and_cover_what_the_package_needs():
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line) for line in lines)
    pinned = [line.partition("==")[0] for line in lines]
    assert len(pinned) == len(set(pinned))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra, needs in project["optional-dependencies"].items():
        wanted += [] if extra == "all" else needs
    names = {re.split(r"[\[><=!~; ]", need)[0].casefold().replace("_", "-") for need in wanted}
    assert names <= {name.casefold() for name in pinned}


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("This is no git checkout, so what it tracks cannot be told.")
    return [REPOSITORY / name for name in listed.stdout.splitlines()]


def test_tracked_files_hold_no_machine_paths_and_no_registry_addresses():
    # Spelt in parts so that this file passes its own test.
    homes = "|".join(["/ho" + "me/", "/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/"])
    registries = "|".join(["/sim" + "ple/?['\"\\s]", "index" + "-url\\s*=", "pypi" + "-mirror"])
    forbidden = re.compile(f"(?<![\\w.$}}])({homes})\\w|({registries})")
    found = []
    for path in _tracked():
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(REPOSITORY)}: {match.group(0)}"
            for match in forbidden.finditer(text)
        ]
    assert found == []


def test_tracked_files_are_of_a_reasonable_size():
    large = {
        path.relative_to(REPOSITORY).as_posix(): path.stat().st_size
        for path in _tracked()
        if path.is_file() and path.stat().st_size > 25_000_000
    }
    assert large == {}


def test_python_files_stay_under_400_lines():
    long = {
        path.relative_to(REPOSITORY).as_posix(): count
        for path in _tracked()
        if path.suffix == ".py"
        and path.is_file()
        and (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


@pytest.mark.skipif(sys.platform == "win32", reason="Shell scripts.")
@pytest.mark.parametrize(
    ("shell", "script"),
    [("sh", "scripts/setup.sh"), ("sh", "scripts/constraints.sh"), ("bash", ".ci/run")],
)
def test_scripts_can_be_read_and_run(shell, script):
    assert (REPOSITORY / script).stat().st_mode & 0o111
    read = subprocess.run([shell, "-n", REPOSITORY / script], capture_output=True, check=False)
    assert read.returncode == 0, read.stderr


def test_the_readme_says_both_ways_within_a_screen():
    screen = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:30]
    said = [line.partition("#")[0].strip() for line in screen]
    order = ["make demo", "make test", 'pip install ".[all]"', "napari-haiku demo"]
    assert [said.index(line) for line in order] == sorted(said.index(line) for line in order)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", "\n".join(screen))
    assert pictures
    assert all((REPOSITORY / picture).is_file() for picture in pictures)


def test_links_and_pictures_of_the_documentation_exist():
    missing = []
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert missing == []
