"""Downloads: only when asked, and each failure is one sentence."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors
from published_bundle import converted, reference, write_bundle

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.model.published import extras, hub
from napari_haiku.model.published.convert import convert


def bare(kind: type[Exception], text: str) -> Exception:
    """An error of the hub's client without the answer it came from."""
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []

    def refuse(repository: str, **options: object) -> str:
        asked.append({"repository": repository, **options})
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    return asked


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (bare(errors.GatedRepoError, "gated"), "is gated: ask for access at"),
        (bare(errors.RepositoryNotFoundError, "401"), "is gated: ask for access"),
        (errors.LocalEntryNotFoundError("offline"), "without a network.*by hand|into a folder"),
        (errors.OfflineModeIsEnabled("offline"), "could not be downloaded"),
        (OSError("broken pipe"), "could not be downloaded .OSError: broken pipe"),
    ],
)
def test_published_model_that_cannot_be_fetched(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing(monkeypatch, error)
    with pytest.raises(HaikuError, match=reason) as caught:
        run_job(convert("zhihuanglab/Haiku", tmp_path / "model"))
    assert "folder" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_repository_is_not_called_gated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing(monkeypatch, bare(errors.RepositoryNotFoundError, "404"))
    with pytest.raises(HaikuError, match="no repository owner/unheard"):
        run_job(convert("hf-hub:owner/unheard", tmp_path / "model"))


@pytest.mark.parametrize("name", ["haiku", "zhihuanglab/Haiku", "hf-hub:zhihuanglab/haiku"])
def test_names_of_the_published_model(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    asked = []

    def give(repository: str, **options: object) -> str:
        asked.append((repository, options["allow_patterns"]))
        return str(bundle)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    run_job(convert(name, tmp_path / "model"))
    assert load_model(tmp_path / "model", device="cpu").fingerprint == reference().fingerprint
    assert asked[0][0].casefold() == "zhihuanglab/haiku"
    assert "config.json" in asked[0][1]


@pytest.mark.parametrize("name", ["haiku", "haiku-bi", "uni", "hf-hub:owner/name", "timm:resnet18"])
def test_loading_never_downloads(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAIKU_MODELS", str(tmp_path))
    asked = failing(monkeypatch, errors.LocalEntryNotFoundError("not cached"))
    with pytest.raises(HaikuError, match=f"not on this computer.*napari-haiku convert {name}"):
        load_model(name)
    assert all(call["local_files_only"] is True for call in asked)


def test_converted_model_is_found_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAIKU_MODELS", str(tmp_path / "models"))
    converted(write_bundle(tmp_path / "bundle"), tmp_path / "models" / "haiku")
    assert load_model("haiku", device="cpu").fingerprint == reference().fingerprint


def test_converted_model_in_the_hub_cache_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAIKU_MODELS", str(tmp_path / "models"))
    converted(write_bundle(tmp_path / "bundle"), tmp_path / "cache")
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "cache")
    )
    assert load_model("hf-hub:me/mine", device="cpu").fingerprint == reference().fingerprint


@pytest.mark.parametrize("name", ["hf-hub:one", "hf-hub:../etc", "hf-hub:a/b/c", "hf-hub:"])
def test_repository_names_are_checked(name: str) -> None:
    with pytest.raises(HaikuError, match="no repository of the hub"):
        load_model(name)


def test_missing_extra_is_one_sentence() -> None:
    with pytest.raises(HaikuError, match=r"needs the package no-such: run pip install 'napari-"):
        extras.need("no_such.part", "The H&E tower")


def test_torchvision_of_another_torch_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(extras.importlib, "import_module", broken)
    with pytest.raises(HaikuError, match="cannot start beside this torch"):
        extras.need("timm", "The H&E tower")


def test_without_the_hub_client_nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    assert hub.cached("owner/name") is None
    with pytest.raises(HaikuError, match="needs the package huggingface-hub"):
        hub.fetch("owner/name", ["*"])
