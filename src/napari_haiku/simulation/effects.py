"""The one table of what the record and the latent tone do to the tissue.

Everything a counterfactual can be right or wrong about stands here; fields
that are absent (sex, site, scanner and every placebo field) have no effect on
biology.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_haiku.simulation.vocabulary import CELL_TYPES, MARKERS, NICHES, STATES

Kind = Literal["cells", "state", "marker", "area"]
EVERYWHERE = "*"


@dataclass(frozen=True)
class Effect:
    """One arrow of the causal graph with its size.

    Parameters
    ----------
    field, level : str
        What acts: a clinical field at a level, or a number ("tone", "age")
        per unit.
    niche : str
        Where it acts; "*" is every niche.
    kind : {"cells", "state", "marker", "area"}
        What changes: the odds of a cell type, the odds of a state, the
        expression of a marker, the share of the niche.
    target : str
        The cell type, state, marker or (for an area) niche.
    log_fold : float
        Natural logarithm of the factor.
    """

    field: str
    level: str
    niche: str
    kind: Kind
    target: str
    log_fold: float


def _rows(field: str, level: str, *rows: tuple[str, Kind, str, float]) -> tuple[Effect, ...]:
    return tuple(Effect(field, level, *row) for row in rows)


EFFECTS: tuple[Effect, ...] = (
    *_rows(
        "tone",
        "per unit",
        ("immune aggregate", "cells", "CD8 T", 0.45),
        ("immune aggregate", "state", "cytotoxic", 0.70),
        ("immune aggregate", "state", "exhausted", -0.40),
        ("immune aggregate", "marker", "PDL1", -0.55),
        ("immune aggregate", "marker", "HLA-DR", 0.30),
        ("immune aggregate", "cells", "Treg", -0.40),
        ("tumour", "state", "proliferating", -0.45),
        ("tumour", "cells", "CD8 T", 0.60),
        ("tumour", "state", "cytotoxic", 0.50),
        ("tumour", "marker", "PDL1", -0.35),
        ("tumour", "marker", "HLA-DR", 0.35),
        ("tumour", "marker", "EpCAM", -0.12),
        ("tumour margin", "cells", "CD8 T", 0.55),
        ("tumour margin", "cells", "macrophage M2", -0.40),
        ("tumour margin", "cells", "dendritic", 0.30),
        ("tumour margin", "cells", "myofibroblast", -0.30),
        ("tumour margin", "state", "cytotoxic", 0.50),
        ("tumour margin", "state", "exhausted", -0.30),
        ("tumour margin", "marker", "PDL1", -0.40),
        ("stroma", "cells", "macrophage M2", -0.45),
        ("stroma", "cells", "CD4 T", 0.30),
        ("stroma", "marker", "Podoplanin", -0.35),
        ("vessel-rich stroma", "cells", "macrophage M2", -0.30),
        ("vessel-rich stroma", "marker", "CD31", 0.15),
        ("*", "area", "immune aggregate", 0.20),
        ("*", "area", "necrosis", -0.20),
    ),
    *_rows(
        "stage",
        "II",
        ("tumour margin", "cells", "myofibroblast", 0.15),
        ("*", "area", "normal epithelium", -0.20),
    ),
    *_rows(
        "stage",
        "III",
        ("tumour margin", "cells", "myofibroblast", 0.40),
        ("tumour margin", "cells", "Treg", 0.40),
        ("stroma", "marker", "CollagenIV", -0.20),
        ("stroma", "marker", "aSMA", 0.25),
        ("tumour", "marker", "ECad", -0.20),
        ("tumour", "marker", "Vimentin", 0.25),
        ("immune aggregate", "cells", "B", -0.30),
        ("*", "area", "normal epithelium", -0.45),
        ("*", "area", "tumour", 0.20),
        ("*", "area", "necrosis", 0.25),
    ),
    *_rows(
        "stage",
        "IV",
        ("tumour margin", "cells", "myofibroblast", 0.60),
        ("tumour margin", "cells", "Treg", 0.65),
        ("tumour margin", "cells", "B", -0.50),
        ("stroma", "marker", "CollagenIV", -0.35),
        ("stroma", "marker", "aSMA", 0.45),
        ("stroma", "cells", "neutrophil", 0.50),
        ("tumour", "marker", "ECad", -0.40),
        ("tumour", "marker", "Vimentin", 0.45),
        ("immune aggregate", "cells", "B", -0.50),
        ("*", "area", "normal epithelium", -0.70),
        ("*", "area", "tumour", 0.35),
        ("*", "area", "necrosis", 0.50),
    ),
    *_rows(
        "grade",
        "G2",
        ("tumour", "state", "proliferating", 0.25),
        ("tumour", "marker", "EpCAM", -0.12),
    ),
    *_rows(
        "grade",
        "G3",
        ("tumour", "state", "proliferating", 0.60),
        ("tumour", "marker", "EpCAM", -0.35),
        ("tumour", "marker", "PanCK", -0.20),
        ("tumour", "state", "apoptotic", 0.40),
        ("tumour margin", "cells", "neutrophil", 0.40),
        ("vessel-rich stroma", "marker", "CD31", 0.20),
        ("*", "area", "necrosis", 0.40),
    ),
    *_rows(
        "treatment",
        "Neoadjuvant chemotherapy",
        ("tumour", "state", "proliferating", -0.55),
        ("tumour", "state", "apoptotic", 0.80),
        ("stroma", "cells", "fibroblast", 0.20),
        ("stroma", "marker", "CollagenIV", 0.30),
        ("stroma", "marker", "Podoplanin", 0.30),
        ("immune aggregate", "cells", "B", -0.35),
        ("stroma", "cells", "macrophage M1", 0.40),
        ("*", "area", "tumour", -0.25),
        ("*", "area", "stroma", 0.25),
    ),
    *_rows(
        "treatment",
        "Immunotherapy",
        ("tumour", "cells", "CD8 T", 0.40),
        ("immune aggregate", "state", "cytotoxic", 0.45),
        ("immune aggregate", "cells", "dendritic", 0.45),
        ("immune aggregate", "marker", "PD1", -0.50),
        ("tumour margin", "marker", "HLA-DR", 0.35),
        ("tumour margin", "cells", "macrophage M1", 0.35),
        ("*", "area", "immune aggregate", 0.30),
    ),
    *_rows(
        "smoking",
        "Current",
        ("stroma", "cells", "macrophage M1", 0.35),
        ("stroma", "cells", "mast", 0.40),
        ("vessel-rich stroma", "cells", "neutrophil", 0.35),
    ),
    *_rows(
        "age",
        "per decade over 60",
        ("immune aggregate", "marker", "CD20", -0.06),
        ("stroma", "marker", "CollagenIV", 0.05),
        ("normal epithelium", "state", "proliferating", -0.08),
    ),
)

_TARGETS: dict[Kind, tuple[str, ...]] = {
    "cells": CELL_TYPES,
    "state": STATES,
    "marker": MARKERS,
    "area": NICHES,
}

Covariates = Mapping[tuple[str, str], float]


def log_folds(covariates: Covariates, kind: Kind) -> NDArray[np.float64]:
    """Sum the effects that act on one patient.

    Parameters
    ----------
    covariates : mapping
        (field, level) -> how much of it this patient has: 1 for the level of
        the record, the number itself for fields that act per unit.
    kind : {"cells", "state", "marker", "area"}
        Which effects.

    Returns
    -------
    ndarray, (niches, targets)
        Natural log of the factor in each niche.
    """
    targets = _TARGETS[kind]
    total = np.zeros((len(NICHES), len(targets)))
    for effect in EFFECTS:
        if effect.kind != kind:
            continue
        amount = covariates.get((effect.field, effect.level), 0.0)
        where = slice(None) if effect.niche == EVERYWHERE else NICHES.index(effect.niche)
        total[where, targets.index(effect.target)] += amount * effect.log_fold
    return total
