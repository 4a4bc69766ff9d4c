"""From a published bundle to a folder that opens safely."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress
from napari_haiku.model import presets
from napari_haiku.model.published import key_map
from napari_haiku.model.published.bundle import (
    LARGEST_MARKER_FILE,
    LARGEST_WEIGHTS,
    Bundle,
    read_torch,
    read_weights,
)
from napari_haiku.model.published.config import HaikuConfig, check_marker_name, table_name
from napari_haiku.model.published.haiku import (
    CARD,
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    published_weights,
    stored_config,
)
from napari_haiku.model.published.hub import fetch
from napari_haiku.model.published.tokenizing import read_tokenizer
from napari_haiku.model.published.vocabulary import read_vocabulary
from napari_haiku.storage import speaking, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FILES = ("haiku_state_dict.pt", "haiku_state_dict.safetensors", "model.safetensors")
PATTERNS = ("config.json", "haiku_state_dict.*", "tokenizer/*", "esm_embeddings/*.pt", "vocab.pkl")


@dataclass(frozen=True)
class ConvertResult:
    """What a conversion left.

    Parameters
    ----------
    folder : Path
        The model folder.
    name : str
        The model's name.
    parameters : int
        Numbers kept.
    dropped : int
        Numbers of the source that inference never uses.
    markers : tuple of str
        Markers with a vector of their own.
    notes : tuple of str
        What the user should know.
    """

    folder: Path
    name: str
    parameters: int
    dropped: int
    markers: tuple[str, ...]
    notes: tuple[str, ...]


def convert(
    source: str | Path, target: Path, *, pixel_size_um: float | None = None
) -> Job[ConvertResult]:
    """Turn a published bundle into ``config.json``, ``model.safetensors`` and ``tokenizer.json``.

    Parameters
    ----------
    source : str or Path
        A folder with the published files, a training checkpoint, a name of
        ``napari-haiku models``, or ``hf-hub:OWNER/NAME``; names are downloaded.
    target : Path
        Folder to make; it must not exist or be empty.
    pixel_size_um : float, optional
        Pixel size at which an H&E encoder reads tissue, where nobody says.

    Yields
    ------
    Progress
        Step by step.

    Returns
    -------
    ConvertResult
        What was kept and dropped.

    Raises
    ------
    HaikuError
        The source is refused, or the target cannot be written.
    """
    from napari_haiku.model.he_conversion import convert_encoder, is_encoder

    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise HaikuError(
            f"{target.name} exists already and is not empty: choose another folder for the model."
        )
    place = Path(source)
    if not place.exists():
        repository = presets.repository_of(str(source))
        if repository is None and "/" in str(source) and not place.is_absolute():
            repository = str(source)
        if repository is None:
            raise HaikuError(
                f"'{str(source)[:80]}' is neither a folder, a file nor a known model: see "
                "napari-haiku models, or write hf-hub:OWNER/NAME."
            )
        preset = presets.find_preset(repository)
        yield Progress(0, 4, f"Downloading {repository}", "steps")
        encoder = preset is None or bool(preset.encoder)
        patterns = ("config.json", "*.safetensors", "pytorch_model.bin") if encoder else PATTERNS
        place = fetch(repository, patterns, gated=bool(preset and preset.gated))
    else:
        preset = presets.find_preset(str(source))
        repository = None
    yield Progress(1, 4, "Reading", "steps")
    if is_encoder(place, preset):
        return (yield from convert_encoder(place, target, preset, repository, pixel_size_um))
    bundle, checkpoint = _opened(place)
    config, state, notes = _read_bundle(bundle, checkpoint)
    yield Progress(2, 4, "Translating", "steps")
    sizes, markers, weights = published_weights(config, state)
    tokenizer = None if sizes.text is None else read_tokenizer(bundle, sizes.text.vocab_size)
    stored = stored_config(config, markers)
    total = sum(tensor.numel() for tensor in key_map.plain_state_dict(state).values())
    kept = sum(tensor.numel() for tensor in weights.values())
    yield Progress(3, 4, "Writing", "steps")
    write_model(
        target,
        stored,
        weights,
        _card(stored["name"], repository or place.name),
        None if tokenizer is None else tokenizer.to_str(pretty=True),
    )
    yield Progress(4, 4, "Writing", "steps")
    return ConvertResult(target, stored["name"], kept, total - kept, markers, tuple(notes))


def write_model(
    target: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    card: Mapping[str, Any],
    tokenizer: str | None,
) -> None:
    """Write a model folder, whole or not at all.

    Raises
    ------
    HaikuError
        The disk is full or the folder cannot be written.
    """
    target = Path(target)
    with speaking(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with speaking(target):
            save_file({key: value.contiguous() for key, value in weights.items()}, draft / WEIGHTS)
        write_json(draft / CARD, dict(card))
        write_json(draft / CONFIG, dict(config))
        if tokenizer is not None:
            write_text(draft / TOKENIZER, tokenizer + "\n")
        with speaking(target):
            draft.chmod(0o755)
            if target.exists():
                target.rmdir()
            draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _opened(place: Path) -> tuple[Bundle, Path | None]:
    if place.is_file():
        bundle = Bundle(place.parent)
        return bundle, bundle.check(place, LARGEST_WEIGHTS)
    return Bundle(place), None


def _read_bundle(
    bundle: Bundle, checkpoint: Path | None
) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]]:
    notes: list[str] = []
    if checkpoint is None:
        config = bundle.read_json(CONFIG)
        weights_file = bundle.need(*STATE_FILES, largest=LARGEST_WEIGHTS, what="weights")
    else:
        weights_file = checkpoint
        if bundle.find(CONFIG, largest=LARGEST_MARKER_FILE) is None:
            config = {}
            notes.append("No config.json beside the checkpoint: the released sizes were used.")
        else:
            config = bundle.read_json(CONFIG)
    if "architecture" in config:
        raise HaikuError(f"{bundle.folder.name} is a converted model already: load it as it is.")
    sizes = HaikuConfig.from_published(config)
    state = key_map.plain_state_dict(read_weights(weights_file))
    _fill_markers(bundle, sizes, state, notes)
    vocabulary = bundle.find("vocab.pkl", largest=LARGEST_MARKER_FILE)
    if vocabulary is not None:
        found = set(key_map.marker_pieces(list(state)))
        without = [name for name in read_vocabulary(vocabulary) if name not in found]
        if without:
            notes.append(
                f"{len(without)} markers of vocab.pkl have no vector and are read as unknown: "
                f"{', '.join(without[:5])}."
            )
    return config, state, notes


def _fill_markers(
    bundle: Bundle, sizes: HaikuConfig, state: dict[str, torch.Tensor], notes: list[str]
) -> None:
    """Take marker vectors the weights lack from the bundle's folder of single files."""
    present = key_map.marker_pieces(list(state))
    taken = []
    for path in bundle.files("esm_embeddings", ".pt", LARGEST_MARKER_FILE):
        name = table_name(check_marker_name(path.stem, "esm_embeddings"))
        if name in present or (sizes.esm_markers is not None and name not in sizes.esm_markers):
            continue
        vector = read_torch(path)
        if not isinstance(vector, torch.Tensor) or vector.numel() != sizes.marker_dim:
            raise HaikuError(
                f"{path.name} in esm_embeddings is no vector of {sizes.marker_dim} numbers: "
                "copy the bundle again."
            )
        state[f"{key_map.MARKERS}esm_embeddings.{name}"] = vector.reshape(-1)
        taken.append(name)
    if taken:
        notes.append(f"{len(taken)} marker vectors were taken from esm_embeddings.")


def _card(name: str, source: str) -> dict[str, Any]:
    preset = presets.find_preset(name)
    return {
        "licence": preset.licence if preset else "that of the source",
        "credit": "Haiku (arXiv 2605.00925); H&E tower after MUSK, mIF tower after VirTues, "
        "text tower after BiomedBERT",
        "source": source,
        "trained_on": "registered H&E and mIF regions with clinical records, as published",
        "training_images": [],
    }
