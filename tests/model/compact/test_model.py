"""The compact model: invariants of encoding, strict files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.caption_reader import learn_features
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.text_heads import TextHeads
from napari_haiku.model.compact.words import learn_words
from napari_haiku.model.devices import choose_device
from napari_haiku.model.loading import load_model
from napari_haiku.model.scaling import ChannelScaling

RNG = np.random.default_rng(0)
MARKERS = ["DAPI", "CD8", "PanCK"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    captions = ["colon stage two", "colon stage one", "stage two"] * 2
    words, features = learn_words(captions), learn_features(captions)
    config = CompactConfig("tiny", tuple(MARKERS), features, he_width=4, dim=16)
    network = CompactNetwork(config)
    torch.nn.init.normal_(network.text.head.weight)
    CompactModel(network, words, {"licence": "none"}, choose_device("cpu"), "").save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def model(folder: Path) -> CompactModel:
    loaded = load_model(folder, device="cpu")
    assert isinstance(loaded, CompactModel)
    return loaded


def test_saving_and_loading_keeps_the_vectors(model: CompactModel, tmp_path: Path) -> None:
    model.save(tmp_path / "again")
    again = load_model(tmp_path / "again", device="cpu")
    patches = RNG.integers(0, 255, (2, 96, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model.encode_he(patches, 1.04), again.encode_he(patches, 1.04))
    assert again.fingerprint == model.fingerprint


def test_order_of_the_channels_does_not_matter(model: CompactModel) -> None:
    patches = RNG.integers(0, 255, (4, 3, 96, 96), dtype=np.uint8)
    order = [2, 0, 1]
    one = model.encode_mif(patches, MARKERS, 1.04)
    two = model.encode_mif(patches[:, order], [MARKERS[i] for i in order], 1.04)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_the_name_of_a_channel_matters(model: CompactModel) -> None:
    patches = RNG.integers(0, 255, (4, 2, 96, 96), dtype=np.uint8)
    one = model.encode_mif(patches, ["DAPI", "CD8"], 1.04)
    two = model.encode_mif(patches, ["DAPI", "PanCK"], 1.04)
    assert np.abs(one - two).max() > 1e-4


def test_markers_never_seen_are_alike(model: CompactModel) -> None:
    patches = RNG.integers(0, 255, (2, 2, 96, 96), dtype=np.uint8)
    one = model.encode_mif(patches, ["DAPI", "Mystery"], 1.04)
    two = model.encode_mif(patches, ["DAPI", "Another"], 1.04)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_changes_nothing(model: CompactModel, batch_size: int) -> None:
    patches = RNG.integers(0, 255, (7, 96, 96, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        model.encode_he(patches, 1.04, batch_size=batch_size),
        model.encode_he(patches, 1.04),
        atol=1e-5,
    )


def test_the_same_tissue_at_another_pixel_size_is_alike(model: CompactModel) -> None:
    coarse = np.kron(RNG.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)[None]
    fine = coarse.repeat(2, 1).repeat(2, 2)
    a, b = model.encode_he(coarse, 100 / 96), model.encode_he(fine, 50 / 96)
    assert float((a * b).sum()) > 0.99


def test_intensity_units_do_not_matter(model: CompactModel) -> None:
    patches = RNG.integers(0, 200, (3, 3, 96, 96)).astype(np.uint8)
    np.testing.assert_allclose(
        model.encode_mif(patches, MARKERS, 1.04),
        model.encode_mif(patches.astype(np.uint16) * 256, MARKERS, 1.04),
        atol=1e-4,
    )


def test_wrong_inputs_are_named(model: CompactModel) -> None:
    with pytest.raises(HaikuError, match="uint8"):
        model.encode_he(np.zeros((1, 96, 96, 3), np.float32), 1.0)
    with pytest.raises(HaikuError, match="3 channels but 2"):
        model.encode_mif(np.zeros((1, 3, 96, 96)), ["DAPI", "CD8"], 1.0)
    with pytest.raises(HaikuError, match="at least 1, not 0"):
        model.encode_text(["colon"], batch_size=0)
    with pytest.raises(HaikuError, match="positive number"):
        model.encode_he(np.zeros((1, 96, 96, 3), np.uint8), 0)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "card.json"]
)
def test_a_missing_or_broken_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HaikuError, match=r"config\.json|model\.safetensors|tokenizer\.json|card"):
        load_model(folder)
    (folder / name).unlink()
    with pytest.raises(HaikuError, match=name.replace(".", r"\.")):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dim": "x"}, "'dim'"),
        ({"dim": 8}, "other sizes"),
        ({"foo": 1}, "'foo'"),
        ({"architecture": "other"}, "'other'"),
        ({"markers": ["a"]}, "other sizes"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(
    folder: Path, change: dict[str, object], says: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(HaikuError, match=says):
        load_model(folder)


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    first = sorted(tensors)[0]
    save_file({k: v for k, v in tensors.items() if k != first}, folder / "model.safetensors")
    with pytest.raises(HaikuError, match=f"lacks {first}"):
        load_model(folder)
    save_file({**tensors, "zz": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(HaikuError, match="does not know zz"):
        load_model(folder)
    broken = tensors["he.head.0.bias"].clone()
    broken[0] = float("nan")
    save_file({**tensors, "he.head.0.bias": broken}, folder / "model.safetensors")
    with pytest.raises(HaikuError, match="no numbers"):
        load_model(folder)


def test_typed_words_never_read_are_left_out_and_named(model: CompactModel) -> None:
    vector, unknown = model.encode_words("Colon desmoplasia stage")
    assert unknown == ("desmoplasia",)
    np.testing.assert_allclose(vector, model.encode_text(["Colon stage"])[0], atol=1e-6)
    with pytest.raises(HaikuError, match="never read any of these words"):
        model.encode_words("desmoplasia, hyaline")


def test_forgetting_other_markers_changes_nothing_for_the_known(model: CompactModel) -> None:
    known = model.network.known_markers_only({"DAPI", "PanCK"}).eval()
    cells = torch.rand(2, 2, 3, 12, 12)
    panel = ("PanCK", "DAPI")
    with torch.inference_mode():
        before = model.network.mif(cells, model.network.marker_ids(panel))
        after = known.mif(cells, known.marker_ids(panel))
    torch.testing.assert_close(before, after)
    assert known.marker_ids(("CD8",)).tolist() == [0]


def test_how_wide_a_range_is_matters_only_where_the_training_knew_it(model: CompactModel) -> None:
    patches = RNG.integers(0, 255, (2, 3, 96, 96), dtype=np.uint8)
    narrow, wide, absurd = (ChannelScaling((0.0,) * 3, (top,) * 3) for top in (100.0, 200.0, 1e7))

    def vectors(scaling: ChannelScaling) -> np.ndarray:
        # The same scaled picture, whatever the range.
        stored = patches / 255 * scaling.high[0]
        return model.encode_mif(stored, MARKERS, 1.04, scaling=scaling)

    np.testing.assert_allclose(vectors(narrow), vectors(wide), atol=1e-5)
    mif = model.network.mif
    mif.level_mean.fill_(float(np.log(150)))
    mif.level_spread.fill_(0.3)
    assert np.abs(vectors(narrow) - vectors(wide)).max() > 1e-4
    unknown = vectors(absurd)
    mif.level_spread.zero_()
    np.testing.assert_allclose(unknown, vectors(narrow), atol=1e-5)


def test_text_heads_travel_with_the_model(model: CompactModel, tmp_path: Path) -> None:
    assert model.n_text_heads == 0
    with pytest.raises(HaikuError, match="no text heads"):
        model.encode_text_heads(["colon"])
    features = len(model.network.config.text_features)
    weight = RNG.normal(size=(3, 16, features)).astype(np.float16)
    model.text_heads = TextHeads(weight, np.zeros((3, 16), np.float16))
    model.save(tmp_path / "headed")
    again = load_model(tmp_path / "headed", device="cpu")
    assert again.n_text_heads == 3
    vectors = again.encode_text_heads(["colon stage two", "stage"])
    assert vectors.shape == (3, 2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)
    row = model.reader.read(["stage"]) @ weight[1].astype(np.float32).T
    np.testing.assert_allclose(vectors[1, 1], row[0] / np.linalg.norm(row), atol=1e-5)


def test_text_heads_of_another_model_are_refused(folder: Path) -> None:
    TextHeads(np.zeros((2, 16, 1), np.float16), np.zeros((2, 16), np.float16)).save(folder)
    with pytest.raises(HaikuError, match="another model"):
        load_model(folder)
    (folder / "text_heads.safetensors").write_bytes(b"broken")
    with pytest.raises(HaikuError, match="cannot be read"):
        load_model(folder)


def test_a_model_without_caption_features_has_no_text_tower(tmp_path: Path) -> None:
    network = CompactNetwork(CompactConfig("tiny", tuple(MARKERS), he_width=4, dim=16))
    mute = CompactModel(network, learn_words([]), {}, choose_device("cpu"), "")
    mute.save(tmp_path / "mute")
    assert load_model(tmp_path / "mute").modalities == {"he", "mif"}
    with pytest.raises(HaikuError, match="no text tower"):
        mute.encode_text(["colon"])


def _made(tmp_path: Path, **sizes: int) -> CompactModel:
    torch.manual_seed(0)
    captions = ["colon stage two", "colon stage one"] * 2
    words, features = learn_words(captions), learn_features(captions)
    config = CompactConfig("tiny", tuple(MARKERS), features, he_width=4, dim=16, **sizes)
    network = CompactNetwork(config)
    torch.nn.init.normal_(network.text.head.weight)
    CompactModel(network, words, {"licence": "none"}, choose_device("cpu"), "").save(tmp_path / "m")
    return CompactModel.load(tmp_path / "m", device="cpu")


def test_finer_he_reads_patches_of_any_pixel_size(tmp_path: Path) -> None:
    model = _made(tmp_path, he_zoom=2)
    vectors = model.encode_he(RNG.integers(0, 255, (2, 96, 96, 3), dtype=np.uint8), 1.04)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    fine = RNG.integers(0, 255, (2, 192, 192, 3), dtype=np.uint8)
    assert np.abs(model.encode_he(fine, 0.52) - model.encode_he(fine[:, ::2, ::2], 1.04)).max() > 0


def test_blocks_change_nothing_at_first_and_are_saved(tmp_path: Path) -> None:
    model = _made(tmp_path, he_blocks=2)
    he = model.network.he
    image = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        vectors, places = he.with_places(image)
        plain = he.features[: 2 * 3](image)
    assert places.shape == (2, 16, 12, 12)
    torch.testing.assert_close(places, plain)
    torch.testing.assert_close(he(image), vectors)


def test_record_coordinates_are_he_s_alone(tmp_path: Path) -> None:
    model = _made(tmp_path, record_dim=3)
    with torch.no_grad():
        model.network.record.bias.fill_(0.5)
    he = model.encode_he(RNG.integers(0, 255, (2, 96, 96, 3), dtype=np.uint8), 1.04)
    mif = model.encode_mif(RNG.integers(0, 255, (2, 3, 96, 96), dtype=np.uint8), MARKERS, 1.04)
    text = model.encode_text(["colon stage two"])
    assert model.dim == he.shape[1] == mif.shape[1] == text.shape[1] == 19
    assert np.abs(he[:, 16:]).min() > 0
    np.testing.assert_array_equal(mif[:, 16:], 0)
    for rows in (he, mif, text):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_more_of_a_marker_moves_along_that_marker_s_direction() -> None:
    config = CompactConfig("tiny", tuple(MARKERS), he_width=4, dim=16)
    network = CompactNetwork(config).eval()
    ids = network.marker_ids(("CD8",))
    with torch.no_grad():
        network.mif.head[-1].weight.zero_()
        network.mif.head[-1].bias.zero_()
        network.mif.mean_spread[ids] = 1.0
        network.mif.by_mean.weight[ids, 5] = 2.0
        cells = torch.full((2, 1, 3, 12, 12), 0.1)
        cells[1] = 0.5
        low, high = network.mif(cells, ids)
    assert (high[5] - low[5]).item() == pytest.approx(2 * np.log(0.52 / 0.12), rel=1e-5)
    assert (high - low).count_nonzero() == 1
