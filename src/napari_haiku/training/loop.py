"""The training run: cohort in, model folder out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_haiku.clinical import public_record
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.markers import vocabulary
from napari_haiku.model.compact.caption_reader import CaptionReader, learn_features
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.words import learn_words
from napari_haiku.model.devices import choose_device
from napari_haiku.training.captions import PHRASES, training_caption
from napari_haiku.training.card import model_card
from napari_haiku.training.cohort import (
    TrainingSlide,
    prepare_slides,
    read_cohorts,
    split_patients,
    training_images,
)
from napari_haiku.training.image_stage import ImageStage
from napari_haiku.training.marker_levels import set_marker_levels
from napari_haiku.training.marker_targets import MarkerTargets
from napari_haiku.training.sampler import BatchSampler
from napari_haiku.training.text_cases import gather_cases
from napari_haiku.training.text_heads import FEWEST_PATIENTS
from napari_haiku.training.text_stage import fit_text
from napari_haiku.training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.training.config import TrainConfig

# Captions drawn per record when the words are learnt, so that every template occurs.
CAPTIONS_PER_RECORD = 12
# A feature of captions that is rarer than this is no help.
_RARE = 0.002


@dataclass(frozen=True)
class TrainRequest:
    """One training run.

    Parameters
    ----------
    manifest : Path
        Cohort manifest.
    output : Path
        Model folder; curves and checkpoints are kept there too.
    config : TrainConfig
        Recipe.
    config_folder : Path
        What the manifests named in the recipe are relative to.
    resume : bool
        Go on from the last checkpoint.
    cache : Path or None
        Where resampled slides are kept; inside `output` by default.
    """

    manifest: Path
    output: Path
    config: TrainConfig
    config_folder: Path
    resume: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves.

    Attributes
    ----------
    model : Path
    steps, resumed_from : int
    validation : dict
        Last figures on the patients kept out; empty when none were.
    """

    model: Path
    steps: int
    resumed_from: int
    validation: dict[str, float]


def train(request: TrainRequest) -> Generator[Progress, None, TrainResult]:
    """Train a compact model: image towers by the recipe's objectives, then the text head.

    Raises
    ------
    HaikuError
        The cohort cannot be used, the output holds another run, or there is
        nothing to resume.
    """
    config, output = request.config, request.output
    if (output / "model.safetensors").is_file() and not request.resume:
        raise HaikuError(
            f"{output.name} already holds a model: choose another folder, or remove it first."
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    rows = read_cohorts(request.manifest, config, request.config_folder)
    output.mkdir(parents=True, exist_ok=True)
    sizes = CompactConfig(
        name=config.name, markers=vocabulary(), he_width=config.he_width, dim=config.dim
    )
    slides = yield from prepare_slides(rows, config, sizes, request.cache or output / "cache")
    kept_out = split_patients(slides, config)
    trained = [slide for slide in slides if slide.entry.patient_id not in kept_out]
    captions = _captions(trained, config)
    if _has_records(trained):
        often = max(2, round(_RARE * len(captions)))
        sizes = replace(sizes, text_features=learn_features(captions, at_least=often))
    learnt_from = [slide.cached for slide in trained]
    cohorts = [slide.cohort for slide in trained]
    sampler = BatchSampler(
        learnt_from,
        cohorts,
        dict(config.shares),
        batch_size=config.batch_size,
        cell_px=sizes.cell_px,
        patch_px=sizes.patch_px,
        seed=config.seed,
        across=config.across,
    )
    torch.manual_seed(config.seed)
    network = CompactNetwork(sizes)
    network.he.to(memory_format=torch.channels_last)
    set_marker_levels(network, learnt_from)
    targets = MarkerTargets(sampler.groups, sizes.markers, sizes.patch_px // sizes.cell_px)
    reader = CaptionReader(sizes.text_features)
    stage = ImageStage(network, targets, config, output)
    first = stage.resume() if request.resume else 0
    held = [slide.cached for slide in slides if slide.entry.patient_id in kept_out]
    for step in range(first, config.steps):
        yield Progress(step, config.steps, "Training", "steps")
        stage.step(step, sampler.draw(step))
        done = step + 1
        if held and done % config.validate_every == 0 and done < config.steps:
            stage.log_validation(done, validate(network, None, held))
        if done % config.checkpoint_every == 0 or done == config.steps:
            stage.save(done)
    network.eval()
    heads = None
    if sizes.text_features:
        cases = yield from gather_cases(learnt_from, cohorts, network, targets, reader, config)
        heads = yield from fit_text(network, cases, config, output)
    figures = validate(network, reader if heads else None, held) if held else {}
    stage.log_validation(config.steps, figures)
    stage.save(config.steps)
    card = model_card(
        config, training_images(slides, config), [s.entry for s in slides], kept_out, figures
    )
    shown = {name for slide in learnt_from for name in slide.markers}
    known = network.known_markers_only(shown)
    model = CompactModel(
        known, learn_words(captions), card, choose_device("cpu"), "", text_heads=heads
    )
    model.save(output)
    return TrainResult(output, config.steps, first, figures)


def _has_records(slides: list[TrainingSlide]) -> bool:
    paired = {s.entry.patient_id for s in slides if s.paired and public_record(s.entry.record)}
    return len(paired) >= FEWEST_PATIENTS


def _captions(slides: list[TrainingSlide], config: TrainConfig) -> list[str]:
    """Captions and marker phrases from which words and features are learnt."""
    found = [
        training_caption(slide.entry.record, config.dropped_fields, (config.seed, 0, i, variant))
        for i, slide in enumerate(slides)
        for variant in range(CAPTIONS_PER_RECORD)
    ]
    shown = sorted({marker for slide in slides for marker in slide.cached.markers})
    often = max(2, round(_RARE * len(found))) + 1
    phrases = [form.format(marker) for marker in shown for form in PHRASES]
    return [*found, *(phrase for phrase in phrases for _ in range(often))]
