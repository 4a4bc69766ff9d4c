"""The released sizes: names and shapes always, real weights when asked for.

HAIKU_FULL_SIZE=1 builds the 808 million numbers at random, saves them as the
published pickle, converts, reloads and encodes; it needs 5.5 GB of disk.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_set import OWN

from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.model.published import key_map
from napari_haiku.model.published.config import HaikuConfig
from napari_haiku.model.published.convert import convert
from napari_haiku.model.published.tokenizing import PAD, UNKNOWN
from napari_haiku.model.published.towers import empty_towers

LISTING = json.loads((OWN / "full_state_dict_keys.json").read_text())
KINDS = {"float32": torch.float32, "int64": torch.int64}


def released_config() -> dict[str, Any]:
    table = key_map.MARKERS
    names = {kind: [] for kind in key_map.MARKER_TABLES}
    for key in LISTING["keys"]:
        if key.startswith(table) and key.removeprefix(table).partition(".")[0] in names:
            kind, _, name = key.removeprefix(table).partition(".")
            names[kind].append(name)
    return {
        "codex_dim": 512,
        "text_dim": 768,
        "he_dim": 1024,
        "projection_dim": 1024,
        "shared_projection": False,
        "embedding_dim": 1152,
        "marker_model_dim": 512,
        "esm_marker_names": names["esm_embeddings"],
        "known_markers": names["learnable_embeddings"],
    }


def test_released_names_and_shapes_are_the_towers_own() -> None:
    sizes = HaikuConfig.from_published(released_config())
    state = {
        key: torch.empty(shape, dtype=KINDS[kind], device="meta")
        for key, (shape, kind) in LISTING["keys"].items()
    }
    found = key_map.marker_pieces(list(state))
    towers = empty_towers(sizes, tuple(found))
    pieces = key_map.published_pieces(sizes, towers, found)
    key_map.check_pieces(state, pieces, towers)
    counts = LISTING["param_counts"]
    assert len(state) == counts["state_dict_entries"]
    assert sum(p.numel() for p in towers.he.parameters()) == counts["musk_used_vision"] - 2 * 1024
    unused = [key for key in state if key_map.is_unused(key)]
    assert len(unused) + len(pieces) == len(state)
    assert sum(state[key].numel() for key in unused if key.startswith(key_map.HE)) == pytest.approx(
        counts["musk_unused"], abs=2 * 1024
    )


@pytest.mark.skipif(
    os.environ.get("HAIKU_FULL_SIZE") != "1", reason="takes minutes: set HAIKU_FULL_SIZE=1"
)
def test_full_size_model_converts_reloads_and_encodes_within_6_gb(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "tokenizer").mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps(released_config()))
    words = [PAD, UNKNOWN, "[CLS]", "[SEP]", "lung", "tissue"]
    (bundle / "tokenizer" / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    state = {
        key: torch.randn(shape) * 0.02
        if kind == "float32"
        else torch.zeros(shape, dtype=KINDS[kind])
        for key, (shape, kind) in LISTING["keys"].items()
    }
    for key in state:
        if key.endswith("running_var"):
            state[key].fill_(1)
    torch.save(state, bundle / "haiku_state_dict.pt")
    del state
    result = run_job(convert(bundle, tmp_path / "model"))
    assert result.dropped > 370_000_000
    (bundle / "haiku_state_dict.pt").unlink()
    model = load_model(tmp_path / "model", device="cpu")
    draw = np.random.default_rng(0)
    vectors = [
        model.encode_he(draw.integers(0, 256, (1, 256, 256, 3), dtype=np.uint8), 0.3775),
        model.encode_mif(
            draw.integers(0, 256, (1, 52, 256, 256), dtype=np.uint8),
            [*result.markers[:50], "Unheard", "Unseen"],
            0.3775,
        ),
        model.encode_text(["lung tissue"]),
    ]
    for vector in vectors:
        assert vector.shape == (1, 1024)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"peak memory {peak / 1e9:.2f} GB")
    assert peak < 6e9
