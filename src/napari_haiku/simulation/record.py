"""A virtual patient: the clinical record, the latent tone and the fields without effect."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.difficulty import STANDARD, Difficulty
from napari_haiku.simulation.effects import log_folds
from napari_haiku.simulation.neutral import draw_placebo, draw_shown, twins_of
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.vocabulary import NICHES

if TYPE_CHECKING:
    from collections.abc import Mapping

ORGANS: tuple[tuple[str, str, bool, float], ...] = (
    # tissue type, disease, grows as glands, share of patients
    ("Colon/Rectum", "Colon Cancer", True, 0.40),
    ("Breast", "Breast Cancer", True, 0.25),
    ("Lung", "Lung Cancer", False, 0.20),
    ("Skin", "Skin Cancer", False, 0.15),
)
STAGES = ("I", "II", "III", "IV")
GRADES = ("G1", "G2", "G3")
TREATMENTS = ("Surgery only", "Neoadjuvant chemotherapy", "Immunotherapy")
SMOKING = ("Never", "Former", "Current")
SITES = ("North", "South", "East", "West", "Coast")
# Deaths per month of the reference patient.
BASE_HAZARD = 0.009
_SITE_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)
# How much later, in stages, the patients of each site come where site and stage are confounded.
_LATER = dict(zip(SITES, (-0.9, -0.4, 0.1, 0.7, 1.2), strict=True))
SCANNERS = ("Scanner P", "Scanner Q", "Scanner R")

_AREA = {
    "tumour": 0.33,
    "tumour margin": 0.0,  # the rim of stroma around tumour; its share scales the rim's width
    "stroma": 0.24,
    "immune aggregate": 0.115,
    "vessel-rich stroma": 0.14,
    "necrosis": 0.055,
    "normal epithelium": 0.14,
    "fat or lumen": 0.05,
}


@dataclass(frozen=True)
class Patient:
    """Everything that stands above the tissue in the causal graph.

    Parameters
    ----------
    seed, index : int
        Where the patient's random numbers come from.
    clinical : dict of str to str
        The record's fields that carry meaning, in caption order.
    placebo : dict of str to str
        Every placebo field.
    twins : dict of str to str
        The twin of every editable field; no more effect than a placebo field.
    shown : tuple of str
        The half of the placebo fields and twins that the record shows.
    glandular : bool
        Whether the tumour grows as glands (else as nests).
    tone : float
        Latent immune tone u; above 0 is favourable.
    log_area : dict of str to float
        The patient's own deviation of each niche's share, natural log.
    difficulty : Difficulty
        Knobs of the cohort that the patient belongs to.
    section : int
        Which section of the block: the same architecture, other cells.
    """

    seed: int
    index: int
    clinical: dict[str, str]
    placebo: dict[str, str]
    twins: dict[str, str]
    shown: tuple[str, ...]
    glandular: bool
    tone: float
    log_area: dict[str, float] = field(default_factory=dict)
    difficulty: Difficulty = STANDARD
    section: int = 0

    @property
    def record(self) -> dict[str, str]:
        """Clinical record in caption order, then what it shows of the fields without effect."""
        without_effect = self.placebo | self.twins
        return self.clinical | {name: without_effect[name] for name in self.shown}

    @property
    def covariates(self) -> dict[tuple[str, str], float]:
        """How much of each cause of :data:`effects.EFFECTS` the patient has."""
        factor = self.difficulty.effect
        own = _covariates(self.clinical, self.tone)
        return {cause: factor * amount for cause, amount in own.items()}

    def area_logits(self) -> np.ndarray:
        """Return the natural log of each niche's share before normalising, (niches,)."""
        shift = np.diag(log_folds(self.covariates, "area")[:, : len(NICHES)])
        own = np.array([self.log_area.get(name, 0.0) for name in NICHES])
        base = np.log([max(_AREA[name], 1e-6) for name in NICHES])
        return np.asarray(base + shift + own)


def draw_patient(
    seed: int,
    index: int,
    *,
    edits: Mapping[str, str] | None = None,
    tone: float | None = None,
    difficulty: Difficulty = STANDARD,
) -> Patient:
    """Draw a patient, or the same patient with some causes set by hand.

    Parameters
    ----------
    seed, index : int
        Which patient.
    edits : mapping, optional
        Field -> level, set after drawing; everything not downstream of it in
        the graph keeps its value, and survival is drawn again with the same
        random numbers.
    tone : float, optional
        Immune tone to set.
    difficulty : Difficulty, optional
        Knobs of the cohort; `standard` when left out.

    Raises
    ------
    HaikuError
        An edited field is not a field of virtual patients.
    """
    changes = dict(edits or {})
    site = SITES[stream(seed, index, "place").choice(len(SITES), p=_SITE_SHARES)]
    # Of the same site, else by chance: what a permutation within the site would give.
    ghost = _with_survival(_person(seed, index, site, difficulty, "ghost "), {}, "ghost ")
    patient = replace(
        _person(seed, index, site, difficulty),
        placebo=draw_placebo(seed, index),
        twins=twins_of(ghost.clinical),
        shown=draw_shown(seed, index),
    )
    if tone is not None:
        patient = replace(patient, tone=float(tone))
    return _with_survival(_edited(patient, changes), changes)


def _person(seed: int, index: int, site: str, difficulty: Difficulty, which: str = "") -> Patient:
    """Draw somebody of a site; `which` names the streams, so that a ghost has its own."""
    rng = stream(seed, index, f"{which}person")
    weights = [organ[3] for organ in ORGANS]
    tissue, disease, glandular, _ = ORGANS[rng.choice(len(ORGANS), p=weights)]
    sex = "Female" if disease == "Breast Cancer" or rng.random() < 0.48 else "Male"
    age = int(np.clip(rng.normal(64, 11), 28, 92))
    smoking = SMOKING[rng.choice(3, p=(0.2, 0.4, 0.4) if tissue == "Lung" else (0.55, 0.3, 0.15))]
    grade = rng.choice(3, p=(0.25, 0.45, 0.30))
    later = _LATER[site] if difficulty.confounding else 0.0
    stage = int(np.clip(np.floor(1.45 + 0.4 * grade + rng.normal(0, 1.05) + later), 0, 3))
    tnm = _tnm(stage, stream(seed, index, f"{which}tnm"))
    treatment = TREATMENTS[rng.choice(3, p=(0.55, 0.27, 0.18))]
    drawn = stream(seed, index, f"{which}tone")
    latent = float((1.0 if drawn.random() < 0.5 else -1.0) + 0.45 * drawn.normal())
    spread = stream(seed, index, f"{which}niche shares").normal(0, 0.45, len(NICHES))
    clinical = {
        "tissue_type": tissue,
        "disease": disease,
        "type": "Metastatic Tumor" if "M1" in tnm and rng.random() < 0.4 else "Primary Tumor",
        "sex": sex,
        "age": str(age),
        "smoking": smoking,
        "stage": STAGES[stage],
        "grade": GRADES[grade],
        "tnm": tnm,
        "treatment": treatment,
        "site": site,
    }
    places = stream(seed, index, f"{which}place")
    places.random()  # the site's number
    clinical["scanner"] = SCANNERS[places.choice(len(SCANNERS))]
    return Patient(
        seed=seed,
        index=index,
        clinical=clinical,
        placebo={},
        twins={},
        shown=(),
        glandular=glandular,
        tone=latent,
        log_area=dict(zip(NICHES, map(float, spread), strict=True)),
        difficulty=difficulty,
    )


def _covariates(clinical: Mapping[str, str], tone: float) -> dict[tuple[str, str], float]:
    return {
        ("tone", "per unit"): tone,
        ("age", "per decade over 60"): (float(clinical["age"]) - 60) / 10,
        **{(name, clinical[name]): 1.0 for name in ("stage", "grade", "treatment", "smoking")},
    }


def _tnm(stage: int, rng: np.random.Generator) -> str:
    tumour = (int(rng.integers(1, 3)), int(rng.integers(2, 4)), int(rng.integers(2, 5)), 4)[stage]
    nodes = (0, 0, int(rng.integers(1, 3)), int(rng.integers(0, 3)))[stage]
    return f"T{tumour}N{nodes}M{int(stage == 3)}"


def _edited(patient: Patient, edits: dict[str, str]) -> Patient:
    groups = tuple(map(dict, (patient.clinical, patient.placebo, patient.twins)))
    for name, level in edits.items():
        group = next((group for group in groups if name in group), None)
        if group is not None:
            group[name] = level
        elif name not in ("survival_status", "survival_months"):
            known = ", ".join(name for group in groups for name in group)
            raise HaikuError(f"Virtual patients have no field {name!r}: choose one of {known}.")
    clinical, placebo, twins = groups
    return replace(patient, clinical=clinical, placebo=placebo, twins=twins)


def _with_survival(patient: Patient, edits: dict[str, str], which: str = "") -> Patient:
    rng = stream(patient.seed, patient.index, f"{which}survival")
    months = rng.exponential() / (BASE_HAZARD * np.exp(log_hazard(patient)))
    follow_up = rng.uniform(30, 110)
    dead = bool(months <= follow_up)
    outcome = {
        "survival_status": "Deceased" if dead else "Alive",
        "survival_months": str(max(1, round(min(months, follow_up)))),
    }
    outcome |= {name: edits[name] for name in outcome if name in edits}
    clinical: dict[str, str] = {}
    for name, value in patient.clinical.items():
        if name == "site":
            clinical |= outcome
        clinical[name] = value
    return replace(patient, clinical=clinical)


def log_hazard(patient: Patient) -> float:
    """Return the patient's true log hazard of death (0 is the reference patient)."""
    logits = patient.area_logits()
    reference = np.log([max(_AREA[name], 1e-6) for name in NICHES])
    immune, necrosis = NICHES.index("immune aggregate"), NICHES.index("necrosis")
    change = logits - reference
    return float(
        -1.0 * patient.tone
        + 0.45 * (STAGES.index(patient.clinical["stage"]) - 1)
        + 0.02 * (float(patient.clinical["age"]) - 62)
        - 0.4 * change[immune]
        + 0.3 * change[necrosis]
    )
