"""Training of a model of the published architecture: last layers and heads."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.model.devices import choose_device
from napari_haiku.model.published.haiku import CARD, CONFIG, TOKENIZER, WEIGHTS
from napari_haiku.storage import write_bytes, write_json, write_text
from napari_haiku.training.card import Made, model_card
from napari_haiku.training.cohort import split_entries
from napari_haiku.training.image_stage import check_needs
from napari_haiku.training.objectives import build_objective
from napari_haiku.training.published_features import slide_features
from napari_haiku.training.published_parts import CutTower, published_rates, published_tune
from napari_haiku.training.published_stage import OFFERED, PublishedStage
from napari_haiku.training.request import TrainRequest, TrainResult
from napari_haiku.training.tuning import freeze_all_but

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_haiku.model.published.haiku import Haiku
    from napari_haiku.training.checks import CohortRows
    from napari_haiku.training.processes import Processes


def train_published(
    request: TrainRequest, model: Haiku, read: CohortRows, processes: Processes
) -> Generator[Progress, None, TrainResult]:
    """Tune a model of the published architecture on a cohort.

    Raises
    ------
    HaikuError
        The cohort or a setting does not fit the model.
    """
    config, output = request.config, request.output
    config = replace(
        config,
        tune=config.tune or published_tune(model.config),
        rates=dict(config.rates) or published_rates(model.config),
    )
    freeze_all_but(model.towers, config.tune)
    check_needs(config.objectives, OFFERED)
    build_objective(config.objectives, dim=model.dim)
    if model.config.text is not None and model.tokenizer is None:
        raise HaikuError(f"The model {model.name} has no tokenizer: convert its bundle again.")
    device = processes.device(choose_device(request.device).torch_name)
    model.device = choose_device(device)
    model.towers.to(device).float()
    names = ["he", "mif"]
    if model.config.text is not None and config.text_steps:
        names.append("text")
    parts = {name: CutTower(model.towers, name) for name in names}
    if not processes.first:
        processes.wait()
    cache = request.cache or output / "cache"
    slides = yield from slide_features(read.rows, model, parts, config, cache / "features")
    if processes.first:
        processes.wait()
    if not any(slide.captions for slide in slides):
        parts.pop("text", None)
    kept_out = split_entries([(s.cohort, s.entry) for s in slides], config, read.kept_out)
    trained = [slide for slide in slides if slide.entry.patient_id not in kept_out]
    held = [slide for slide in slides if slide.entry.patient_id in kept_out]
    if config.patience and not held:
        raise HaikuError(
            "'patience' needs patients kept out to measure on, and the cohort has too few to "
            "spare one: leave patience out."
        )
    if config.epochs:
        patches = sum(slide.patches for slide in trained)
        per_step = min(config.batch_size, patches) * config.accumulate
        config = replace(config, steps=math.ceil(config.epochs * patches / per_step))
    torch.manual_seed(config.seed)
    stage = PublishedStage(
        model, parts, trained, config, output, processes, tensorboard=request.tensorboard
    )
    first = stage.resume() if request.resume else 0
    done = first
    while done < config.steps and not processes.agree(stage.stop.over):
        yield Progress(done, config.steps, "Training", "steps")
        stage.step_on(done)
        done += 1
        if held and done % config.validate_every == 0 and done < config.steps:
            figures = stage.validate(held)
            stage.log_validation(done, figures)
            stage.see(done, figures)
        if done % config.checkpoint_every == 0 or done == config.steps:
            stage.save(done)
    if stage.stop.patience and held and done == config.steps:
        stage.see(done, stage.validate(held))
    stage.keep_best()
    taken = stage.stop.best_step or done
    processes.leave()
    if not processes.first:
        return TrainResult(output, taken, first, {})
    figures = stage.validate(held) if held else {}
    stage.log_validation(taken, figures)
    stage.curves.save()
    images = [
        {"fingerprint": fingerprint, "region_um": list(region) if region else None}
        for slide in slides
        for fingerprint in slide.fingerprints
        for region in [config.regions_um.get(slide.entry.slide_id)]
    ]
    start = {"name": model.name, "fingerprint": model.fingerprint}
    made = Made(taken, processes.count, device, start, model.card)
    card = model_card(config, images, [s.entry for s in slides], kept_out, figures, made)
    _save(request, model, card)
    return TrainResult(output, taken, first, figures)


def _save(request: TrainRequest, model: Haiku, card: dict[str, object]) -> None:
    """Write the model folder beside checkpoint and curves, its configuration last."""
    output = request.output
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.towers.state_dict().items()
    }
    stored = {**model.stored, "name": request.config.name[:60]}
    write_bytes(output / WEIGHTS, save(weights))
    if model.tokenizer is not None:
        model.tokenizer.no_truncation()
        model.tokenizer.no_padding()
        write_text(output / TOKENIZER, model.tokenizer.to_str(pretty=True) + "\n")
    write_json(output / CARD, card)
    write_json(output / CONFIG, stored)
