"""The text side of a run: one head on all patients, others on bootstraps of them."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_haiku.jobs import Progress
from napari_haiku.model.compact.text_heads import TextHeads
from napari_haiku.storage import write_bytes
from napari_haiku.training.text_discriminant import FITTED_WITH, Discriminant
from napari_haiku.training.text_heads import FittedHead, fit_head

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_haiku.model.compact.network import CompactNetwork
    from napari_haiku.training.config import TrainConfig
    from napari_haiku.training.text_cases import TextCases
    from napari_haiku.training.text_discriminant import RecordCoordinates

FOLDER = "text_heads"


def fit_text(
    network: CompactNetwork,
    cases: TextCases,
    config: TrainConfig,
    output: Path,
) -> Generator[Progress, None, TextHeads | None]:
    """Fit the text head of a network, and refit it on bootstraps of the patients.

    Each head is kept in `output` as soon as it is done, so that a run that was
    stopped goes on with the next.

    Returns
    -------
    TextHeads or None
        The refitted heads; None where the recipe asks for none.
    """
    heads = []
    stamp = _stamp(network, cases, config)
    coordinates = None
    if config.record_dim:
        coordinates = Discriminant(cases, config, seed=0, resample=False).coordinates()
        with torch.no_grad():
            network.record.weight.copy_(torch.from_numpy(coordinates.weight))
            network.record.bias.copy_(torch.from_numpy(coordinates.bias))
    for number in range(config.text_heads + 1):
        file = output / FOLDER / stamp / f"head_{number:02}.npz"
        if file.is_file():
            with np.load(file) as kept:
                head = FittedHead(kept["weight"], kept["bias"])
        else:
            head = yield from _fit(cases, config, number, coordinates)
            _keep(file, head)
        heads.append(head)
    with torch.no_grad():
        network.text.head.weight.copy_(torch.from_numpy(heads[0].weight))
        network.text.head.bias.copy_(torch.from_numpy(heads[0].bias))
    if not config.text_heads:
        return None
    return TextHeads(
        np.stack([head.weight for head in heads[1:]]).astype(np.float16),
        np.stack([head.bias for head in heads[1:]]).astype(np.float16),
        network.config.text_filled,
    )


def _fit(
    cases: TextCases, config: TrainConfig, number: int, coordinates: RecordCoordinates | None
) -> Generator[Progress, None, FittedHead]:
    if config.text_method == "contrast":
        return (yield from fit_head(cases, config, seed=number, resample=number > 0))
    yield Progress(number, config.text_heads + 1, "Fitting the text head", "heads")
    return Discriminant(cases, config, seed=number, resample=number > 0).head(coordinates)


def _stamp(network: CompactNetwork, cases: TextCases, config: TrainConfig) -> str:
    """Name what heads depend on: kept ones are used again only for the very same."""
    digest = hashlib.sha256(json.dumps(config.text_settings(), sort_keys=True).encode())
    digest.update(json.dumps(network.config.to_json(), sort_keys=True).encode())
    if config.text_method == "discriminant":
        digest.update(repr(FITTED_WITH).encode())
    for part in (cases.he, cases.mif, cases.captions):
        if part is not None:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:12]


def _keep(file: Path, head: FittedHead) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.savez(stream, weight=head.weight, bias=head.bias)
    write_bytes(file, stream.getvalue())
