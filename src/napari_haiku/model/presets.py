"""Models known by name: where their weights come from and what they can do."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLED = "default"
_NC = "CC-BY-NC-ND 4.0: non-commercial, no derivatives"
_HUB = "hf-hub:"
_TIMM = "timm:"
_HE_ONLY = "similar tissue within H&E and niches; no biomarkers, no counterfactuals"


@dataclass(frozen=True)
class Preset:
    """A model known by name.

    Parameters
    ----------
    name, title : str
        What is typed and what is shown.
    modalities : tuple of str
        Which of ``"he"``, ``"mif"``, ``"text"`` it encodes.
    shared_space : bool
        Whether modalities can be compared; an encoder without a shared space
        offers similar tissue within H&E and niches, nothing else.
    licence : str
        Of the weights.
    size_mb : int
        What the model takes on disk once converted.
    patch_px : int
        Side of a patch in pixels.
    pixel_size_um : float
        Pixel size at which it reads tissue.
    repository : str or None
        Where the weights come from, on the Hugging Face hub; None ships with
        the package.
    gated : bool
        Whether access must be asked for.
    encoder : mapping
        How an H&E encoder is built; empty for Haiku models.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    shared_space: bool
    licence: str
    size_mb: int
    patch_px: int
    pixel_size_um: float
    repository: str | None
    gated: bool
    encoder: Mapping[str, Any] = field(default_factory=dict)

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""
        return self.patch_px * self.pixel_size_um

    @property
    def offers(self) -> str:
        """What the model can be used for, in words."""
        if self.shared_space:
            return "all analyses" if "text" in self.modalities else "all but clinical text"
        return _HE_ONLY


def _he_encoder(
    name: str,
    title: str,
    repository: str,
    licence: str,
    size_mb: int,
    gated: bool,
    encoder: dict[str, Any],
    *,
    patch_px: int = 224,
    pixel_size_um: float = 0.5,
) -> Preset:
    return Preset(
        name,
        title,
        ("he",),
        False,
        licence,
        size_mb,
        patch_px,
        pixel_size_um,
        repository,
        gated,
        encoder,
    )


PRESETS: tuple[Preset, ...] = (
    Preset(
        BUNDLED,
        "Compact model trained on virtual tissue",
        ("he", "mif", "text"),
        True,
        "BSD-3-Clause",
        4,
        96,
        100 / 96,
        None,
        False,
    ),
    Preset(
        "haiku",
        "Haiku (published)",
        ("he", "mif", "text"),
        True,
        f"its model card says 'other': read it before use; its H&E tower derives from MUSK ({_NC})",
        1750,
        256,
        0.3775,
        "zhihuanglab/Haiku",
        True,
    ),
    Preset(
        "haiku-bi",
        "Haiku-Bi (published, without text)",
        ("he", "mif"),
        True,
        f"its model card says 'other': read it before use; its H&E tower derives from MUSK ({_NC})",
        1310,
        256,
        0.3775,
        "zhihuanglab/Haiku-Bi",
        True,
    ),
    _he_encoder(
        "uni",
        "UNI",
        "MahmoodLab/UNI",
        _NC,
        1210,
        True,
        {
            "kind": "timm",
            "model": "vit_large_patch16_224",
            "arguments": {"img_size": 224, "init_values": 1e-5, "dynamic_img_size": True},
        },
    ),
    _he_encoder(
        "virchow2",
        "Virchow2",
        "paige-ai/Virchow2",
        _NC,
        2530,
        True,
        {
            "kind": "timm",
            "model": "vit_huge_patch14_224",
            "arguments": {
                "img_size": 224,
                "init_values": 1e-5,
                "reg_tokens": 4,
                "mlp_ratio": 5.3375,
                "dynamic_img_size": True,
                "mlp_layer": "SwiGLUPacked",
                "act_layer": "silu",
                "global_pool": "",
            },
            "pool": "class and mean",
        },
    ),
    _he_encoder(
        "h-optimus-0",
        "H-optimus-0",
        "bioptimus/H-optimus-0",
        "Apache-2.0",
        4540,
        True,
        {
            "kind": "timm",
            "model": "vit_giant_patch14_reg4_dinov2",
            "arguments": {
                "img_size": 224,
                "init_values": 1e-5,
                "dynamic_img_size": False,
                "global_pool": "token",
            },
            "mean": [0.707223, 0.578729, 0.703617],
            "std": [0.211883, 0.230117, 0.177517],
        },
    ),
    _he_encoder(
        "musk",
        "MUSK (vision branch)",
        "xiangjx/musk",
        _NC,
        1220,
        True,
        {"kind": "musk", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        patch_px=384,
    ),
)


def find_preset(name: str) -> Preset | None:
    """Find the preset of that name or hub repository, whatever the case."""
    wanted = name.casefold().removeprefix(_HUB)
    for preset in PRESETS:
        if wanted in (preset.name, (preset.repository or "").casefold()):
            return preset
    return None


def repository_of(name: str) -> str | None:
    """Hub repository a name stands for; None for a folder or the bundled model.

    ``hf-hub:OWNER/NAME`` and ``timm:NAME`` name any repository; a preset's name
    or repository stands for itself.
    """
    if name.startswith(_HUB):
        return name.removeprefix(_HUB)
    if name.startswith(_TIMM):
        return f"timm/{name.removeprefix(_TIMM)}"
    preset = find_preset(name)
    return None if preset is None else preset.repository


def bundled_folder() -> Path:
    """Folder of the model that ships with the package."""
    return Path(str(resources.files("napari_haiku"))) / "assets" / "model"


def models_folder() -> Path:
    """Where converted models are looked up by name.

    ``HAIKU_MODELS``, else ``.napari-haiku/models`` in the home folder.
    """
    given = os.environ.get("HAIKU_MODELS")
    return Path(given) if given else Path.home() / ".napari-haiku" / "models"


def folder_of(name: str) -> Path:
    """Folder in which a converted model of that name is looked up."""
    if name == BUNDLED:
        return bundled_folder()
    preset = find_preset(name)
    if preset is not None:
        return models_folder() / preset.name
    repository = repository_of(name) or name
    return models_folder() / repository.replace("/", "--")


def on_disk(preset: Preset) -> Path | None:
    """Folder of the converted model if it is there."""
    folder = folder_of(preset.name)
    return folder if (folder / "config.json").is_file() else None


def list_models() -> list[dict[str, Any]]:
    """Every preset as a row for the user, converted models of other names included.

    Returns
    -------
    list of dict
        ``name``, ``title``, ``modalities``, ``shared_space``, ``offers``,
        ``licence``, ``size_mb``, ``patch_um``, ``patch_px``, ``pixel_size_um``,
        ``weights``, ``gated``, ``on_disk`` and ``folder``. What a converted
        model's own files do not say is None.
    """
    rows = [_row(preset) for preset in PRESETS]
    known = {preset.name for preset in PRESETS}
    home = models_folder()
    if home.is_dir():
        for folder in sorted(home.iterdir()):
            if folder.name not in known and (folder / "config.json").is_file():
                rows.append(_own_row(folder))
    return rows


def _own_row(folder: Path) -> dict[str, Any]:
    """Row of a model converted under another name; read from its own files, believed in nothing."""
    config, card = _json(folder / "config.json"), _json(folder / "card.json")
    he_only = config.get("architecture") == "he-encoder"
    side, pixel = config.get("patch_px"), config.get("pixel_size_um")
    field = (side, pixel) if isinstance(side, int) and isinstance(pixel, int | float) else None
    return {
        "name": str(folder),
        "title": str(config.get("name", folder.name))[:60],
        "modalities": ["he"] if he_only else None,
        "shared_space": False if he_only else None,
        "offers": _HE_ONLY if he_only else "what its towers allow",
        "licence": str(card.get("licence", "that of the source: read it before use"))[:200],
        "size_mb": _megabytes(folder),
        "patch_px": field[0] if field else None,
        "pixel_size_um": field[1] if field else None,
        "patch_um": round(field[0] * field[1], 2) if field else None,
        "weights": f"converted by you from {str(card.get('source', 'a folder'))[:100]}",
        "gated": False,
        "on_disk": True,
        "folder": str(folder),
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8")) if path.stat().st_size < 4_000_000 else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _row(preset: Preset) -> dict[str, Any]:
    folder = on_disk(preset)
    source = (
        "ships with the package"
        if preset.repository is None
        else f"https://huggingface.co/{preset.repository}"
    )
    return {
        "name": preset.name,
        "title": preset.title,
        "modalities": list(preset.modalities),
        "shared_space": preset.shared_space,
        "offers": preset.offers,
        "licence": preset.licence,
        "size_mb": preset.size_mb if folder is None else _megabytes(folder),
        "patch_px": preset.patch_px,
        "pixel_size_um": preset.pixel_size_um,
        "patch_um": round(preset.patch_um, 2),
        "weights": source,
        "gated": preset.gated,
        "on_disk": folder is not None,
        "folder": None if folder is None else str(folder),
    }


def _megabytes(folder: Path) -> int:
    return round(sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6)
