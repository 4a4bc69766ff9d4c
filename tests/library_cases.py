"""Small seeded inputs on which other libraries were asked; see scripts/make_library_goldens.py.

Needs nothing of this project, so that the libraries can be asked in an environment of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FILE = Path(__file__).parent / "golden_libraries.json"


def goldens() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def niche_grid(seed: int, width: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Patches of 100 um in bands of three niches, one in five of any niche, some places empty."""
    rng = np.random.default_rng(seed)
    columns, rows = np.arange(width**2) % width, np.arange(width**2) // width
    labels = 1 + np.minimum(3 * columns // width, 2)
    labels = np.where(rng.uniform(size=width**2) < 0.2, rng.integers(1, 4, width**2), labels)
    there = rng.uniform(size=width**2) < 0.9
    return np.column_stack([columns, rows])[there] * 100.0, labels[there]


def p_values() -> np.ndarray:
    p = np.random.default_rng(0).uniform(size=60) ** 2
    p[7] = np.nan
    return p


def stage_cohort(seed: int = 1, n: int = 60) -> pd.DataFrame:
    """Patients of two stages, with an outcome that also hangs on sex and age."""
    rng = np.random.default_rng(seed)
    stage = np.where(rng.uniform(size=n) < 0.5, "II", "IV")
    sex, age = rng.choice(["f", "m"], n), rng.integers(40, 80, n)
    y = 0.6 * (stage == "IV") + 0.4 * (sex == "m") + 0.02 * age + rng.normal(size=n)
    return pd.DataFrame({"stage": stage, "sex": sex, "age": age, "y": y})


def survival_cohort(
    seed: int = 0, n: int = 120, *, ties: bool = True
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Covariates, months and whether the patient died."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, 3)), columns=["age", "stage", "cells"])
    x["age"] = 60 + 10 * x["age"]
    hazard = 0.02 * np.exp(0.05 * (x["age"] - 60) + 0.7 * x["stage"])
    death, last = rng.exponential(1 / hazard), rng.uniform(5, 60, n)
    time = np.minimum(death, last)
    return x, np.ceil(time / 4) if ties else np.asarray(time), np.asarray(death <= last)


def in_thirds(x: pd.DataFrame) -> np.ndarray:
    return np.digitize(x["stage"], np.quantile(x["stage"], [1 / 3, 2 / 3])).astype(str)
