"""Optimiser steps of the published towers on what their frozen parts have left."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_haiku.errors import HaikuError
from napari_haiku.training.cached_gradients import Prepared
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.optimising import Optimising
from napari_haiku.training.published_parts import HEADS, CutTower
from napari_haiku.training.tuning import train_tuned
from napari_haiku.training.validation import recall

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from napari_haiku.model.published.haiku import Haiku
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.processes import Processes
    from napari_haiku.training.published_features import SlideFeatures

OFFERED = frozenset({"group", "teacher"})
# Patches kept out that are ranked at most.
_MOST_HELD = 1000
_AT_ONCE = 64

Pick = tuple["SlideFeatures", int]
Rows = slice | torch.Tensor


class PublishedStage(Optimising):
    """Steps of heads and last layers.

    Parameters
    ----------
    model : Haiku
        Its towers are trained in place.
    parts : dict of CutTower
        The towers, cut before their first tuned layer.
    slides : list of SlideFeatures
        Slides to train on.
    config, output, processes, tensorboard
        See :class:`Optimising`.
    """

    def __init__(
        self,
        model: Haiku,
        parts: dict[str, CutTower],
        slides: list[SlideFeatures],
        config: TrainConfig,
        output: Path,
        processes: Processes | None = None,
        *,
        tensorboard: bool = False,
    ) -> None:
        self.parts = parts
        self._dim = model.dim
        self.device = torch.device(model.device.torch_name)
        objective = build_objective(config.objectives, dim=model.dim).to(self.device)
        trained = [name for name in (*parts, *HEADS) if hasattr(model.towers, name)]
        super().__init__(
            model.towers, trained, objective, config, output, processes, tensorboard=tensorboard
        )
        wants_start = "teacher" in objective.everything_needed
        self._start: dict[str, CutTower] = {}
        if wants_start:
            before = copy.deepcopy(model.towers).eval()
            # Cut before the copy is frozen: it must begin where the features end.
            self._start = {name: CutTower(before, name) for name in parts}
            before.requires_grad_(False)
        train_tuned(model.towers)
        shares = dict(config.shares)
        self._cohorts = sorted({slide.cohort for slide in slides})
        weights = np.array([shares.get(name, 1.0) for name in self._cohorts])
        if not weights.sum():
            raise HaikuError("'shares' leaves no cohort to train on: give one a share above 0.")
        self._weights = weights / weights.sum()
        self._picks: dict[str, list[Pick]] = {
            name: [(s, i) for s in slides if s.cohort == name for i in range(s.patches)]
            for name in self._cohorts
        }

    @property
    def patches(self) -> int:
        """Number of patches to train on."""
        return sum(len(picks) for picks in self._picks.values())

    def kept_state(self) -> dict[str, Any]:
        """Return what is tuned, and what its batch norms have seen; the rest never changes."""
        tuned = {name for name, p in self.network.named_parameters() if p.requires_grad}
        seen = {name for name, _ in self.network.named_buffers()}
        state = self.network.state_dict()
        return {name: value for name, value in state.items() if name in tuned | seen}

    def step_on(self, number: int) -> None:
        """Take one optimiser step on batches drawn by its number alone."""
        first = number * self.config.accumulate
        self.step(number, [self._prepare(first + i) for i in range(self.config.accumulate)])

    def _draw(self, number: int) -> list[Pick]:
        rng = np.random.default_rng([self.config.seed, number])
        counts = rng.multinomial(self.config.batch_size, self._weights)
        chosen: list[Pick] = []
        for name, count in zip(self._cohorts, counts, strict=True):
            picks = self._picks[name]
            some = rng.choice(len(picks), min(int(count), len(picks)), replace=False)
            chosen += [picks[int(i)] for i in some]
        return chosen

    def _prepare(self, number: int) -> Prepared:
        picks = self._draw(number)
        kept = {name: self._kept(name, picks) for name in self.parts}
        there = {name: rows for name, rows in kept.items() if rows is not None}
        present = {
            name: torch.tensor(
                [getattr(slide, name) is not None for slide, _ in picks], device=self.device
            )
            for name in there
        }
        patients = _numbers([slide.entry.patient_id for slide, _ in picks])
        regions = _numbers([f"{slide.cohort}/{slide.entry.slide_id}" for slide, _ in picks])
        texts = _numbers(
            [s.captions[i] if s.captions else f"\0{n}" for n, (s, i) in enumerate(picks)]
        )
        group = {
            name: torch.tensor(rows, device=self.device)
            for name, rows in (("patient", patients), ("region", regions), ("text", texts))
        }
        everything = slice(0, len(picks))
        with torch.no_grad():
            teacher = {
                name: self._encode(self._start[name], *there[name], everything)
                for name in there
                if self._start
            }
        steps = self.config.steps * self.config.accumulate

        def given(vectors: dict[str, Tensor]) -> ContrastiveBatch:
            return ContrastiveBatch(
                vectors, present=present, group=group, teacher=teacher, progress=number / steps
            )

        return Prepared(
            len(picks),
            {name: self._encoder(name, *rows, present[name]) for name, rows in there.items()},
            given,
        )

    def _encoder(
        self, name: str, rows: Tensor, mask: Tensor | None, present: Tensor
    ) -> Callable[[slice], Tensor]:
        """Encode what is there; a head's batch norm must see nothing else."""
        part = self.parts[name]

        def encode(some: slice) -> Tensor:
            here = present[some].nonzero()[:, 0] + some.start
            out = torch.zeros((some.stop - some.start, self._dim), device=self.device)
            if not len(here):
                return out
            modes = [(module, module.training) for module in part.head.modules()]
            if len(here) == 1:
                # One row has no spread: the running one serves.
                part.head.eval()
            vectors = self._encode(part, rows, mask, here)
            for module, training in modes:
                module.training = training
            return out.index_copy(0, here - some.start, vectors)

        return encode

    def _encode(self, part: CutTower, rows: Tensor, mask: Tensor | None, some: Rows) -> Tensor:
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            vectors = part.after(rows[some], None if mask is None else mask[some])
        return vectors.float()

    def _kept(self, name: str, picks: list[Pick]) -> tuple[Tensor, Tensor | None] | None:
        """Features of some patches, nought where a slide has none, and the mask of captions."""
        found = [None if (a := getattr(s, name)) is None else np.asarray(a[i]) for s, i in picks]
        shapes = [row.shape for row in found if row is not None]
        if not shapes:
            return None
        # Captions of several slides differ in length.
        shape = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
        rows = np.zeros((len(picks), *shape), np.float32)
        for at, row in enumerate(found):
            if row is not None:
                rows[at][tuple(slice(size) for size in row.shape)] = row
        mask = None
        if name == "text" and self.parts[name].layer is not None:
            attended = np.zeros((len(picks), shape[0]), np.int64)
            # A row without a caption attends to its first, empty place.
            attended[:, 0] = 1
            for at, (slide, i) in enumerate(picks):
                if slide.text_mask is not None:
                    attended[at, : slide.text_mask.shape[1]] = slide.text_mask[i]
            mask = torch.from_numpy(attended).to(self.device)
        return torch.from_numpy(rows).to(self.device), mask

    def validate(self, slides: list[SlideFeatures]) -> dict[str, float]:
        """Recall between the modalities of patches kept out; see ``validation.validate``."""
        each = max(1, _MOST_HELD // max(1, len(slides)))
        whole = [s for s in slides if all(getattr(s, name) is not None for name in self.parts)]
        picks: list[Pick] = [(s, i) for s in whole for i in range(min(s.patches, each))]
        if not picks:
            return {}
        modes = [(module, module.training) for module in self.network.modules()]
        self.network.eval()
        found: dict[str, list[Any]] = {name: [] for name in self.parts}
        with torch.inference_mode():
            for start in range(0, len(picks), _AT_ONCE):
                some = picks[start : start + _AT_ONCE]
                for name, part in self.parts.items():
                    kept = self._kept(name, some)
                    assert kept is not None  # noqa: S101  of slides that have everything
                    rows = self._encode(part, *kept, slice(0, len(some)))
                    found[name].append(functional.normalize(rows, dim=1).cpu().numpy())
        for module, training in modes:
            module.training = training
        patients = np.array([slide.entry.patient_id for slide, _ in picks])
        return recall({name: np.concatenate(rows) for name, rows in found.items()}, patients)


def _numbers(names: list[str]) -> list[int]:
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]
