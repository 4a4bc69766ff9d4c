"""From latents and responses to the four kinds of truth of one edit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.simulation.truth_edits import Edit, fields_with_effect
from napari_haiku.simulation.truth_population import (
    OUTCOME,
    PARTICLES,
    Population,
    log_likelihood,
    niche_shares,
    record_weights,
)
from napari_haiku.simulation.truth_response import FEATURES, GROUPS, Response
from napari_haiku.simulation.vocabulary import MARKERS, NICHES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = tuple[NDArray[np.float64], NDArray[np.float64]]

KINDS = ("conditional", "marginal", "given_he", "interventional")
BLOCKS = 10
_SHARE_PARTICLES = 8


@dataclass(frozen=True)
class World:
    """Everything the truth is computed from.

    Parameters
    ----------
    people : Population
        The patients' latents.
    response : Response
        Mean of a patch under any record.
    slopes : ndarray, (2, niches, looks, markers)
        See :func:`truth_regression.slopes_on_looks`.
    unit : ndarray, (markers,)
        Standard deviation of the patch mean over all tissue patches.
    rim : ndarray, (3,)
        See :func:`truth_population.niche_shares`.
    """

    people: Population
    response: Response
    slopes: NDArray[np.float64]
    unit: NDArray[np.float64]
    rim: NDArray[np.float64]

    @cached_property
    def pooled(self) -> Response:
        """All tissues in one group."""
        return self.response.pooled()

    @cached_property
    def blocks(self) -> list[Population]:
        """The patients in BLOCKS parts, from whose differences the error is read."""
        size = len(self.people) // BLOCKS
        return [
            self.people.part(np.arange(block * size, (block + 1) * size)) for block in range(BLOCKS)
        ]

    @cached_property
    def shares(self) -> list[NDArray[np.float64]]:
        """Expected share of every niche in every patient, by block."""
        return [
            niche_shares(people, {}, people.tone, people.log_area, self.rim)
            for people in self.blocks
        ]


@dataclass(frozen=True)
class Estimate:
    """One kind of truth of one edit.

    Parameters
    ----------
    shift, se : ndarray, (niches, markers)
        In standard deviations of the patch mean.
    own : ndarray, (niches, markers)
        The part of the shift that the niche's own cells make.
    area, area_se : ndarray, (niches,)
        Change of each niche's expected share of the tissue.
    """

    shift: NDArray[np.float64]
    se: NDArray[np.float64]
    own: NDArray[np.float64]
    area: NDArray[np.float64]
    area_se: NDArray[np.float64]


def estimate(world: World, edit: Edit) -> dict[str, Estimate]:
    """Estimate every kind of truth of an edit.

    Parameters
    ----------
    world : World
        The model.
    edit : Edit
        What changes.
    """
    known = set(fields_with_effect()) | {"sex", "site", "scanner"}
    if edit.before == edit.after or (edit.neutral and not world.people.hazard.confounded):
        nothing = np.zeros((len(NICHES), len(MARKERS)))
        none = np.zeros(len(NICHES))
        return dict.fromkeys(KINDS, Estimate(nothing, nothing, nothing, none, none))
    weights: dict[str, list[tuple[Weights, NDArray[np.float64]]]] = {
        "conditional": [], "marginal": [], "interventional": [],
    }  # fmt: skip
    for block, mine in enumerate(world.blocks):
        # Latents that explain a record are other patients' than the record's own.
        other = world.blocks[(block + 1) % BLOCKS]
        pool = other.part(np.arange(min(PARTICLES, len(other))))
        weights["marginal"].append(_marginal(mine, world.shares[block], edit))
        if edit.neutral or not set(edit.before) <= known:
            continue
        conditional, interventional = _given_record(world, mine, pool, edit)
        weights["conditional"].append(conditional)
        weights["interventional"].append(interventional)
    found = {kind: _total(world, blocks) for kind, blocks in weights.items() if blocks}
    if "conditional" not in found:
        nothing = np.zeros((len(NICHES), len(MARKERS)))
        none = np.zeros(len(NICHES))
        zero = Estimate(nothing, nothing, nothing, none, none)
        return {"conditional": zero, "given_he": zero, "interventional": zero} | found
    found["given_he"] = _given_he(world, weights["conditional"], found["conditional"])
    return {kind: found[kind] for kind in KINDS}


def _difference(after: Weights, before: Weights) -> Weights:
    return after[0] - before[0], after[1] - before[1]


def _marginal(
    people: Population, shares: NDArray[np.float64], edit: Edit
) -> tuple[Weights, NDArray[np.float64]]:
    sides = []
    for levels in (edit.after, edit.before):
        weight = _has(people, levels)
        weight = weight / max(weight.sum(), 1e-12)
        spread = record_weights(people, {}, people.tone[:, None], weight[:, None])
        sides.append((spread, weight @ shares))
    (after, area_after), (before, area_before) = sides
    return _difference(after, before), area_after - area_before


def _has(people: Population, levels: dict[str, str]) -> NDArray[np.float64]:
    """How well each patient answers to a description; an outcome by its likelihood."""
    weight = np.ones(len(people))
    if OUTCOME[0] in levels:
        outcome = {name: levels[name] for name in OUTCOME}
        like = log_likelihood(people, outcome, people.tone[:, None], people.log_area[:, None])
        weight *= np.exp(like[:, 0])
    for name, level in levels.items():
        if name == "age":
            # Nobody is exactly of an age: those within two and a half years.
            ages = people.record["age"].astype(float).to_numpy()
            weight *= np.abs(ages - float(level)) <= 2.5
        elif name not in OUTCOME:
            weight *= people.record[name].to_numpy() == level
    return weight


def _given_record(
    world: World, people: Population, pool: Population, edit: Edit
) -> tuple[tuple[Weights, NDArray[np.float64]], tuple[Weights, NDArray[np.float64]]]:
    """Hold the rest of each record and weigh the latents by what its outcome says of them."""
    mine = _has(people, edit.before)
    chosen = np.flatnonzero(mine > 0)
    people, mine = people.part(chosen), mine[chosen] / max(mine.sum(), 1e-12)
    tone = pool.tone[None]
    posterior = []
    for levels in (edit.after, edit.before):
        like = log_likelihood(people, levels, tone, pool.log_area[None])
        like = np.exp(like - like.max(1, keepdims=True))
        posterior.append(like / like.sum(1, keepdims=True))
    after, before = posterior
    sides = [
        record_weights(people, levels, tone, mine[:, None] * weight)
        for levels, weight in ((edit.after, after), (edit.before, before))
    ]
    area = _areas(world, people, pool, edit, mine, (after, before))
    conditional = (_difference(*sides), area)
    if OUTCOME[0] in edit.before:
        # An outcome is no cause: what it says of the tone is what is changed.
        moved = ((after - before) * tone).sum(1, keepdims=True)
        pushed = record_weights(people, edit.before, tone + moved, mine[:, None] * before)
        kept = sides[1]
        share = _interventional_area(world, people, edit, mine, moved[:, 0], before, pool)
    else:
        ones = mine[:, None]
        pushed = record_weights(people, edit.after, people.tone[:, None], ones)
        kept = record_weights(people, edit.before, people.tone[:, None], ones)
        share = mine @ (
            niche_shares(people, edit.after, people.tone, people.log_area, world.rim)
            - niche_shares(people, edit.before, people.tone, people.log_area, world.rim)
        )
    return conditional, (_difference(pushed, kept), share)


def _areas(
    world: World,
    people: Population,
    pool: Population,
    edit: Edit,
    mine: NDArray[np.float64],
    posterior: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Average shares over a few latents of the pool, the same ones before and after."""
    total = np.zeros(len(NICHES))
    count = min(200, len(people))
    patients = np.linspace(0, len(people) - 1, count).astype(int)
    some = people.part(patients)
    share_of = mine[patients] / max(mine[patients].sum(), 1e-12)
    for number in range(_SHARE_PARTICLES):
        # Every patient meets other particles in turn, each counted by its weight.
        particle = (np.arange(count) * 7 + number * (len(pool) // _SHARE_PARTICLES)) % len(pool)
        for sign, levels, weight in (
            (1.0, edit.after, posterior[0]),
            (-1.0, edit.before, posterior[1]),
        ):
            shares = niche_shares(
                some, levels, pool.tone[particle], pool.log_area[particle], world.rim
            )
            own = weight[patients, particle] * len(pool) / _SHARE_PARTICLES
            total += sign * ((share_of * own) @ shares)
    return total


def _interventional_area(
    world: World,
    people: Population,
    edit: Edit,
    mine: NDArray[np.float64],
    moved: NDArray[np.float64],
    before: NDArray[np.float64],
    pool: Population,
) -> NDArray[np.float64]:
    middle = before @ pool.tone
    return np.asarray(
        mine
        @ (
            niche_shares(people, edit.before, middle + moved, people.log_area, world.rim)
            - niche_shares(people, edit.before, middle, people.log_area, world.rim)
        )
    )


def _total(world: World, blocks: list[tuple[Weights, NDArray[np.float64]]]) -> Estimate:
    markers = slice(0, len(MARKERS))
    each = np.stack(
        [world.pooled.mean(world.pooled.groups(*weight))[:, markers] for weight, _ in blocks]
    )
    middle = _middle(blocks)
    own = world.pooled.mean(world.pooled.groups(*middle, own=True))[:, markers]
    groups = world.response.groups(*middle)
    tissues = _jackknife(
        [world.response.mean(groups, _without(group))[:, markers] for group in range(GROUPS)]
    )
    areas = np.stack([area for _, area in blocks])
    return Estimate(
        shift=each.mean(0) / world.unit,
        se=np.sqrt(each.var(0, ddof=1) / len(blocks) + tissues) / world.unit,
        own=own / world.unit,
        area=areas.mean(0),
        area_se=areas.std(0, ddof=1) / np.sqrt(len(blocks)),
    )


def _middle(blocks: list[tuple[Weights, NDArray[np.float64]]]) -> Weights:
    return (
        np.mean([weight[0] for weight, _ in blocks], 0),
        np.mean([weight[1] for weight, _ in blocks], 0),
    )


def _without(group: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(GROUPS) != group)


def _jackknife(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    stacked = np.stack(values)
    return np.asarray((len(values) - 1) / len(values) * ((stacked - stacked.mean(0)) ** 2).sum(0))


def _given_he(
    world: World,
    blocks: list[tuple[Weights, NDArray[np.float64]]],
    conditional: Estimate,
) -> Estimate:
    """Take off what goes with the looks; slopes of one half of tissues, looks of the other."""
    groups = world.response.groups(*_middle(blocks))
    looks = len(FEATURES) - len(MARKERS)
    taken = []
    for fold in range(2):
        other = np.arange(GROUPS) % 2 != fold
        moved = world.response.mean(groups, other)[:, -looks:]
        taken.append(np.einsum("nl,nlm->nm", moved, world.slopes[fold]) / world.unit)
    difference = np.abs(taken[0] - taken[1]) / 2
    nothing = np.zeros(len(NICHES))
    return Estimate(
        shift=conditional.shift - (taken[0] + taken[1]) / 2,
        se=np.hypot(conditional.se, difference),
        own=conditional.own,
        area=nothing,
        area_se=nothing,
    )
