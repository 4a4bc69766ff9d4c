"""Text heads in closed form: what a record adds to H&E, and how it fits H&E."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import run_job
from napari_haiku.model.compact.caption_reader import CaptionReader, learn_features
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.training import text_stage
from napari_haiku.training.config import TrainConfig, check_config
from napari_haiku.training.text_cases import VARIANTS, TextCases
from napari_haiku.training.text_discriminant import Discriminant

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.training.text_heads import FittedHead

CONFIG = TrainConfig(text_method="discriminant", text_ridge=5.0)
PATIENTS, PATCHES, DIM = 80, 6, 10
# What moves which coordinate of which image.
SEEN, HIDDEN = 0, 1


def _caption(stage: int, grade: int, ward: int) -> str:
    return f"stage: s{'ab'[stage]}, grade: g{'ab'[grade]}, ward: w{'ab'[ward]}"


@pytest.fixture(scope="module")
def told() -> tuple[TextCases, CaptionReader]:
    """Stage is seen in both images, grade in mIF alone, the ward in neither."""
    rng = np.random.default_rng(3)
    fields = rng.integers(2, size=(3, PATIENTS))
    captions = [_caption(*row) for row in fields.T]
    reader = CaptionReader(learn_features([*captions, *(["high CD8", "low CD8"] * 2)]))
    he = rng.normal(size=(PATIENTS * PATCHES, DIM))
    he[:, SEEN] += 2 * np.repeat(2 * fields[0] - 1, PATCHES)
    mif = he + 0.3 * rng.normal(size=he.shape)
    mif[:, HIDDEN] += 1.5 * np.repeat(2 * fields[1] - 1, PATCHES)
    said = np.where(mif[:, 2] > 1, 0, np.where(mif[:, 2] < -1, 1, -1))
    he, mif = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (he, mif))
    last = np.arange(1, PATIENTS + 1) * PATCHES
    read = np.repeat(reader.read(captions)[:, None], VARIANTS, 1).astype(np.float16)
    return (
        TextCases(
            patient=np.arange(PATIENTS),
            captions=read,
            flipped=read,
            first=last - PATCHES,
            last=last,
            he=he.astype(np.float32),
            mif=mif.astype(np.float32),
            phrase=said,
            phrases=reader.read(["high CD8", "low CD8"]).astype(np.float16),
        ),
        reader,
    )


def _moves(head: FittedHead, reader: CaptionReader, before: str, after: str) -> np.ndarray:
    a, b = reader.read([before, after]) @ head.weight.T
    return b - a


def test_only_what_he_does_not_show_re_ranks_mif(told: tuple[TextCases, CaptionReader]) -> None:
    cases, reader = told
    head = Discriminant(cases, CONFIG, seed=0, resample=False).head()
    grade = _moves(head, reader, _caption(0, 0, 0), _caption(0, 1, 0))
    stage = _moves(head, reader, _caption(0, 0, 0), _caption(1, 0, 0))
    ward = _moves(head, reader, _caption(0, 0, 0), _caption(0, 0, 1))
    assert np.argmax(np.abs(grade)) == HIDDEN
    assert grade[HIDDEN] > 0
    assert np.linalg.norm(grade) > 2 * np.linalg.norm(stage)
    assert np.linalg.norm(grade) > 2 * np.linalg.norm(ward)


def test_leaving_he_in_lets_what_it_shows_count(told: tuple[TextCases, CaptionReader]) -> None:
    cases, reader = told
    whole = replace(CONFIG, text_beyond_he=0.0)
    head = Discriminant(cases, whole, seed=0, resample=False).head()
    stage = _moves(head, reader, _caption(0, 0, 0), _caption(1, 0, 0))
    assert np.argmax(np.abs(stage)) == SEEN


def test_phrases_point_at_the_tissue_they_describe(told: tuple[TextCases, CaptionReader]) -> None:
    cases, reader = told
    head = Discriminant(cases, CONFIG, seed=0, resample=False).head()
    assert np.argmax(np.abs(_moves(head, reader, "low CD8", "high CD8"))) == 2


def test_record_coordinates_tell_how_a_caption_fits_he(
    told: tuple[TextCases, CaptionReader],
) -> None:
    cases, reader = told
    config = replace(CONFIG, record_dim=4)
    fit = Discriminant(cases, config, seed=0, resample=False)
    coordinates = fit.coordinates()
    head = fit.head(coordinates)
    assert head.weight.shape == (DIM + 4, reader.read([""]).shape[1])
    alone, ours = fit.head().weight, head.weight[:DIM]
    length = np.linalg.norm(alone) / np.linalg.norm(ours)
    np.testing.assert_allclose(ours * length, alone, rtol=1e-4, err_msg="mIF is ranked alike")
    vectors = np.zeros((2, DIM))
    vectors[:, SEEN] = [-1, 1]
    he = np.concatenate([vectors, vectors @ coordinates.weight.T + coordinates.bias], 1)
    texts = reader.read([_caption(0, 0, 0), _caption(1, 0, 0)]) @ head.weight.T + head.bias
    scores = he @ texts.T
    assert scores[0, 0] > scores[0, 1]
    assert scores[1, 1] > scores[1, 0]


def test_nearly_all_captions_are_left_as_long_as_they_are(
    told: tuple[TextCases, CaptionReader],
) -> None:
    cases, _ = told
    fit = Discriminant(cases, replace(CONFIG, record_dim=4), seed=0, resample=False)
    head = fit.head(fit.coordinates())
    captions = cases.captions.reshape(-1, cases.captions.shape[2]).astype(np.float64)
    lengths = np.linalg.norm(captions @ head.weight.T + head.bias, axis=1)
    assert (lengths <= 1 + 1e-5).mean() >= 0.9
    assert np.quantile(lengths, 0.95) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(head.weight[-1], 0, err_msg="left to be filled")
    assert head.bias[-1] == 0


def test_bootstraps_differ_and_repeat(told: tuple[TextCases, CaptionReader]) -> None:
    cases, _ = told
    heads = [Discriminant(cases, CONFIG, seed=s, resample=True).head().weight for s in (1, 2, 1)]
    np.testing.assert_array_equal(heads[0], heads[2])
    assert np.abs(heads[0] - heads[1]).max() > 1e-3


def test_kept_heads_of_another_fit_are_left_alone(
    told: tuple[TextCases, CaptionReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on after the fit itself has changed fits its heads anew."""
    cases = told[0]
    words = tuple(f"word{i}" for i in range(cases.captions.shape[-1]))
    sizes = CompactConfig(
        name="small", markers=("CD8",), text_features=words, dim=DIM, he_width=4, mif_width=8
    )
    config = replace(CONFIG, text_heads=1)

    def fit() -> set[str]:
        run_job(text_stage.fit_text(CompactNetwork(sizes), cases, config, tmp_path))
        return {folder.name for folder in (tmp_path / text_stage.FOLDER).iterdir()}

    first = fit()
    assert fit() == first
    monkeypatch.setattr(text_stage, "FITTED_WITH", (0.0,))
    assert len(fit() - first) == 1


def test_both_images_are_needed(told: tuple[TextCases, CaptionReader]) -> None:
    with pytest.raises(HaikuError, match="H&E and mIF of the same slides"):
        Discriminant(replace(told[0], he=None), CONFIG, seed=0, resample=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text_method": "magic"}, "contrast or discriminant"),
        ({"text_ridge": 0.0}, "text_ridge"),
        ({"text_beyond_he": 1.5}, "text_beyond_he"),
        ({"record_dim": 1}, "record_dim"),
        ({"record_dim": 2}, "give 0, or 3 or more"),
        ({"record_dim": 4, "text_method": "contrast"}, "discriminant"),
        ({"he_zoom": 3}, "he_zoom"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(HaikuError, match=said):
        check_config(replace(CONFIG, **changes))  # type: ignore[arg-type]
