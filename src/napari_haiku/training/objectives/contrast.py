"""Cross-entropies over similarities, in log space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def unit_rows(rows: Tensor) -> Tensor:
    """Rows of unit length; a row of zeros stays zero with a finite gradient."""
    return functional.normalize(rows, dim=-1, eps=1e-6)


def log_softmax_nll(
    logits: Tensor,
    positives: Tensor,
    log_weights: Tensor | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """Negative log-probability of each row's positive column.

    Parameters
    ----------
    logits : Tensor (n, m)
    positives : integer Tensor (n,)
        Column of each row's positive.
    log_weights : Tensor (n, m), optional
        Logarithm of how much each column counts in the denominator; minus
        infinity leaves it out. Added to the logits, so nothing is exponentiated
        before the maximum is taken off.
    smoothing : float
        Share of the target spread over all columns that count.

    Returns
    -------
    Tensor (n,)
    """
    weighed = logits if log_weights is None else logits + log_weights
    denominator = weighed.logsumexp(1)
    positive = logits.gather(1, positives[:, None])[:, 0]
    nll = denominator - positive
    if not smoothing:
        return nll
    if log_weights is None:
        spread = denominator - logits.mean(1)
    else:
        counts = torch.isfinite(log_weights)
        spread = denominator - logits.where(counts, 0).sum(1) / counts.sum(1)
    return (1 - smoothing) * nll + smoothing * spread


def soft_nll(logits: Tensor, targets: Tensor, log_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of each row with a target distribution over the columns.

    Columns with a target of zero may be left out by `log_weights`.
    """
    weighed = logits if log_weights is None else logits + log_weights
    nll = weighed.logsumexp(1, keepdim=True) - logits
    return (targets * nll).sum(1)


def diagonal(n: int, like: Tensor) -> Tensor:
    """Positives of a square comparison: row i belongs to column i."""
    return torch.arange(n, device=like.device)
