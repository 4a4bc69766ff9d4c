"""Optimiser steps of the two image towers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_haiku.errors import HaikuError
from napari_haiku.model.compact.preprocessing import he_normalise
from napari_haiku.training.augmentation import (
    drop_channels,
    vary_intensity,
    vary_range,
    vary_stain,
)
from napari_haiku.training.cached_gradients import Prepared
from napari_haiku.training.frozen_vectors import FrozenVectors
from napari_haiku.training.norms import fix_norms, measure_norms, moving_norms
from napari_haiku.training.objectives import ContrastiveBatch, build_objective
from napari_haiku.training.objectives.base import NEEDS
from napari_haiku.training.objectives.registry import named
from napari_haiku.training.optimising import Optimising
from napari_haiku.training.tuning import is_frozen, train_tuned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.marker_targets import MarkerTargets
    from napari_haiku.training.objectives.registry import Recipe
    from napari_haiku.training.processes import Processes
    from napari_haiku.training.record_targets import RecordTargets
    from napari_haiku.training.sampler import Batch

TOWERS = ("he", "mif")
# Patches that go through the tower at a time when its batch norms are measured.
_PIECE = 128
OFFERED = frozenset({"group", "expression", "place_expression", "record"})


class ImageStage(Optimising):
    """Steps of the compact model's image towers.

    Parameters
    ----------
    network : CompactNetwork
        The towers; trained in place.
    targets : MarkerTargets
        Standardised marker means.
    record : RecordTargets
        Standardised fields of the record.
    config : TrainConfig
        Recipe.
    output : Path
        Folder of checkpoint and curves.
    processes : Processes, optional
        The processes that share each step.
    tensorboard : bool
        Whether curves also go to TensorBoard.
    """

    def __init__(
        self,
        network: CompactNetwork,
        targets: MarkerTargets,
        record: RecordTargets,
        config: TrainConfig,
        output: Path,
        processes: Processes | None = None,
        *,
        tensorboard: bool = False,
    ) -> None:
        self.targets = targets
        self._record = record
        self.device = network.mif.summary.device
        objective = build_objective(
            told(config.objectives),
            dim=network.config.dim,
            markers=targets.width,
            maps=network.he.place_maps,
            levels=record.width,
        ).to(self.device)
        super().__init__(
            network, TOWERS, objective, config, output, processes, tensorboard=tensorboard
        )
        self.network: CompactNetwork = network
        self.frozen = {
            name: FrozenVectors(network, name)
            for name in TOWERS
            if is_frozen(getattr(network, name))
        }
        wants_start = "teacher" in objective.everything_needed
        self._by_place = "place_expression" in objective.everything_needed
        for name in sorted({"place_expression", "record"} & set(objective.weights)):
            if "he" in self.frozen:
                raise HaikuError(
                    f"The objective {name} teaches the H&E tower, which 'tune' leaves as it is: "
                    "tune it, or leave the objective out."
                )
        self._start = copy.deepcopy(network).eval().requires_grad_(False) if wants_start else None
        train_tuned(network)

    def kept_state(self) -> dict[str, Any]:
        """Return the image towers: what captions need is fitted after them."""
        return {
            name: value
            for name, value in self.network.state_dict().items()
            if name.partition(".")[0] in TOWERS
        }

    @property
    def fixed_from(self) -> int:
        """First step that is taken with the statistics of batch norms kept."""
        return self.config.steps - round(self.config.fixed_norms * self.config.steps)

    def fix_norms(self) -> None:
        """Keep the statistics of the batch norms as they are from here on."""
        fix_norms(self.network)

    def measure_norms(self, batches: Iterable[Batch]) -> None:
        """Measure the statistics of the H&E tower's batch norms over batches of all cohorts."""
        if not moving_norms(self.network.he):
            return
        generator = torch.Generator().manual_seed(self.config.seed)
        varied: list[Tensor] = []
        for batch in batches:
            if batch.he is not None:
                # No more of a batch than makes a piece: a large one would fill the memory.
                he = batch.he
                if len(he) > _PIECE:
                    he = he[torch.randperm(len(he), generator=generator)[:_PIECE].numpy()]
                varied += self._varied(he, batch.cohort, generator).half()
        if not varied:
            return
        order = torch.randperm(len(varied), generator=generator).tolist()
        pieces = [order[i : i + _PIECE] for i in range(0, len(order), _PIECE)]

        def encode(image: Tensor) -> object:
            with self._halved():
                return self.network.he(he_normalise(image.to(self.device)))

        measure_norms(
            self.network.he,
            encode,
            (torch.stack([varied[i] for i in piece]).float() for piece in pieces if len(piece) > 1),
        )

    def step_on(self, number: int, *batches: Batch) -> None:
        """Take one optimiser step on one batch, or on the sum of several."""
        first = number * len(batches)
        self.step(number, [self._prepare(first + i, batch) for i, batch in enumerate(batches)])

    def _prepare(self, number: int, batch: Batch) -> Prepared:
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        encoders: dict[str, Callable[[slice], Tensor]] = {}
        teacher: dict[str, Tensor] = {}
        if batch.he is not None:
            encoders["he"], start = self._read_he(batch, generator)
            if start is not None:
                teacher["he"] = start
        if batch.cells is not None:
            encoders["mif"], start = self._read_mif(batch, generator)
            if start is not None:
                teacher["mif"] = start
        numbers = {name: i for i, name in enumerate(sorted({s.patient_id for s in batch.slides}))}
        patients = torch.tensor([numbers[slide.patient_id] for slide in batch.slides])
        expression = torch.from_numpy(self.targets.of(batch)).to(self.device)
        records = [slide.record for slide in batch.slides]
        record = torch.from_numpy(self._record.of(records)).to(self.device)
        places = None
        if self._by_place and batch.he is not None and batch.cells is not None:
            places = torch.from_numpy(self.targets.of_places(batch)).to(self.device)
        steps = config.steps * config.accumulate

        def given(vectors: dict[str, Tensor]) -> ContrastiveBatch:
            vectors, tokens = _apart(vectors, self.network.config.dim, self.network.he.place_maps)
            return ContrastiveBatch(
                vectors,
                tokens=tokens,
                place_expression=places,
                group={"patient": patients.to(self.device)},
                expression=expression,
                record=record,
                teacher=teacher,
                progress=number / steps,
            )

        return Prepared(len(batch.slides), encoders, given)

    def _read_he(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[Callable[[slice], Tensor], Tensor | None]:
        if "he" in self.frozen:
            kept = self.frozen["he"].of(batch)
            return lambda rows: kept[rows], None if self._start is None else kept
        assert batch.he is not None  # noqa: S101  asked by the caller
        varied = self._varied(batch.he, batch.cohort, generator)

        def encode(
            rows: slice, network: CompactNetwork = self.network, *, by_place: bool = self._by_place
        ) -> Tensor:
            with self._halved():
                vectors, places = network.he.with_places(he_normalise(varied[rows].to(self.device)))
            if not by_place:
                return vectors.float()
            return torch.cat([vectors, places.flatten(2).transpose(1, 2).flatten(1)], 1).float()

        return encode, self._starting(partial(encode, by_place=False), len(varied))

    def _varied(self, he: NDArray[np.uint8], cohort: str, generator: torch.Generator) -> Tensor:
        image = torch.from_numpy(he).permute(0, 3, 1, 2).float()
        return vary_stain(image, generator, self.config.stain_jitter.get(cohort, 1.0))

    def _halved(self) -> torch.autocast:
        half = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _read_mif(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[Callable[[slice], Tensor], Tensor | None]:
        if "mif" in self.frozen:
            kept = self.frozen["mif"].of(batch)
            return lambda rows: kept[rows], None if self._start is None else kept
        keep = drop_channels(len(batch.markers), generator)
        cells = vary_intensity(torch.from_numpy(batch.cells)[:, keep], generator)
        ids = self.network.marker_ids(tuple(batch.markers[int(i)] for i in keep))
        ranges = vary_range(torch.from_numpy(log_ranges(batch))[:, keep], generator)

        def encode(rows: slice, network: CompactNetwork = self.network) -> Tensor:
            vectors: Tensor = network.mif(
                cells[rows].to(self.device), ids, ranges[rows].to(self.device)
            )
            return vectors

        return encode, self._starting(encode, len(cells))

    @torch.no_grad()
    def _starting(self, encode: Callable[..., Tensor], size: int) -> Tensor | None:
        """Vectors that the starting model gives the same patches."""
        return None if self._start is None else encode(slice(0, size), self._start)


def _apart(
    encoded: dict[str, Tensor], dim: int, maps: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part what a tower gave into vectors (n, dim) and tokens (n, places, maps)."""
    tokens = {
        name: rows[:, dim:].reshape(len(rows), -1, maps)
        for name, rows in encoded.items()
        if rows.shape[1] > dim
    }
    return {name: rows[:, :dim] for name, rows in encoded.items()}, tokens


def check_needs(recipe: Recipe, offered: frozenset[str]) -> None:
    """Make sure that a run offers what the objectives of its recipe need.

    Raises
    ------
    HaikuError
        It does not, or there is no objective of such a name.
    """
    for name in recipe:
        for what in sorted(named(name).needs):
            if what not in offered:
                advice = (
                    "start from a model with --start-from, or choose another objective"
                    if what == "teacher"
                    else "choose another objective"
                )
                raise HaikuError(
                    f"The objective {name} needs {NEEDS[what]}, which this run does not offer: "
                    f"{advice}."
                )


def log_ranges(batch: Batch) -> NDArray[np.float32]:
    """Logarithm of each channel's range over its slide, float32 (n, c)."""
    missing = np.full(len(batch.markers), np.nan, np.float32)
    return np.stack(
        [missing if s.scaling is None else s.scaling.log_range for s in batch.slides]
    ).astype(np.float32)


def told(recipe: Any) -> dict[str, Any]:
    """Tell objectives what the stage does for them: standardise, and choose fields."""
    out = dict(recipe)
    if isinstance(out.get("record"), Mapping):
        out["record"] = {name: value for name, value in out["record"].items() if name != "fields"}
    if "expression" in out:
        entry = out["expression"]
        options = dict(entry) if isinstance(entry, dict) else {"weight": entry}
        out["expression"] = {"standardise": False, **options}
    return out
