"""Who lives where: sizes, densities, mixtures and states of the cells of each niche."""

from __future__ import annotations

import numpy as np

from napari_haiku.simulation.vocabulary import CELL_TYPES

# Nuclear semi-axes in um (long, short), spread of their logarithm.
_NUCLEUS: dict[str, tuple[float, float, float]] = {
    "tumour epithelium": (6.0, 2.9, 0.13),
    "normal epithelium": (4.3, 2.7, 0.08),
    "fibroblast": (6.3, 1.5, 0.16),
    "myofibroblast": (6.8, 1.7, 0.16),
    "endothelium": (4.6, 1.4, 0.14),
    "CD8 T": (2.9, 2.6, 0.08),
    "CD4 T": (2.9, 2.6, 0.08),
    "Treg": (2.9, 2.6, 0.08),
    "B": (3.0, 2.7, 0.08),
    "plasma": (3.2, 2.9, 0.08),
    "macrophage M1": (4.1, 2.8, 0.14),
    "macrophage M2": (4.1, 2.8, 0.14),
    "neutrophil": (3.1, 2.6, 0.10),
    "dendritic": (4.0, 2.6, 0.14),
    "mast": (3.4, 3.0, 0.08),
    "nerve": (6.2, 1.6, 0.16),
}
NUCLEUS = np.array([_NUCLEUS[name] for name in CELL_TYPES])

EPITHELIAL = np.isin(CELL_TYPES, ("tumour epithelium", "normal epithelium"))

# Cells per mm2 of open stroma in each niche, before neighbours push each other out.
DENSITY: dict[str, float] = {
    "tumour": 3300,
    "tumour margin": 4100,
    "stroma": 1900,
    "immune aggregate": 28000,
    "vessel-rich stroma": 3000,
    "necrosis": 1100,
    "normal epithelium": 4200,
    "fat or lumen": 160,
}

# Share of each type among the cells that are not epithelium, by niche.
MIX: dict[str, dict[str, float]] = {
    "tumour": {
        "fibroblast": 34, "myofibroblast": 16, "endothelium": 8, "CD8 T": 9, "CD4 T": 9,
        "Treg": 3.5, "B": 2, "plasma": 4, "macrophage M1": 10, "macrophage M2": 12,
        "neutrophil": 3, "dendritic": 3, "mast": 1.5, "nerve": 0.3,
    },
    "tumour margin": {
        "fibroblast": 30, "myofibroblast": 18, "endothelium": 7, "CD8 T": 9, "CD4 T": 9,
        "Treg": 3.5, "B": 3, "plasma": 5, "macrophage M1": 7, "macrophage M2": 8,
        "neutrophil": 3, "dendritic": 3, "mast": 1.5, "nerve": 0.5,
    },
    "stroma": {
        "fibroblast": 58, "myofibroblast": 12, "endothelium": 6, "CD8 T": 3, "CD4 T": 5,
        "Treg": 1, "B": 1, "plasma": 3, "macrophage M1": 3.5, "macrophage M2": 6,
        "neutrophil": 1, "dendritic": 1.5, "mast": 2, "nerve": 2.5,
    },
    "immune aggregate": {
        "fibroblast": 3, "myofibroblast": 1.5, "endothelium": 3.5, "CD8 T": 17, "CD4 T": 30,
        "Treg": 5, "B": 26, "plasma": 6, "macrophage M1": 5, "macrophage M2": 6,
        "neutrophil": 0.5, "dendritic": 4, "mast": 0.3, "nerve": 0.1,
    },
    "vessel-rich stroma": {
        "fibroblast": 38, "myofibroblast": 10, "endothelium": 22, "CD8 T": 4, "CD4 T": 6,
        "Treg": 1.2, "B": 1, "plasma": 4, "macrophage M1": 4, "macrophage M2": 6,
        "neutrophil": 4, "dendritic": 1.5, "mast": 3, "nerve": 2,
    },
    "necrosis": {
        "fibroblast": 8, "myofibroblast": 1, "endothelium": 2, "CD8 T": 4, "CD4 T": 4,
        "Treg": 1, "B": 0.5, "plasma": 1, "macrophage M1": 24, "macrophage M2": 16,
        "neutrophil": 38, "dendritic": 2, "mast": 0.3, "nerve": 0.1,
    },
    "normal epithelium": {
        "fibroblast": 30, "myofibroblast": 8, "endothelium": 8, "CD8 T": 8, "CD4 T": 12,
        "Treg": 2, "B": 4, "plasma": 18, "macrophage M1": 4, "macrophage M2": 5,
        "neutrophil": 1, "dendritic": 3, "mast": 2.5, "nerve": 0.5,
    },
    "fat or lumen": {
        "fibroblast": 40, "myofibroblast": 1, "endothelium": 30, "CD8 T": 3, "CD4 T": 5,
        "Treg": 0.5, "B": 0.5, "plasma": 1, "macrophage M1": 5, "macrophage M2": 10,
        "neutrophil": 1, "dendritic": 1, "mast": 2, "nerve": 1,
    },
}  # fmt: skip

# Lymphocytes between the cells of an epithelium.
INTRAEPITHELIAL = {
    "CD8 T": 48, "CD4 T": 14, "neutrophil": 6, "macrophage M1": 18, "macrophage M2": 8,
    "dendritic": 6,
}  # fmt: skip

# Log odds of a state: for the types that can have it, by type.
STATE_ODDS: dict[str, dict[str, float]] = {
    "proliferating": {
        "tumour epithelium": -1.6, "normal epithelium": -2.2, "B": -1.1, "CD8 T": -1.7,
        "CD4 T": -2.0, "Treg": -1.8, "fibroblast": -3.2, "myofibroblast": -3.0,
        "endothelium": -2.8, "macrophage M1": -2.6, "plasma": -3.0,
    },
    "cytotoxic": {"CD8 T": -0.8, "CD4 T": -3.8},
    "exhausted": {"CD8 T": -0.5, "CD4 T": -1.2, "Treg": -1.0},
    "antigen presenting": {
        "dendritic": 1.8, "macrophage M1": 0.7, "macrophage M2": -0.5, "B": 1.2,
        "tumour epithelium": -2.0, "endothelium": -1.0,
    },
    "apoptotic": {"tumour epithelium": -4.2, "normal epithelium": -5.0, "neutrophil": -3.0},
}  # fmt: skip

# Patches of tissue lean to one side or the other without any outward sign:
# what, more of these, less of those, size of the leaning, its scale in um.
LEANINGS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], float, float], ...] = (
    ("cytotoxic side", ("CD8 T",), ("CD4 T", "Treg"), 0.8, 45),
    ("macrophage side", ("macrophage M1",), ("macrophage M2",), 1.2, 50),
    ("regulatory side", ("Treg",), (), 0.4, 45),
    ("inflamed", ("CD8 T", "CD4 T", "B", "Treg"), ("fibroblast",), 0.55, 42),
    ("reacting", ("macrophage M1", "macrophage M2"), ("fibroblast",), 0.4, 42),
    ("B side", ("B",), ("CD4 T",), 0.5, 50),
    ("dendritic side", ("dendritic",), (), 1.0, 45),
    ("plasma side", ("plasma",), ("B",), 0.6, 50),
    ("granulocytes", ("neutrophil",), (), 1.0, 40),
    ("contractile", ("myofibroblast",), ("fibroblast",), 1.3, 60),
)
