"""A published bundle in the released layout, made of the golden numbers."""

from __future__ import annotations

import json
import pickle
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from golden_set import OWN, haiku, published

from napari_haiku.jobs import run_job
from napari_haiku.model.published.convert import ConvertResult, convert

if TYPE_CHECKING:
    from napari_haiku.model.published import Haiku

ESM = "codex_encoder.encoder.protein_emb.esm_embeddings."
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *string.ascii_lowercase, "##s", "##ed", ".", ",", ":", "lung", "tissue", "stage"]


def write_bundle(folder: Path, *, text: bool = True, **changes: Any) -> Path:
    """Write config, pickle, tokenizer, marker files and vocabulary; `changes` go to config."""
    config, state = published(OWN)
    if not text:
        state = {k: v for k, v in state.items() if not k.startswith(("text_encoder", "text_proj"))}
        for key in ("hf_model", "text_dim", "bert_config"):
            config.pop(key)
        config |= {"model_name": "Haiku(Bi)", "modalities": ["codex", "he"], "use_text": False}
    config |= changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(state, folder / "haiku_state_dict.pt")
    if text:
        (folder / "tokenizer").mkdir()
        (folder / "tokenizer" / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "esm_embeddings").mkdir()
    for key, vector in state.items():
        if key.startswith(ESM):
            torch.save(vector, folder / "esm_embeddings" / f"{key.removeprefix(ESM)}.pt")
    names = np.array([*config["esm_marker_names"], *config["known_markers"]])
    (folder / "vocab.pkl").write_bytes(pickle.dumps(names))
    return folder


def save_state(folder: Path, state: dict[str, Any]) -> None:
    torch.save(state, folder / "haiku_state_dict.pt")


def load_state(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "haiku_state_dict.pt", weights_only=True)


def converted(source: Path, target: Path) -> ConvertResult:
    return run_job(convert(source, target))


def reference() -> Haiku:
    """The model the bundle holds."""
    return haiku(OWN)
