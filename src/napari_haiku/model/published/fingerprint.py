"""A hash by which encodings and atlases remember a model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping


def fingerprint(config: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> str:
    """Hash a model's configuration and weights, whatever their order."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for key in sorted(weights):
        digest.update(key.encode())
        numbers = weights[key].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(numbers.numpy().data)
    return digest.hexdigest()
