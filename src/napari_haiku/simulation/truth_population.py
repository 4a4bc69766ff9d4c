"""The virtual population's latents, and how a record and an outcome speak of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from napari_haiku.simulation.record import (
    BASE_HAZARD,
    GRADES,
    SMOKING,
    STAGES,
    TREATMENTS,
    Patient,
    draw_patient,
    log_hazard,
)
from napari_haiku.simulation.truth_response import STATES_OF_RECORD, TONES, tone_weights
from napari_haiku.simulation.vocabulary import NICHES, niche_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_haiku.simulation.difficulty import Difficulty

LEVELS_OF: dict[str, tuple[str, ...]] = {
    "stage": STAGES, "grade": GRADES, "treatment": TREATMENTS, "smoking": SMOKING,
}  # fmt: skip
OUTCOME = ("survival_status", "survival_months")
PARTICLES = 400
_MARGIN = niche_index("tumour margin")
_OPEN = [niche_index("stroma"), niche_index("vessel-rich stroma")]
_FREE = [number for number in range(len(NICHES)) if number != _MARGIN]
# Spread of the fields whose largest decides the niche; see architecture.plan_tissue.
_FIELD_SPREAD = float(np.sqrt(1 + 0.22**2))


@dataclass(frozen=True)
class Population:
    """Many virtual patients as columns.

    Parameters
    ----------
    record : DataFrame
        Every field of every patient, those without effect included.
    codes : ndarray of int, (patients, 4)
        Stage, grade, treatment and smoking as numbers.
    glandular : ndarray of bool
        Whether the tumour grows as glands.
    decades : ndarray of float
        Age in decades over 60.
    tone : ndarray of float
        Immune tone.
    log_area : ndarray of float, (patients, niches)
        Own deviation of each niche's share.
    hazard : Hazard
        The law of survival.
    """

    record: pd.DataFrame
    codes: NDArray[np.int_]
    glandular: NDArray[np.bool_]
    decades: NDArray[np.float64]
    tone: NDArray[np.float64]
    log_area: NDArray[np.float64]
    hazard: Hazard

    def part(self, chosen: NDArray[np.int_]) -> Population:
        """Return some of the patients."""
        return Population(
            self.record.iloc[chosen],
            self.codes[chosen],
            self.glandular[chosen],
            self.decades[chosen],
            self.tone[chosen],
            self.log_area[chosen],
            self.hazard,
        )

    def __len__(self) -> int:
        return len(self.tone)


@dataclass(frozen=True)
class Hazard:
    """The log hazard as a sum: what each cause adds to it, and to the niches' shares.

    Parameters
    ----------
    levels : tuple of ndarray
        What each level of stage, grade, treatment and smoking adds.
    tone, decade, at_60 : float
        What a unit of tone and ten years add, and the rest.
    log_area : ndarray, (niches,)
        What a unit of each niche's own deviation adds.
    area_levels : tuple of ndarray, (levels, niches)
        What each level adds to the niches' log shares.
    area_tone, area_base : ndarray, (niches,)
        What a unit of tone adds to them, and the rest.
    confounded : bool
        Whether the site speaks of the stage.
    """

    levels: tuple[NDArray[np.float64], ...]
    tone: float
    decade: float
    at_60: float
    log_area: NDArray[np.float64]
    area_levels: tuple[NDArray[np.float64], ...]
    area_tone: NDArray[np.float64]
    area_base: NDArray[np.float64]
    confounded: bool


def measure_hazard(difficulty: Difficulty) -> Hazard:
    """Take the law of survival apart by asking it about patients who differ in one thing."""
    anyone = draw_patient(0, 0, difficulty=difficulty)
    plain = {name: levels[0] for name, levels in LEVELS_OF.items()} | {"age": "60"}
    zero = replace(
        anyone, clinical=anyone.clinical | plain, tone=0.0, log_area=dict.fromkeys(NICHES, 0.0)
    )
    start, area = log_hazard(zero), zero.area_logits()

    def changed(**causes: str) -> Patient:
        return replace(zero, clinical=zero.clinical | causes)

    others = {
        name: [changed(**{name: level}) for level in levels] for name, levels in LEVELS_OF.items()
    }
    toned = replace(zero, tone=1.0)
    own = [
        log_hazard(replace(zero, log_area=dict.fromkeys(NICHES, 0.0) | {name: 1.0})) - start
        for name in NICHES
    ]
    return Hazard(
        levels=tuple(
            np.array([log_hazard(each) - start for each in patients])
            for patients in others.values()
        ),
        tone=log_hazard(toned) - start,
        decade=log_hazard(changed(age="70")) - start,
        at_60=start,
        log_area=np.array(own),
        area_levels=tuple(
            np.array([each.area_logits() - area for each in patients])
            for patients in others.values()
        ),
        area_tone=toned.area_logits() - area,
        area_base=area,
        confounded=difficulty.confounding,
    )


def draw_population(seed: int, patients: int, difficulty: Difficulty) -> Population:
    """Draw patients without their tissue."""
    drawn = [draw_patient(seed, index, difficulty=difficulty) for index in range(patients)]
    record = pd.DataFrame([each.clinical | each.placebo | each.twins for each in drawn])
    return Population(
        record=record,
        codes=np.column_stack(
            [
                np.array([levels.index(value) for value in record[name]])
                for name, levels in LEVELS_OF.items()
            ]
        ),
        glandular=np.array([each.glandular for each in drawn]),
        decades=(record["age"].astype(float).to_numpy() - 60) / 10,
        tone=np.array([each.tone for each in drawn]),
        log_area=np.array([[each.log_area[name] for name in NICHES] for each in drawn]),
        hazard=measure_hazard(difficulty),
    )


def edited_codes(people: Population, edit: Mapping[str, str]) -> NDArray[np.int_]:
    """Return the codes with the edited fields set."""
    codes = people.codes.copy()
    for number, (name, levels) in enumerate(LEVELS_OF.items()):
        if name in edit:
            codes[:, number] = levels.index(edit[name])
    return codes


def edited_decades(people: Population, edit: Mapping[str, str]) -> NDArray[np.float64]:
    """Return the ages with the edit's."""
    return np.full(len(people), (float(edit["age"]) - 60) / 10) if "age" in edit else people.decades


def log_likelihood(
    people: Population,
    edit: Mapping[str, str],
    tone: NDArray[np.float64],
    log_area: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how likely each patient's outcome is under other latents.

    Parameters
    ----------
    people : Population
        Whose records.
    edit : mapping
        Fields set in these records.
    tone, log_area : ndarray, (..., n) and (..., n, niches)
        Latents; the first axis is the patients' or 1.
    """
    hazard = people.hazard
    codes = edited_codes(people, edit)
    own = hazard.at_60 + sum(
        levels[codes[:, number]] for number, levels in enumerate(hazard.levels)
    )
    own = own + hazard.decade * edited_decades(people, edit)
    risk = own[:, None] + hazard.tone * tone + log_area @ hazard.log_area
    status = people.record["survival_status"].to_numpy() == "Deceased"
    months = people.record["survival_months"].astype(float).to_numpy()
    if OUTCOME[0] in edit:
        status = np.full(len(people), edit[OUTCOME[0]] == "Deceased")
        months = np.full(len(people), float(edit[OUTCOME[1]]))
    return np.asarray(status[:, None] * risk - BASE_HAZARD * np.exp(risk) * months[:, None])


def niche_shares(
    people: Population,
    edit: Mapping[str, str],
    tone: NDArray[np.float64],
    log_area: NDArray[np.float64],
    rim: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the expected share of each niche in each patient's tissue, (patients, niches).

    Parameters
    ----------
    people : Population
        Whose records.
    edit : mapping
        Fields set in these records.
    tone, log_area : ndarray, (patients,) and (patients, niches)
        Latents.
    rim : ndarray, (3,)
        Log odds that open stroma is the tumour's margin: constant, per log odds
        of the tumour's share, per unit of the margin's own deviation.
    """
    hazard = people.hazard
    codes = edited_codes(people, edit)
    logits = hazard.area_base + log_area + tone[:, None] * hazard.area_tone
    for number, levels in enumerate(hazard.area_levels):
        logits = logits + levels[codes[:, number]]
    mean = 0.7 * logits / _FIELD_SPREAD
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    shares = np.zeros((len(people), len(NICHES)))
    for niche in _FREE:
        chance = np.ones((len(people), len(nodes)))
        for other in _FREE:
            if other != niche:
                chance *= special.ndtr(nodes + (mean[:, niche] - mean[:, other])[:, None])
        shares[:, niche] = chance @ weights
    tumour = np.clip(shares[:, niche_index("tumour")], 1e-4, 1 - 1e-4)
    near = special.expit(rim[0] + rim[1] * special.logit(tumour) + rim[2] * log_area[:, _MARGIN])
    shares[:, _MARGIN] = near * shares[:, _OPEN].sum(1)
    shares[:, _OPEN] *= 1 - near[:, None]
    return shares


def measure_rim(shares: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit how much of the open stroma is the tumour's margin; see :func:`niche_shares`.

    Parameters
    ----------
    shares : ndarray, (tissues, niches)
        Measured shares of the tissue.
    own : ndarray, (tissues,)
        Own deviation of the margin.
    """
    open_stroma = shares[:, _OPEN].sum(1) + shares[:, _MARGIN]
    tumour = shares[:, niche_index("tumour")]
    known = (open_stroma > 0.02) & (tumour > 0.01) & (tumour < 0.99)
    near = np.clip(shares[known, _MARGIN] / open_stroma[known], 0.01, 0.99)
    design = np.column_stack((np.ones(known.sum()), special.logit(tumour[known]), own[known]))
    return np.asarray(np.linalg.lstsq(design, special.logit(near), rcond=None)[0])


def record_weights(
    people: Population,
    edit: Mapping[str, str],
    tone: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread weighted patients and tones over the states a response is known for.

    Parameters
    ----------
    people : Population
        Whose records.
    edit : mapping
        Fields set in these records.
    tone, weight : ndarray, (patients or 1, n) and (patients, n)
        Tones of each patient, or of all of them, and their weights.

    Returns
    -------
    tuple of ndarray
        (architectures, STATES_OF_RECORD) and (architectures,): the weights and
        the weighted decades.
    """
    codes = edited_codes(people, edit)
    stage, grade, treatment, smoking = codes.T
    architecture = grade + np.where(people.glandular, 0, 3)
    known = tone_weights(tone)
    # Patients who share their tones are spread in one product.
    nodes = weight @ known[0] if len(known) == 1 else np.einsum("pn,pnt->pt", weight, known)
    block = ((stage * len(TREATMENTS)) + treatment) * len(SMOKING) + smoking
    total = np.zeros((6, len(STATES_OF_RECORD) // len(TONES), len(TONES)))
    np.add.at(total, (architecture, block), nodes)
    years = np.bincount(architecture, weight.sum(1) * edited_decades(people, edit), minlength=6)
    return total.reshape(6, -1), np.asarray(years, float)
