"""The training run: cohort in, model folder out."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress
from napari_haiku.markers import vocabulary
from napari_haiku.model.compact.config import CompactConfig
from napari_haiku.model.compact.model import CompactModel
from napari_haiku.model.compact.network import CompactNetwork
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.model.compact.words import learn_words, word_ids
from napari_haiku.model.devices import choose_device
from napari_haiku.storage import write_bytes, write_text
from napari_haiku.training.augmentation import drop_channels, vary_intensity, vary_stain
from napari_haiku.training.captions import training_caption
from napari_haiku.training.card import model_card
from napari_haiku.training.cohort import (
    TrainingSlide,
    cache_cohorts,
    open_cohorts,
    split_patients,
    training_images,
)
from napari_haiku.training.objective import pairwise_clip
from napari_haiku.training.sampler import Batch, BatchSampler
from napari_haiku.training.validation import validate

if TYPE_CHECKING:
    from collections.abc import Generator

    from tokenizers import Tokenizer

    from napari_haiku.training.config import TrainConfig

# Captions drawn per record when the words are learnt, so that every template occurs.
CAPTIONS_PER_RECORD = 12


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
    """Train a compact model with the plain pairwise contrastive objective.

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
    slides = open_cohorts(request.manifest, config, request.config_folder)
    output.mkdir(parents=True, exist_ok=True)
    kept_out = split_patients(slides, config)
    words = learn_words(_captions(slides, kept_out, config))
    sizes = CompactConfig(
        name=config.name,
        markers=vocabulary(),
        vocabulary_size=words.get_vocab_size(),
        he_width=config.he_width,
        dim=config.dim,
    )
    cached = yield from cache_cohorts(slides, config, sizes, request.cache or output / "cache")
    for_training = [i for i, s in enumerate(slides) if s.entry.patient_id not in kept_out]
    sampler = BatchSampler(
        [cached[i] for i in for_training],
        [slides[i].cohort for i in for_training],
        dict(config.shares),
        batch_size=config.batch_size,
        cell_px=sizes.cell_px,
        patch_px=sizes.patch_px,
        seed=config.seed,
    )
    torch.manual_seed(config.seed)
    network = CompactNetwork(sizes)
    network.he.to(memory_format=torch.channels_last)
    run = _Run(network, words, config, output)
    first = run.resume() if request.resume else 0
    held = [cached[i] for i, s in enumerate(slides) if s.entry.patient_id in kept_out]
    figures: dict[str, float] = {}
    for step in range(first, config.steps):
        yield Progress(step, config.steps, "Training", "steps")
        run.step(step, sampler.draw(step))
        done = step + 1
        if held and (done % config.validate_every == 0 or done == config.steps):
            figures = validate(network, words, held)
            run.log_validation(done, figures)
        if done % config.checkpoint_every == 0 or done == config.steps:
            run.save(done)
    card = model_card(
        config, training_images(slides, config), [s.entry for s in slides], kept_out, figures
    )
    shown = {name for i in for_training for name in cached[i].markers}
    known = network.known_markers_only(shown)
    CompactModel(known, words, card, choose_device("cpu"), "").save(output)
    return TrainResult(output, config.steps, first, figures)


class _Run:
    """The moving parts of a run: optimiser, curves, checkpoint."""

    def __init__(
        self, network: CompactNetwork, words: Tokenizer, config: TrainConfig, output: Path
    ) -> None:
        self.network, self.words, self.config, self.output = network, words, config, output
        decayed = [p for p in network.parameters() if p.ndim > 1]
        plain = [p for p in network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            config.learning_rate,
        )
        self.curves: list[dict[str, Any]] = []

    def step(self, number: int, batch: Batch) -> None:
        """Take one optimiser step."""
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        warm = min(1.0, (number + 1) / max(1, config.warm_up))
        rate = config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * number / config.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        # Dropout of the text tower draws from torch's own generator.
        torch.manual_seed(config.seed * 1_000_003 + number)
        vectors = self._vectors(batch, generator, number)
        scale = self.network.log_temperature.exp().clamp(max=100)
        loss, parts = pairwise_clip(vectors, scale)
        if not torch.isfinite(loss):
            raise HaikuError(
                f"Training diverged at step {number}: lower learning_rate and start again."
            )
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.curves.append({"step": number + 1, "figure": "loss", "value": float(loss.detach())})
        self.curves += [
            {"step": number + 1, "figure": f"loss {name}", "value": float(part.detach())}
            for name, part in parts.items()
        ]

    def _vectors(
        self, batch: Batch, generator: torch.Generator, number: int
    ) -> dict[str, torch.Tensor]:
        vectors = {}
        if batch.he is not None:
            image = torch.from_numpy(batch.he).permute(0, 3, 1, 2).float()
            vectors["he"] = self.network.he(he_normalise(vary_stain(image, generator)))
        if batch.cells is not None:
            keep = drop_channels(len(batch.markers), generator)
            cells = vary_intensity(torch.from_numpy(batch.cells)[:, keep], generator)
            ids = self.network.marker_ids(tuple(batch.markers[int(i)] for i in keep))
            vectors["mif"] = self.network.mif(cells, ids)
        if batch.with_text:
            captions = [
                training_caption(
                    slide.record, self.config.dropped_fields, (self.config.seed, number, i)
                )
                for i, slide in enumerate(batch.slides)
            ]
            ids_ = word_ids(self.words, captions, self.network.config.text_length)
            vectors["text"] = self.network.text(torch.from_numpy(ids_))
        return vectors

    def log_validation(self, step: int, figures: dict[str, float]) -> None:
        """Add figures on the patients kept out to the curves."""
        self.curves += [
            {"step": step, "figure": f"validation {name}", "value": value}
            for name, value in figures.items()
        ]

    def save(self, step: int) -> None:
        """Write checkpoint and curves, each whole or not at all."""
        stream = io.BytesIO()
        torch.save(
            {
                "step": step,
                "config": self.config.to_json(),
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "curves": self.curves,
            },
            stream,
        )
        write_bytes(self.output / "checkpoint.pt", stream.getvalue())
        table = io.StringIO()
        writer = csv.DictWriter(table, ["step", "figure", "value"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.curves)
        write_text(self.output / "curves.csv", table.getvalue())

    def resume(self) -> int:
        """Go back to the last checkpoint; returns the steps it has behind it."""
        file = self.output / "checkpoint.pt"
        if not file.is_file():
            return 0
        state = torch.load(file, weights_only=True)
        if state["config"] != self.config.to_json():
            changed = sorted(
                k for k, v in self.config.to_json().items() if state["config"].get(k) != v
            )
            raise HaikuError(
                f"{self.output.name} was started with another {', '.join(changed)}: give the same "
                "settings, or another folder."
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.curves = state["curves"]
        return int(state["step"])


def _captions(slides: list[TrainingSlide], kept_out: set[str], config: TrainConfig) -> list[str]:
    records = [s.entry.record for s in slides if s.entry.patient_id not in kept_out]
    return [
        training_caption(record, config.dropped_fields / 2, (config.seed, i, draw))
        for i, record in enumerate(records)
        for draw in range(CAPTIONS_PER_RECORD)
        if record
    ]
