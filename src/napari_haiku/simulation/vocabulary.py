"""The names virtual tissue is made of: niches, cell types, states, markers."""

from __future__ import annotations

NICHES = (
    "tumour",
    "tumour margin",
    "stroma",
    "immune aggregate",
    "vessel-rich stroma",
    "necrosis",
    "normal epithelium",
    "fat or lumen",
)
GLASS = 255

CELL_TYPES = (
    "tumour epithelium",
    "normal epithelium",
    "fibroblast",
    "myofibroblast",
    "endothelium",
    "CD8 T",
    "CD4 T",
    "Treg",
    "B",
    "plasma",
    "macrophage M1",
    "macrophage M2",
    "neutrophil",
    "dendritic",
    "mast",
    "nerve",
)

STATES = ("proliferating", "cytotoxic", "exhausted", "antigen presenting", "apoptotic")

MARKERS = (
    "DAPI",
    "PanCK",
    "ECad",
    "EpCAM",
    "Ki67",
    "CD3e",
    "CD4",
    "CD8",
    "FoxP3",
    "CD20",
    "CD45",
    "CD68",
    "CD163",
    "CD31",
    "aSMA",
    "Vimentin",
    "CollagenIV",
    "HLA-DR",
    "PDL1",
    "PD1",
    "GranzymeB",
    "CD11c",
    "MPO",
    "Podoplanin",
)


def niche_index(name: str) -> int:
    """Return the number of a niche in :data:`NICHES`."""
    return NICHES.index(name)


def type_index(name: str) -> int:
    """Return the number of a cell type in :data:`CELL_TYPES`."""
    return CELL_TYPES.index(name)


def state_index(name: str) -> int:
    """Return the number of a state in :data:`STATES`."""
    return STATES.index(name)


def marker_index(name: str) -> int:
    """Return the number of a marker in :data:`MARKERS`."""
    return MARKERS.index(name)
