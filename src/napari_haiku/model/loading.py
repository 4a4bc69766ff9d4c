"""Open a model by name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.model import presets

if TYPE_CHECKING:
    from napari_haiku.model.base import TissueModel

DEFAULT = presets.BUNDLED


def load_model(
    name: str | Path = DEFAULT, *, device: str = "auto", precision: str = "auto"
) -> TissueModel:
    """Open a model; nothing is ever downloaded here.

    Parameters
    ----------
    name : str or Path
        ``"default"`` (ships with the package), a name of ``napari-haiku
        models`` such as ``"haiku"`` or ``"haiku-bi"``, ``"hf-hub:OWNER/NAME"``,
        or a model folder holding ``config.json`` and ``model.safetensors``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : str
        ``"auto"``, ``"fp32"`` or ``"bf16"``; the model that ships with the
        package computes in fp32 whatever is asked.

    Raises
    ------
    HaikuError
        The folder is no model, its files disagree, or the weights are not on
        this computer.
    """
    folder = _folder(name)
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise HaikuError(
            f"{folder.name} is no model folder: it has no config.json; give 'default' or a folder "
            "with config.json, model.safetensors and tokenizer.json."
        )
    from napari_haiku.model.published.bundle import Bundle

    config = Bundle(folder).read_json("config.json")
    architecture = config.get("architecture")
    if architecture == "compact":
        from napari_haiku.model.compact.model import CompactModel

        return CompactModel.load(folder, device=device)
    if architecture == "haiku":
        from napari_haiku.model.published.haiku import Haiku

        return Haiku.load(folder, device=device, precision=precision)
    if architecture == "he-encoder":
        from napari_haiku.model.he_encoder import HeEncoder

        return HeEncoder.load(folder, device=device, precision=precision)
    if "pretrained_cfg" in config or "codex_dim" in config or "esm_marker_names" in config:
        raise HaikuError(
            f"{folder.name} is a bundle as published, which is not opened directly: run "
            f"napari-haiku convert {folder.name} MODEL_DIR and load MODEL_DIR."
        )
    if not isinstance(architecture, str):
        raise HaikuError(
            f"config.json in {folder.name} cannot be read as a model configuration: "
            "copy the model folder again."
        )
    raise HaikuError(
        f"{folder.name} describes a model of kind '{architecture[:60]}', which this version does "
        "not know: update napari-haiku."
    )


def default_folder() -> Path:
    """Folder of the model that ships with the package."""
    return presets.bundled_folder()


def _folder(name: str | Path) -> Path:
    text = str(name)
    if text == presets.BUNDLED:
        return presets.bundled_folder()
    repository = None if isinstance(name, Path) else presets.repository_of(text)
    if repository is None:
        return Path(name)
    folder = presets.folder_of(text)
    if (folder / "config.json").is_file():
        return folder
    from napari_haiku.model.published.hub import cached

    found = cached(repository)
    if found is not None and (found / "model.safetensors").is_file() and _converted(found):
        return found
    preset = presets.find_preset(text)
    title = preset.title if preset else repository
    access = (
        f"ask for access at https://huggingface.co/{repository}, then run "
        if preset is not None and preset.gated
        else "run "
    )
    raise HaikuError(
        f"The weights of {title} are not on this computer: {access}"
        f"napari-haiku convert {text} {folder}."
    )


def _converted(folder: Path) -> bool:
    from napari_haiku.model.published.bundle import Bundle

    return Bundle(folder).read_json("config.json").get("architecture") in (
        "compact",
        "haiku",
        "he-encoder",
    )
