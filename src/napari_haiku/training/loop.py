"""The training run: cohort in, model folder out."""

from __future__ import annotations

import math
from dataclasses import replace
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
from napari_haiku.model.published.haiku import Haiku
from napari_haiku.training.captions import PHRASES, training_caption
from napari_haiku.training.card import Made, model_card
from napari_haiku.training.cohort import (
    TrainingSlide,
    prepare_slides,
    read_cohorts,
    split_patients,
    training_images,
)
from napari_haiku.training.config import check_config
from napari_haiku.training.image_stage import OFFERED, ImageStage, check_needs, told
from napari_haiku.training.marker_levels import set_marker_levels
from napari_haiku.training.marker_targets import MarkerTargets
from napari_haiku.training.objectives import build_objective
from napari_haiku.training.processes import Processes
from napari_haiku.training.published_run import train_published
from napari_haiku.training.record_targets import RecordTargets, record_fields
from napari_haiku.training.request import TrainRequest, TrainResult
from napari_haiku.training.sampler import BatchSampler, drawn_ahead
from napari_haiku.training.starting import fill_from, open_start, start_sizes
from napari_haiku.training.text_cases import gather_cases
from napari_haiku.training.text_heads import FEWEST_PATIENTS
from napari_haiku.training.text_stage import fit_text
from napari_haiku.training.tuning import freeze_all_but, is_frozen
from napari_haiku.training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.training.checks import CohortRows
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.sampler import Batch

__all__ = ["TrainRequest", "TrainResult", "train"]

# Patches over which the statistics of batch norms are measured, in so many batches at least,
# numbered far from those of steps.
_MEASURED_PATCHES, _MEASURED_BATCHES, _FAR = 2048, 16, 2**40
# Captions drawn per record when the words are learnt, so that every template occurs.
CAPTIONS_PER_RECORD = 12
# A feature of captions that is rarer than this is no help.
_RARE = 0.002


def train(request: TrainRequest) -> Generator[Progress, None, TrainResult]:
    """Train a compact model: image towers by the recipe's objectives, then the text head.

    Raises
    ------
    HaikuError
        The cohort cannot be used, the output holds another run, or there is
        nothing to resume.
    """
    config, output = request.config, request.output
    check_config(config)
    if config.tune and not config.start_from:
        raise HaikuError(
            "'tune' freezes everything else as it is in a model: name that model with --start-from."
        )
    if (output / "model.safetensors").is_file() and not request.resume:
        raise HaikuError(
            f"{output.name} already holds a model: choose another folder, or remove it first."
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    start = open_start(config.start_from, request.config_folder) if config.start_from else None
    read = read_cohorts(request.manifest, config, request.config_folder)
    output.mkdir(parents=True, exist_ok=True)
    processes = Processes.join()
    if isinstance(start, Haiku):
        return (yield from train_published(request, start, read, processes))
    return (yield from _train_compact(request, start, read, processes))


def _train_compact(
    request: TrainRequest,
    start: CompactModel | None,
    read: CohortRows,
    processes: Processes,
) -> Generator[Progress, None, TrainResult]:
    config, output = request.config, request.output
    sizes = CompactConfig(
        name=config.name,
        markers=vocabulary(),
        he_width=config.he_width,
        he_zoom=config.he_zoom,
        he_blocks=config.he_blocks,
        record_dim=config.record_dim,
        text_filled=config.record_dim > 0,
        dim=config.dim,
    )
    if start is not None:
        sizes = start_sizes(start, sizes)
    # What the run needs is checked before slides are prepared, which takes long.
    check_needs(config.objectives, OFFERED | ({"teacher"} if start is not None else set()))
    build_objective(
        told(config.objectives), dim=sizes.dim, markers=2 * len(sizes.markers), maps=1, levels=1
    )
    RecordTargets({e.patient_id: e.record for _, e in read.rows}, record_fields(config))
    device = processes.device(choose_device(request.device).torch_name)
    cache = request.cache or output / "cache"
    if not processes.first:
        processes.wait()
    slides = yield from prepare_slides(read.rows, config, sizes, cache)
    if processes.first:
        processes.wait()
    kept_out = split_patients(slides, config, read.kept_out)
    trained = [slide for slide in slides if slide.entry.patient_id not in kept_out]
    if config.patience and not kept_out:
        raise HaikuError(
            f"'patience' needs patients kept out to measure on, and {request.manifest.name} has "
            "too few patients to spare one: leave patience out."
        )
    captions = _captions(trained, config)
    with_text = bool(config.text_steps) and _has_records(trained)
    if with_text:
        often = max(2, round(_RARE * len(captions)))
        features = learn_features(captions, at_least=often)
        sizes, with_text = replace(sizes, text_features=features), bool(features)
    learnt_from = [slide.cached for slide in trained]
    cohorts = [slide.cohort for slide in trained]
    torch.manual_seed(config.seed)
    network = CompactNetwork(sizes)
    network.he.to(memory_format=torch.channels_last)
    set_marker_levels(network, learnt_from, sizes.patch_px // sizes.cell_px)
    if start is not None:
        fill_from(network, start)
    if config.tune:
        freeze_all_but(network, config.tune)
    network.to(device)
    sampler = BatchSampler(
        learnt_from,
        cohorts,
        dict(config.shares),
        batch_size=config.batch_size,
        cell_px=sizes.cell_px,
        patch_px=sizes.patch_px,
        seed=config.seed,
        across=config.across,
        step=_grid_step(network),
    )
    if config.epochs:
        steps = math.ceil(config.epochs * sampler.patches / config.batch_size / config.accumulate)
        config = replace(config, steps=max(1, steps))
    targets = MarkerTargets(sampler.groups, sizes.markers, sizes.patch_px // sizes.cell_px)
    reader = CaptionReader(sizes.text_features)
    records = {slide.entry.patient_id: slide.entry.record for slide in trained}
    stage = ImageStage(
        network,
        targets,
        RecordTargets(records, record_fields(config)),
        config,
        output,
        processes,
        tensorboard=request.tensorboard,
    )
    first = stage.resume() if request.resume else 0
    held = [slide.cached for slide in slides if slide.entry.patient_id in kept_out]
    done = first

    def draw_step(number: int) -> list[Batch]:
        return [sampler.draw(number * config.accumulate + i) for i in range(config.accumulate)]

    drawn = drawn_ahead(draw_step, range(first, config.steps))
    if first > stage.fixed_from:
        stage.fix_norms()
    while done < config.steps and not processes.agree(stage.stop.over):
        yield Progress(done, config.steps, "Training", "steps")
        if done == stage.fixed_from:
            count = max(_MEASURED_BATCHES, _MEASURED_PATCHES // config.batch_size)
            stage.measure_norms(sampler.draw(_FAR + i) for i in range(count))
            stage.fix_norms()
        stage.step_on(done, *next(drawn))
        done += 1
        if held and done % config.validate_every == 0 and done < config.steps:
            figures = validate(network, None, held)
            stage.log_validation(done, figures)
            stage.see(done, figures)
        if done % config.checkpoint_every == 0 or done == config.steps:
            stage.save(done)
    drawn.close()
    if stage.stop.patience and held and done == config.steps:
        stage.see(done, validate(network, None, held))
    stage.keep_best()
    taken = stage.stop.best_step or done
    processes.leave()
    if not processes.first:
        return TrainResult(output, taken, first, {})
    network.eval()
    heads = None
    if with_text:
        cases = yield from gather_cases(learnt_from, cohorts, network, targets, reader, config)
        heads = yield from fit_text(network.cpu(), cases, config, output)
    elif start is not None:
        heads = start.text_heads
    has_text = with_text or (start is not None and bool(sizes.text_features))
    figures = validate(network.cpu(), reader if has_text else None, held) if held else {}
    stage.log_validation(taken, figures)
    stage.curves.save()
    card = model_card(
        config,
        training_images(slides, config),
        [s.entry for s in slides],
        kept_out,
        figures,
        Made(
            steps=taken,
            processes=processes.count,
            device=device,
            start=None if start is None else {"name": start.name, "fingerprint": start.fingerprint},
            start_card=None if start is None else start.card,
        ),
    )
    shown = {name for slide in learnt_from for name in slide.markers}
    words = learn_words(captions)
    if start is not None:
        shown |= set(start.network.config.markers)
        words = words if with_text else start.tokenizer
    network.requires_grad_(True)
    known = network.known_markers_only(shown)
    model = CompactModel(known, words, card, choose_device("cpu"), "", text_heads=heads)
    model.save(output)
    return TrainResult(output, taken, first, figures)


def _grid_step(network: CompactNetwork) -> int:
    """How far apart places lie, in cells: what is frozen is read once at each of them.

    A tower that is tuned learns from more of them than there are patches side by side.
    """
    side = network.config.patch_px // network.config.cell_px
    frozen = [is_frozen(tower) for tower in (network.he, network.mif)]
    if all(frozen):
        return side
    return max(1, side // 2) if any(frozen) else 1


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
