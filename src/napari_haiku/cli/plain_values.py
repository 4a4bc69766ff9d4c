"""Results as JSON knows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(content: Any) -> Any:
    """Return `content` in JSON's own types; NaN and infinity become null."""
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple, set, frozenset)):
        return [plain(value) for value in content]
    if content is None or isinstance(content, (bool, int, str)):
        return content
    if hasattr(content, "tolist"):
        return plain(content.tolist())
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    return str(content)
