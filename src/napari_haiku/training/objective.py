"""The pairwise contrastive objective."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional


def pairwise_clip(
    vectors: dict[str, Tensor], scale: Tensor, pairs: tuple[tuple[str, str], ...] | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Symmetric cross-entropy between every two modalities, averaged over the pairs.

    Parameters
    ----------
    vectors : dict of Tensor, each of shape (n, d)
        Row i of every modality shows the same tissue. Rows need not have unit
        length.
    scale : Tensor
        One over the temperature.
    pairs : tuple of pairs, optional
        Which modalities to compare; all of them by default.

    Returns
    -------
    Tensor
        The loss.
    dict of Tensor
        The part of each pair, keyed ``"he-mif"``.

    Raises
    ------
    ValueError
        Fewer than two rows or two modalities.

    References
    ----------
    Haiku, arXiv 2605.00925, pairwise CLIP objective.
    """
    unit = {name: functional.normalize(_at_least_float32(v), dim=1) for name, v in vectors.items()}
    chosen = pairs or tuple(combinations(unit, 2))
    rows = {len(v) for v in unit.values()}
    if not chosen or len(rows) != 1 or min(rows) < 2:
        raise ValueError("pairwise_clip needs two modalities with the same two or more rows")
    target = torch.arange(rows.pop(), device=scale.device)
    parts = {}
    for a, b in chosen:
        logits = unit[a] @ unit[b].T * scale
        parts[f"{a}-{b}"] = (
            functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        ) / 2
    return torch.stack(list(parts.values())).mean(), parts


def _at_least_float32(rows: Tensor) -> Tensor:
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
