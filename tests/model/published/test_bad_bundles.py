"""Bundles that are broken, foreign or hostile: each is refused with one sentence."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_set import OWN, published
from published_bundle import converted, load_state, save_state, write_bundle
from safetensors.torch import load_file, save_file

from napari_haiku.errors import HaikuError
from napari_haiku.model.loading import load_model
from napari_haiku.model.published.haiku import Haiku

Break = Callable[[Path], object]


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def edit_state(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    state = load_state(folder)
    edit(state)
    save_state(folder, state)


def truncate(path: Path, part: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def first(state: dict[str, torch.Tensor], part: str) -> torch.Tensor:
    return next(value for key, value in state.items() if part in key)


def recompress(path: Path) -> None:
    with zipfile.ZipFile(path) as source:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries:
            target.writestr(name, data)


def link_out(folder: Path, name: str) -> None:
    outside = folder.parent / f"outside-{Path(name).name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


BUNDLES: dict[str, tuple[Break, str]] = {
    "pickle bomb in the weights": (
        lambda b: torch.save({"a": Bomb(b / "trace")}, b / "haiku_state_dict.pt"),
        "objects other than tensors",
    ),
    "pickle bomb beside good weights": (
        lambda b: torch.save(
            load_state(b) | {"extra": Bomb(b / "trace")}, b / "haiku_state_dict.pt"
        ),
        "objects other than tensors",
    ),
    "pickle bomb in the vocabulary": (
        lambda b: (b / "vocab.pkl").write_bytes(pickle.dumps(Bomb(b / "trace"))),
        "mkdir.*refused",
    ),
    "pickle bomb in a marker file": (
        lambda b: (
            edit_state(b, lambda s: [s.pop(k) for k in list(s) if "esm_embeddings" in k]),
            [torch.save(Bomb(b / "trace"), p) for p in (b / "esm_embeddings").iterdir()],
        ),
        "objects other than tensors",
    ),
    "truncated weights": (lambda b: truncate(b / "haiku_state_dict.pt"), "truncated or damaged"),
    "empty weights": (lambda b: truncate(b / "haiku_state_dict.pt", 0), "truncated or damaged"),
    "weights that are text": (
        lambda b: (b / "haiku_state_dict.pt").write_text("<html>not found</html>"),
        "truncated or damaged",
    ),
    "weights that unpack to more": (
        lambda b: recompress(b / "haiku_state_dict.pt"),
        "would unpack",
    ),
    "weights that are a list": (
        lambda b: torch.save([torch.ones(2)], b / "haiku_state_dict.pt"),
        "no dictionary of weights",
    ),
    "a number among the weights": (
        lambda b: edit_state(b, lambda s: s.update({"codex_projection.0.bias": 3})),
        "int under",
    ),
    "a sparse weight": (
        lambda b: edit_state(
            b, lambda s: s.update({k: s[k].to_sparse() for k in ["codex_projection.0.weight"]})
        ),
        "sparse",
    ),
    "missing key": (
        lambda b: edit_state(b, lambda s: s.pop("he_projection.2.weight")),
        r"1 missing \('he_projection.2.weight'\)",
    ),
    "key of another model": (
        lambda b: edit_state(b, lambda s: s.update({"backbone.fc.weight": torch.ones(2)})),
        r"1 unexpected \('backbone.fc.weight'\)",
    ),
    "weights of another model altogether": (
        lambda b: save_state(b, {"features.0.weight": torch.ones(4, 3, 3, 3)}),
        "missing",
    ),
    "mis-shaped weight": (
        lambda b: edit_state(b, lambda s: s.update({"text_projection.0.bias": torch.ones(3)})),
        "'text_projection.0.bias' is float32 of shape 3 but",
    ),
    "whole numbers for a weight": (
        lambda b: edit_state(
            b, lambda s: s.update({k: s[k].long() for k in ["text_projection.0.bias"]})
        ),
        "'text_projection.0.bias' is int64",
    ),
    "NaN in a weight": (
        lambda b: edit_state(b, lambda s: s["he_projection.0.bias"].fill_(float("nan"))),
        "'he_projection.0.bias' holds values that are no finite numbers",
    ),
    "infinity in a joined weight": (
        lambda b: edit_state(b, lambda s: first(s, "W_k.w").fill_(float("inf"))),
        "no finite numbers",
    ),
    "huge tensor over tiny storage": (
        lambda b: edit_state(
            b, lambda s: s.update({"he_projection.0.bias": torch.ones(1).expand(10**10)})
        ),
        "of shape 10000000000",
    ),
    "no config": (lambda b: (b / "config.json").unlink(), "has no configuration"),
    "config that is no JSON": (lambda b: truncate(b / "config.json"), "no valid JSON"),
    "config that is a list": (lambda b: (b / "config.json").write_text("[1]"), "one JSON object"),
    "config nested without end": (
        lambda b: (b / "config.json").write_text("[" * 200_000),
        "no valid JSON",
    ),
    "config of another size": (lambda b: edit_config(b, projection_dim=7), "config.json needs"),
    "config with an absurd size": (
        lambda b: edit_config(b, projection_dim=10**12),
        "'projection_dim' must be a whole number",
    ),
    "config with an absurd depth": (
        lambda b: edit_config(b, bert_config={"num_hidden_layers": 10**6}),
        "num_hidden_layers",
    ),
    "config with a word for a size": (
        lambda b: edit_config(b, embedding_dim="many"),
        "'embedding_dim' must be",
    ),
    "config that contradicts itself": (
        lambda b: edit_config(b, he_dim=9999),
        "contradicts itself: 'he_dim'",
    ),
    "config with an unknown pattern": (
        lambda b: edit_config(
            b, mif=json.loads((b / "config.json").read_text())["mif"] | {"pattern": "hvx"}
        ),
        "letters h",
    ),
    "config with a shared head": (lambda b: edit_config(b, shared_projection=True), "shared"),
    "marker listed without a vector": (
        lambda b: edit_config(b, known_markers=["DAPI", "HistoneH3p", "CollagenIV", "CD3e"]),
        "1 missing: CD3e",
    ),
    "marker vector not listed": (lambda b: edit_config(b, known_markers=["DAPI"]), "unexpected"),
    "marker name that climbs out": (
        lambda b: edit_config(b, esm_marker_names=["../../secret"]),
        "no marker name",
    ),
    "absolute path for a marker": (
        lambda b: edit_state(
            b,
            lambda s: s.update(
                {"codex_encoder.encoder.protein_emb.esm_embeddings./etc/passwd": torch.ones(24)}
            ),
        ),
        "no marker name",
    ),
    "no weights": (lambda b: (b / "haiku_state_dict.pt").unlink(), "has no weights"),
    "no tokenizer": (lambda b: (b / "tokenizer" / "vocab.txt").unlink(), "has no tokenizer"),
    "tokenizer without its tokens": (
        lambda b: (b / "tokenizer" / "vocab.txt").write_text("a\nb\n[UNK]\n"),
        r"lacks the token \[PAD\]",
    ),
    "tokenizer of a larger model": (
        lambda b: append(b / "tokenizer" / "vocab.txt", "\n".join(map(str, range(9999)))),
        "words but the text tower only",
    ),
    "tokenizer that is no tokenizer": (
        lambda b: (b / "tokenizer" / "tokenizer.json").write_text('{"model": 3}'),
        "no tokenizer or is damaged",
    ),
    "vocabulary of numbers": (
        lambda b: (b / "vocab.pkl").write_bytes(pickle.dumps(np.arange(4))),
        "no list of marker names",
    ),
    "truncated vocabulary": (lambda b: truncate(b / "vocab.pkl"), "no list of marker names"),
    "vocabulary with a huge memo": (
        lambda b: (b / "vocab.pkl").write_bytes(b"\x80\x03]r\xff\xff\xff\x7f."),
        "more than an array of names",
    ),
    "absurdly large vocabulary": (
        lambda b: os.truncate(b / "vocab.pkl", 5_000_000),
        "make sense",
    ),
    "weights linked out of the folder": (
        lambda b: link_out(b, "haiku_state_dict.pt"),
        "leads out of the folder",
    ),
    "config linked out of the folder": (
        lambda b: link_out(b, "config.json"),
        "leads out of the folder",
    ),
    "tokenizer folder linked out": (lambda b: link_out(b, "tokenizer"), "leads out of the folder"),
    "marker folder linked out": (
        lambda b: link_out(b, "esm_embeddings"),
        "leads out of the folder",
    ),
    "link that leads nowhere": (
        lambda b: ((b / "config.json").unlink(), (b / "config.json").symlink_to(b / "gone")),
        "leads nowhere",
    ),
    "a folder where a file belongs": (
        lambda b: ((b / "vocab.pkl").unlink(), (b / "vocab.pkl").mkdir()),
        "no plain file",
    ),
    "marker file of another length": (
        lambda b: (
            edit_state(
                b, lambda s: [s.pop(k) for k in list(s) if k.endswith("esm_embeddings.CD8")]
            ),
            torch.save(torch.ones(5), b / "esm_embeddings" / "CD8.pt"),
        ),
        "CD8.pt in esm_embeddings is no vector",
    ),
}


@pytest.mark.parametrize("kind", BUNDLES)
def test_bad_bundle_is_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    spoil, reason = BUNDLES[kind]
    spoil(bundle)
    with pytest.raises(HaikuError, match=reason) as caught:
        converted(bundle, tmp_path / "model")
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert str(tmp_path) not in sentence
    assert not (tmp_path / "model").exists()
    assert not (bundle / "trace").exists(), "code of the bundle was run"


MODELS: dict[str, tuple[Break, str]] = {
    "truncated weights": (lambda m: truncate(m / "model.safetensors"), "truncated or damaged"),
    "absurd header": (
        lambda m: (m / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
        "truncated or damaged",
    ),
    "NaN weight": (
        lambda m: rewrite(m, lambda w: w["mif.summary_token"].fill_(float("nan"))),
        "'mif.summary_token' holds values",
    ),
    "missing weight": (
        lambda m: rewrite(m, lambda w: w.pop("mif.summary_token")),
        r"1 missing \('mif.summary_token'\)",
    ),
    "foreign weight": (lambda m: rewrite(m, lambda w: w.update(x=torch.ones(1))), "1 unexpected"),
    "other shape": (
        lambda m: rewrite(m, lambda w: w.update({"mif.summary_token": torch.ones(2)})),
        "'mif.summary_token' is float32 of shape 2",
    ),
    "fewer markers than rows": (lambda m: edit_config(m, markers=["CD8"]), "'mif.markers.vectors'"),
    "no tokenizer": (lambda m: (m / "tokenizer.json").unlink(), "has no tokenizer"),
    "no card": (lambda m: (m / "card.json").unlink(), "card.json"),
    "another form": (lambda m: edit_config(m, format=9), "convert the bundle again"),
    "another kind": (lambda m: edit_config(m, architecture="gpt"), "kind 'gpt'"),
    "no kind": (lambda m: edit_config(m, architecture=None), "cannot be read as a model"),
    "linked weights": (lambda m: link_out(m, "model.safetensors"), "leads out of the folder"),
}


def rewrite(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("kind", MODELS)
def test_bad_model_folder_is_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    converted(write_bundle(tmp_path / "bundle"), tmp_path / "model")
    spoil, reason = MODELS[kind]
    spoil(tmp_path / "model")
    with pytest.raises(HaikuError, match=reason) as caught:
        load_model(tmp_path / "model", device="cpu")
    assert str(caught.value).endswith(".")
    assert str(tmp_path) not in str(caught.value)


def test_a_pickled_object_never_reaches_the_model() -> None:
    config, _ = published(OWN)
    with pytest.raises(HaikuError, match="no dictionary"):
        Haiku.from_published(config, {}, device="cpu")


def test_hub_cache_links_are_followed_within_their_repository(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "plain")
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "abc"
    (repository / "blobs").mkdir(parents=True)
    snapshot.parent.mkdir()
    bundle.rename(snapshot)
    blob = repository / "blobs" / "123"
    (snapshot / "haiku_state_dict.pt").rename(blob)
    (snapshot / "haiku_state_dict.pt").symlink_to("../../blobs/123")
    converted(snapshot, tmp_path / "model")
    assert load_model(tmp_path / "model", device="cpu").modalities
