"""What a worker of a cluster does: one chunk of one slide."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

from napari_haiku.encoding.clock import Clock
from napari_haiku.encoding.pieces import Piece, Span, computed
from napari_haiku.encoding.towers import Towers
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.model.base import TissueModel

# The slide at hand and its model, opened once per worker: by the key of what was asked.
_OPENED: dict[str, tuple[TissueModel, Towers, int | None]] = {}
_MODELS: dict[bytes, TissueModel] = {}
_ONE_AT_A_TIME = threading.Lock()


def encode_chunk(
    payload: bytes, key: str, span: Span, reduced: Mapping[int, int]
) -> tuple[list[Piece], dict[str, float]]:
    """Compute one chunk.

    Parameters
    ----------
    payload : bytes
        How to open the model, the request, the grid and the description.
    key : str
        Identifies the payload.
    span : tuple of int
        First patch, and one behind the last.
    reduced : mapping
        See :class:`napari_haiku.encoding.pieces.Work`.

    Returns
    -------
    list of Piece
        One per batch.
    dict
        Seconds per step.

    Raises
    ------
    HaikuError
        The worker has another model, or an image cannot be read there.
    """
    # A worker with several threads would share one device among them.
    with _ONE_AT_A_TIME:
        model, towers, asked = _opened(payload, key)
        clock = Clock()
        with computed(model, towers, [span], asked, reduced, clock) as pieces:
            return [piece for piece in pieces if piece is not None], clock.seconds


def _opened(payload: bytes, key: str) -> tuple[TissueModel, Towers, int | None]:
    if key not in _OPENED:
        # Made by the client of this cluster, who may run anything here anyway.
        load, request, grid, description = pickle.loads(payload)  # noqa: S301
        model = _model(load)
        wanted = description["model"]
        if model.fingerprint != wanted["fingerprint"]:
            raise HaikuError(
                f"A worker has another model under the name {wanted['name']}: give all machines "
                "the same model folder."
            )
        _OPENED.clear()
        _OPENED[key] = (
            model,
            Towers(request, model, grid, description),
            request.batch_size,
        )
    return _OPENED[key]


def _model(load: Any) -> TissueModel:
    name = pickle.dumps(load)
    if name not in _MODELS:
        _MODELS.clear()
        _MODELS[name] = load()
    return _MODELS[name]
