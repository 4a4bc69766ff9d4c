"""From the published layout to a folder that opens strictly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_set import OWN, published
from published_bundle import ESM, converted, load_state, reference, save_state, write_bundle

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.loading import load_model
from napari_haiku.model.published.convert import convert
from napari_haiku.model.published.haiku import Haiku

PANEL = ["CD8", "DAPI", "Mystery"]


def patches(n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    he = draw.integers(0, 256, (n, 256, 256, 3), dtype=np.uint8)
    return he, draw.integers(0, 256, (n, len(PANEL), 256, 256), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("convert")
    converted(write_bundle(home / "bundle"), home / "model")
    return home / "model"


def test_converted_model_equals_the_published_one(folder: Path) -> None:
    model = load_model(folder, device="cpu")
    assert isinstance(model, Haiku)
    assert model.modalities == {"he", "mif", "text"}
    he, mif = patches()
    np.testing.assert_array_equal(model.encode_he(he, 0.3775), reference().encode_he(he, 0.3775))
    np.testing.assert_array_equal(
        model.encode_mif(mif, PANEL, 0.3775), reference().encode_mif(mif, PANEL, 0.3775)
    )
    vectors = model.encode_text(["lung tissue, stage: a", ""])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert model.encode_record({"tissue": "lung", "disease": "cancer"}).shape == (model.dim,)


def test_only_what_inference_reads_is_kept(folder: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    result = converted(write_bundle(tmp_path / "bundle"), tmp_path / "model")
    _, state = published(OWN)
    assert result.parameters + result.dropped == sum(tensor.numel() for tensor in state.values())
    assert result.dropped > 0
    kept = (folder / "model.safetensors").read_bytes()
    for unused in (b"language", b"pooler", b"rope", b"logit_scale", b"text_embed"):
        assert unused not in kept[:200_000]


def test_fingerprint_depends_on_weights_and_survives_reloading(
    folder: Path, tmp_path: Path
) -> None:
    assert load_model(folder, device="cpu").fingerprint == reference().fingerprint
    other = write_bundle(tmp_path / "bundle")
    state = load_state(other)
    state["codex_projection.0.bias"][0] += 1
    save_state(other, state)
    converted(other, tmp_path / "model")
    assert load_model(tmp_path / "model", device="cpu").fingerprint != reference().fingerprint


def test_haiku_bi_has_no_text_and_says_so(tmp_path: Path) -> None:
    result = converted(write_bundle(tmp_path / "bundle", text=False), tmp_path / "model")
    assert result.name == "Haiku(Bi)"
    model = load_model(tmp_path / "model", device="cpu")
    assert model.modalities == {"he", "mif"}
    with pytest.raises(HaikuError, match="no text tower"):
        model.encode_text(["lung"])
    he, _ = patches(1)
    np.testing.assert_array_equal(model.encode_he(he, 0.3775), reference().encode_he(he, 0.3775))


def test_training_checkpoint_is_accepted(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    state = {f"module.{key}": value for key, value in load_state(bundle).items()}
    checkpoint = bundle / "clip_checkpoint.pth"
    torch.save({"epoch": 24, "model_state_dict": state}, checkpoint)
    converted(checkpoint, tmp_path / "model")
    assert load_model(tmp_path / "model", device="cpu").fingerprint == reference().fingerprint


def test_marker_vectors_are_taken_from_their_files_when_the_weights_lack_them(
    tmp_path: Path,
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    state = load_state(bundle)
    save_state(bundle, {key: value for key, value in state.items() if not key.startswith(ESM)})
    result = converted(bundle, tmp_path / "model")
    assert any("esm_embeddings" in note for note in result.notes)
    assert load_model(tmp_path / "model", device="cpu").fingerprint == reference().fingerprint


def test_markers_that_the_published_code_grew_are_kept(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    state = load_state(bundle)
    width = next(value for key, value in state.items() if key.startswith(ESM)).shape
    state["codex_encoder.encoder.protein_emb.dynamic_embeddings.Grown"] = torch.ones(width)
    save_state(bundle, state)
    result = converted(bundle, tmp_path / "model")
    assert "Grown" in result.markers


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    state = load_state(bundle)
    save_state(bundle, {k: v.half() if v.is_floating_point() else v for k, v in state.items()})
    converted(bundle, tmp_path / "model")
    model = load_model(tmp_path / "model", device="cpu")
    assert {p.dtype for p in model.towers.parameters()} == {torch.float32}


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    before = (folder / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(HaikuError, match="exists already"):
        converted(bundle, folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    state = load_state(bundle)
    state.pop("he_projection.0.weight")
    save_state(bundle, state)
    home = tmp_path / "models"
    with pytest.raises(HaikuError, match=r"missing \('he_projection\.0\.weight'\)"):
        converted(bundle, home / "model")
    assert not home.exists() or not list(home.iterdir())


def test_vocabulary_without_vectors_is_reported(tmp_path: Path) -> None:
    import pickle

    bundle = write_bundle(tmp_path / "bundle")
    (bundle / "vocab.pkl").write_bytes(pickle.dumps(np.array(["CD8", "Unheard", "PGP9.5"])))
    result = converted(bundle, tmp_path / "model")
    assert any("Unheard" in note and "PGP9_5" in note for note in result.notes)


def test_published_bundle_is_not_opened_directly(tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match="napari-haiku convert"):
        load_model(write_bundle(tmp_path / "bundle"), device="cpu")


def test_converted_folder_is_not_converted_again(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match="converted model already"):
        run_job(convert(folder, tmp_path / "again"))


def test_unknown_source_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(HaikuError, match="neither a folder"):
        run_job(convert("no-such-model", tmp_path / "model"))


def test_progress_is_reported(tmp_path: Path) -> None:
    seen = []
    run_job(convert(write_bundle(tmp_path / "bundle"), tmp_path / "model"), seen.append)
    assert [report.done for report in seen] == sorted(report.done for report in seen)
    assert seen[-1].done == seen[-1].total


def test_tokenizer_json_gives_the_same_tokens_as_the_vocabulary(
    folder: Path, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (bundle / "tokenizer" / "vocab.txt").unlink()
    (bundle / "tokenizer" / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    converted(bundle, tmp_path / "model")
    captions = ["Lung tissue, stage: q", "x"]
    np.testing.assert_array_equal(
        load_model(tmp_path / "model", device="cpu").encode_text(captions),
        load_model(folder, device="cpu").encode_text(captions),
    )


def test_config_stays_readable(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert config["architecture"] == "haiku"
    original, _ = published(OWN)
    assert config["published"] == original
