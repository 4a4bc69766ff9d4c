"""Caption vectors of length 1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def unit_captions(rows: Tensor, *, filled: bool) -> Tensor:
    """Bring caption vectors to length 1.

    Parameters
    ----------
    rows : Tensor, shape (..., dim)
        What a text head gives.
    filled : bool
        Whether the last coordinate, which no image has, takes what a vector
        lacks to length 1. A vector is then left as it is, so that cosines with
        images keep differing by what the head says and not by its length as
        well. Longer ones are still divided by their length.

    Returns
    -------
    Tensor, shape (..., dim)
    """
    if filled:
        rows = rows[..., :-1]
        rest = (1 - rows.square().sum(-1, keepdim=True)).clamp(min=0).sqrt()
        rows = torch.cat([rows, rest], -1)
    return functional.normalize(rows, dim=-1)
