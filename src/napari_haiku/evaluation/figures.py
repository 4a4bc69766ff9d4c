"""One figure of an evaluation: its value, its interval, what it rests on, and chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured quantity.

    Parameters
    ----------
    value : float or None
        The quantity; None where it cannot be measured on this cohort.
    ci : tuple of float, or None
        95 % interval, bootstrapped over patients; None where there are too few.
    n : int
        How many cases (patches, captions, patients or rows) it rests on.
    chance : float or None
        What a model that knows nothing would reach; None where there is no
        such value.
    note : str
        One sentence on how to read it.
    """

    value: float | None
    ci: tuple[float, float] | None
    n: int
    chance: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the figure as `report.json` holds it."""
        out: dict[str, Any] = {
            "value": _number(self.value),
            "ci": None if self.ci is None else [_number(limit) for limit in self.ci],
            "n": int(self.n),
            "chance": _number(self.chance),
        }
        if out["ci"] is not None and None in out["ci"]:
            out["ci"] = None
        return out | ({"note": self.note} if self.note else {})


def figures_to_json(content: Any) -> Any:
    """Turn nested mappings of figures into JSON's own types."""
    if isinstance(content, Figure):
        return content.to_json()
    if isinstance(content, Mapping):
        return {str(key): figures_to_json(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [figures_to_json(value) for value in content]
    if hasattr(content, "tolist"):
        return figures_to_json(content.tolist())
    if isinstance(content, float):
        return _number(content)
    return content


def _number(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(value)
