"""Text heads: they find what captions and vectors share, and differ by their patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_haiku.jobs import run_job
from napari_haiku.model.compact.caption_reader import CaptionReader, learn_features
from napari_haiku.training.captions import flipped_record, marker_phrase
from napari_haiku.training.config import TrainConfig
from napari_haiku.training.text_cases import VARIANTS, TextCases
from napari_haiku.training.text_heads import FittedHead, fit_head

CONFIG = TrainConfig(text_steps=120, text_batch=32)
DIM, PATCHES, MARKERS = 12, 5, ("CD8", "PanCK")


def _cases(patients: int = 60) -> tuple[TextCases, CaptionReader]:
    """Stage turns the first coordinate of every vector; the ward turns nothing."""
    rng = np.random.default_rng(0)
    stage, ward = rng.integers(2, size=(2, patients))
    captions = [f"stage: s{'ab'[s]}, ward: w{'ab'[w]}" for s, w in zip(stage, ward, strict=True)]
    wrong = [f"stage: s{'ba'[s]}, ward: w{'ab'[w]}" for s, w in zip(stage, ward, strict=True)]
    phrases = [f"{how} {m}" for m in MARKERS for how in ("high", "low")] * 2
    reader = CaptionReader(learn_features([*captions, *phrases]))
    vectors = rng.normal(size=(patients * PATCHES, DIM))
    vectors[:, 0] += 2.5 * np.repeat(2 * stage - 1, PATCHES)
    said = np.where(vectors[:, 1] > 1, 0, np.where(vectors[:, 1] < -1, 1, -1))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    last = np.arange(1, patients + 1) * PATCHES
    read = [np.repeat(reader.read(c)[:, None], VARIANTS, 1) for c in (captions, wrong)]
    return (
        TextCases(
            patient=np.arange(patients),
            captions=read[0].astype(np.float16),
            flipped=read[1].astype(np.float16),
            first=last - PATCHES,
            last=last,
            he=vectors.astype(np.float32),
            mif=vectors.astype(np.float32),
            phrase=said,
            phrases=reader.read(["high CD8", "low CD8"]).astype(np.float16),
        ),
        reader,
    )


def _moves(head: FittedHead, reader: CaptionReader, before: str, after: str) -> np.ndarray:
    a, b = reader.read([before, after]) @ head.weight.T + head.bias
    return b / np.linalg.norm(b) - a / np.linalg.norm(a)


def test_an_edit_with_meaning_moves_the_caption_along_its_tissue() -> None:
    cases, reader = _cases()
    head = run_job(fit_head(cases, CONFIG, seed=0, resample=False))
    real = _moves(head, reader, "stage: sa, ward: wa", "stage: sb, ward: wa")
    idle = _moves(head, reader, "stage: sa, ward: wa", "stage: sa, ward: wb")
    assert np.argmax(np.abs(real)) == 0
    assert real[0] > 0
    assert np.linalg.norm(real) > 1.5 * np.linalg.norm(idle)


def test_a_phrase_points_to_its_marker() -> None:
    cases, reader = _cases()
    head = run_job(fit_head(cases, CONFIG, seed=0, resample=False))
    high, low = reader.read(["high CD8", "low CD8"]) @ head.weight.T + head.bias
    assert high[1] > low[1]


def test_the_same_seed_gives_the_same_head_and_another_bootstrap_another() -> None:
    cases, _ = _cases()
    short = replace(CONFIG, text_steps=10)

    def fit(seed: int) -> np.ndarray:
        return run_job(fit_head(cases, short, seed=seed, resample=True)).weight

    np.testing.assert_array_equal(fit(1), fit(1))
    assert not np.array_equal(fit(1), fit(2))


def test_a_flip_changes_one_field_to_a_known_value() -> None:
    record = {"stage": "I", "sex": "Male", "alone": "x"}
    values = {"stage": ["I", "II"], "sex": ["Female", "Male"], "alone": ["x"]}
    for seed in range(20):
        other = flipped_record(record, values, (seed,))
        changed = [field for field in record if other[field] != record[field]]
        assert len(changed) == 1
        assert other[changed[0]] in values[changed[0]]
    assert flipped_record({"alone": "x"}, values, (0,)) == {"alone": "x"}


def test_phrases_name_only_what_stands_out() -> None:
    rng = np.random.default_rng(0)
    targets = np.array([0, 2.0, 0, -0.2], np.float32)
    phrases = {marker_phrase(targets, MARKERS, rng) for _ in range(20)}
    assert phrases == {"high CD8", "CD8 high"}
    assert marker_phrase(np.array([0, np.nan, 0, 0.5]), MARKERS, rng) == ""
