"""Open a model by name or folder."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from napari_haiku.errors import HaikuError
from napari_haiku.model.base import TissueModel

DEFAULT = "default"


def load_model(name: str | Path = DEFAULT, *, device: str = "auto") -> TissueModel:
    """Open a model.

    Parameters
    ----------
    name : str or Path
        ``"default"`` (ships with the package) or a model folder holding
        ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Raises
    ------
    HaikuError
        The folder is no model, or its files disagree.
    """
    from napari_haiku.model.compact.model import CompactModel

    folder = default_folder() if str(name) == DEFAULT else Path(name)
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise HaikuError(
            f"{folder.name} is no model folder: it has no config.json; give 'default' or a folder "
            "with config.json, model.safetensors and tokenizer.json."
        )
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
        architecture = config["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"config.json in {folder.name} cannot be read as a model configuration: "
            "copy the model folder again."
        ) from error
    if architecture != CompactModel.architecture:
        raise HaikuError(
            f"{folder.name} describes a model of kind '{architecture}', which this version does "
            "not know: update napari-haiku."
        )
    return CompactModel.load(folder, device=device)


def default_folder() -> Path:
    """Folder of the model that ships with the package."""
    return Path(str(resources.files("napari_haiku"))) / "assets" / "model"
