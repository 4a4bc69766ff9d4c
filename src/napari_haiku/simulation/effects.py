"""The one table of what the record and the latent tone do to the tissue.

Everything a counterfactual can be right or wrong about stands here; fields
that are absent (sex, site, scanner and every placebo field) have no effect on
biology.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_haiku.simulation.vocabulary import CELL_TYPES, MARKERS, NICHES, STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        ("immune aggregate", "cells", "CD8 T", 0.50),
        ("immune aggregate", "cells", "Treg", -0.45),
        ("immune aggregate", "state", "cytotoxic", 0.80),
        ("immune aggregate", "state", "exhausted", -0.50),
        ("immune aggregate", "marker", "PDL1", -0.65),
        ("immune aggregate", "marker", "HLA-DR", 0.35),
        ("tumour", "cells", "CD8 T", 0.70),
        ("tumour", "state", "proliferating", -0.60),
        ("tumour", "state", "cytotoxic", 0.60),
        ("tumour", "marker", "PDL1", -0.50),
        ("tumour", "marker", "HLA-DR", 0.45),
        ("tumour", "marker", "EpCAM", -0.20),
        ("tumour margin", "cells", "CD8 T", 0.65),
        ("tumour margin", "cells", "macrophage M2", -0.55),
        ("tumour margin", "cells", "dendritic", 0.45),
        ("tumour margin", "cells", "myofibroblast", -0.40),
        ("tumour margin", "state", "cytotoxic", 0.60),
        ("tumour margin", "state", "exhausted", -0.40),
        ("tumour margin", "marker", "PDL1", -0.50),
        ("stroma", "cells", "macrophage M2", -0.60),
        ("stroma", "cells", "CD4 T", 0.40),
        ("stroma", "marker", "Podoplanin", -0.45),
        ("vessel-rich stroma", "cells", "macrophage M2", -0.45),
        ("vessel-rich stroma", "marker", "CD31", 0.20),
        ("normal epithelium", "marker", "PDL1", -0.35),
        ("*", "area", "immune aggregate", 0.20),
        ("*", "area", "necrosis", -0.20),
    ),
    *_rows(
        "stage",
        "II",
        ("tumour margin", "cells", "myofibroblast", 0.30),
        ("stroma", "marker", "aSMA", 0.20),
        ("tumour", "marker", "ECad", -0.15),
        ("*", "area", "normal epithelium", -0.20),
    ),
    *_rows(
        "stage",
        "III",
        ("tumour margin", "cells", "myofibroblast", 0.65),
        ("tumour margin", "cells", "Treg", 0.60),
        ("tumour margin", "marker", "CollagenIV", -0.30),
        ("tumour margin", "marker", "Podoplanin", 0.45),
        ("stroma", "marker", "CollagenIV", -0.30),
        ("stroma", "marker", "aSMA", 0.50),
        ("stroma", "cells", "neutrophil", 0.40),
        ("tumour", "marker", "ECad", -0.40),
        ("tumour", "marker", "Vimentin", 0.45),
        ("immune aggregate", "cells", "B", -0.45),
        ("immune aggregate", "cells", "macrophage M2", 0.40),
        ("vessel-rich stroma", "marker", "CD31", 0.25),
        ("*", "area", "normal epithelium", -0.40),
        ("*", "area", "tumour", 0.15),
        ("*", "area", "necrosis", 0.20),
    ),
    *_rows(
        "stage",
        "IV",
        ("tumour margin", "cells", "myofibroblast", 0.95),
        ("tumour margin", "cells", "Treg", 0.95),
        ("tumour margin", "cells", "B", -0.60),
        ("tumour margin", "marker", "CollagenIV", -0.55),
        ("tumour margin", "marker", "Podoplanin", 0.80),
        ("stroma", "marker", "CollagenIV", -0.60),
        ("stroma", "marker", "aSMA", 0.80),
        ("stroma", "cells", "neutrophil", 0.90),
        ("stroma", "cells", "macrophage M2", 0.50),
        ("tumour", "marker", "ECad", -0.75),
        ("tumour", "marker", "Vimentin", 0.80),
        ("tumour", "marker", "Podoplanin", 0.60),
        ("immune aggregate", "cells", "B", -0.80),
        ("immune aggregate", "cells", "macrophage M2", 0.75),
        ("immune aggregate", "marker", "CD4", -0.25),
        ("vessel-rich stroma", "marker", "CD31", 0.45),
        ("vessel-rich stroma", "cells", "neutrophil", 0.50),
        ("*", "area", "normal epithelium", -0.60),
        ("*", "area", "tumour", 0.25),
        ("*", "area", "necrosis", 0.40),
    ),
    *_rows(
        "grade",
        "G2",
        ("tumour", "state", "proliferating", 0.35),
        ("tumour", "marker", "EpCAM", -0.25),
        ("tumour", "marker", "PanCK", -0.15),
        ("tumour margin", "marker", "Vimentin", 0.15),
    ),
    *_rows(
        "grade",
        "G3",
        ("tumour", "state", "proliferating", 0.80),
        ("tumour", "state", "apoptotic", 0.40),
        ("tumour", "marker", "EpCAM", -0.65),
        ("tumour", "marker", "PanCK", -0.45),
        ("tumour", "marker", "HLA-DR", -0.40),
        ("tumour margin", "cells", "neutrophil", 0.80),
        ("tumour margin", "cells", "mast", -0.60),
        ("tumour margin", "marker", "Vimentin", 0.35),
        ("tumour margin", "marker", "CD163", 0.45),
        ("stroma", "marker", "Podoplanin", 0.50),
        ("vessel-rich stroma", "marker", "CD31", 0.40),
        ("vessel-rich stroma", "marker", "CollagenIV", -0.40),
        ("immune aggregate", "state", "proliferating", 0.50),
        ("immune aggregate", "cells", "plasma", -0.50),
        ("*", "area", "necrosis", 0.35),
    ),
    *_rows(
        "treatment",
        "Neoadjuvant chemotherapy",
        ("tumour", "state", "proliferating", -0.90),
        ("tumour", "state", "apoptotic", 0.90),
        ("tumour", "marker", "EpCAM", -0.35),
        ("tumour", "marker", "PDL1", 0.50),
        ("tumour margin", "cells", "macrophage M1", 0.60),
        ("tumour margin", "marker", "CollagenIV", 0.45),
        ("stroma", "cells", "macrophage M1", 0.70),
        ("stroma", "marker", "CollagenIV", 0.55),
        ("stroma", "marker", "Podoplanin", 0.55),
        ("immune aggregate", "cells", "B", -0.60),
        ("immune aggregate", "state", "proliferating", -0.60),
        ("immune aggregate", "cells", "macrophage M1", 0.50),
        ("vessel-rich stroma", "marker", "CD31", -0.35),
        ("normal epithelium", "state", "proliferating", -0.70),
        ("*", "area", "tumour", -0.20),
        ("*", "area", "stroma", 0.20),
    ),
    *_rows(
        "treatment",
        "Immunotherapy",
        ("tumour", "cells", "CD8 T", 0.70),
        ("tumour", "marker", "HLA-DR", 0.50),
        ("tumour", "marker", "PD1", -0.60),
        ("tumour margin", "marker", "HLA-DR", 0.50),
        ("tumour margin", "cells", "macrophage M1", 0.60),
        ("tumour margin", "marker", "PD1", -0.70),
        ("immune aggregate", "state", "cytotoxic", 0.70),
        ("immune aggregate", "cells", "dendritic", 0.60),
        ("immune aggregate", "marker", "PD1", -0.80),
        ("immune aggregate", "cells", "Treg", -0.50),
        ("stroma", "cells", "CD8 T", 0.60),
        ("stroma", "marker", "PD1", -0.60),
        ("*", "area", "immune aggregate", 0.25),
    ),
    *_rows(
        "smoking",
        "Current",
        ("stroma", "cells", "macrophage M1", 0.55),
        ("stroma", "cells", "mast", 0.50),
        ("vessel-rich stroma", "cells", "neutrophil", 0.60),
        ("tumour margin", "cells", "neutrophil", 0.40),
    ),
    *_rows(
        "age",
        "per decade over 60",
        ("immune aggregate", "marker", "CD20", -0.08),
        ("stroma", "marker", "CollagenIV", 0.06),
        ("normal epithelium", "state", "proliferating", -0.10),
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
