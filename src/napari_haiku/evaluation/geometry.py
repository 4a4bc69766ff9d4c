"""Geometry: gap, evenness and asymmetry of the modalities in the shared space."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.clinical import CAPTION_TEMPLATES, caption
from napari_haiku.errors import HaikuError
from napari_haiku.evaluation import geometry_measures as measures
from napari_haiku.evaluation.figures import Figure
from napari_haiku.evaluation.hand_made import hand_made_space
from napari_haiku.evaluation.ranks import group_ranks, paired_ranks
from napari_haiku.evaluation.resampling import MIN_PATIENTS, PatientResampling
from napari_haiku.evaluation.spaces import Space, model_space, random_space
from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_haiku.evaluation.cohort import EvaluationCohort
    from napari_haiku.evaluation.request import EvaluateRequest
    from napari_haiku.jobs import Job

# Drawn by the seed: every pair of rows is looked at.
MAX_ROWS = 1000
# Parts of the patients left out in turn, for measures that are no sums over patients.
JACKKNIFE_GROUPS = 30
NEIGHBOURS = 5
RECALL = 10


def run(cohort: EvaluationCohort, request: EvaluateRequest) -> Job[dict[str, Any]]:
    """Measure gap, evenness, shared structure and asymmetry of the modalities.

    Raises
    ------
    HaikuError
        No two modalities on the same patches.
    """
    space = model_space(cohort)
    names = modalities_of(space)
    if len(names) < 2 or not space.has_all(names).any():
        raise HaikuError(
            f"The atlas {cohort.atlas.name} has no two modalities on the same patches: there is no "
            "geometry to compare."
        )
    out = yield from _measure(space, request)
    out["mean_rank_variance"] = yield from _rank_variance(cohort, space, request)
    baselines: dict[str, Any] = {}
    baselines["random"] = yield from _measure(random_space(space, request.seed), request)
    hand_made = yield from hand_made_space(cohort, request, space)
    if hand_made is not None and hand_made.crossing is not None:
        crossed = replace(
            hand_made, vectors=hand_made.vectors | {"he": hand_made.crossing}, crossing=None
        )
        baselines["hand_made"] = yield from _measure(crossed, request)
    return out | {"baselines": baselines}


def modalities_of(space: Space) -> tuple[str, ...]:
    """Modalities of a space, text included."""
    return (*space.images, *(["text"] if space.captions is not None else []))


def _measure(space: Space, request: EvaluateRequest) -> Job[dict[str, Any]]:
    names = modalities_of(space)
    rows = np.flatnonzero(space.has_all(names))
    if len(rows) > MAX_ROWS:
        rng = np.random.default_rng([request.seed, 23])
        rows = np.sort(rng.choice(rows, MAX_ROWS, replace=False))
    sample = _Sample(space, names, rows, request)
    out: dict[str, Any] = {"uniformity": {}, "anisotropy": {}, "effective_rank": {}}
    for name in names:
        yield Progress(0, len(names), f"Measuring the geometry ({space.title.lower()})", "steps")
        out["uniformity"][name] = sample.uniformity(name)
        out["anisotropy"][name] = sample.anisotropy(name)
        out["effective_rank"][name] = sample.slow([name], measures.effective_rank)
    out["modality_gap"] = {}
    for a, b in combinations(names, 2):
        yield Progress(1, 2, f"Measuring the geometry ({space.title.lower()})", "steps")
        out["modality_gap"][f"{a}|{b}"] = sample.gap(a, b)
    recall, figures = yield from _recall(space, names, rows, request)
    out["asymmetry"] = figures
    out["mean_abs_asymmetry"] = Figure(
        measures.mean_abs_asymmetry(recall), None, len(rows), 0.0, f"Of R@{RECALL}."
    )
    bias = measures.query_bias(recall)
    out["query_bias"] = {
        name: Figure(float(bias[place]), None, len(rows), 0.0, f"Of R@{RECALL}.")
        for place, name in enumerate(names)
    }
    if len(names) > 2:
        out["mixed_gallery"] = sample.mixed_gallery()
    return out


class _Sample:
    """Some rows of a space with every modality, and resamples of their patients."""

    def __init__(
        self,
        space: Space,
        names: tuple[str, ...],
        rows: NDArray[np.int64],
        request: EvaluateRequest,
    ) -> None:
        self.vectors = {
            name: measures.unit(space.row_vectors(name)[rows].astype(np.float64)) for name in names
        }
        self._patients = space.patients[rows]
        self._request = request
        self._draw = PatientResampling(
            self._patients, seed=request.seed, resamples=request.resamples
        )
        # A caption stands once for each patient, or its copies would count as an even spread.
        first = np.unique(self._patients, return_index=True)[1]
        self._of_text = np.sort(first)

    def uniformity(self, name: str) -> Figure:
        return self._pairs(
            name,
            lambda cosine: np.exp(-2.0 * np.clip(2 - 2 * cosine, 0, None)),
            np.log,
            "Lower is more even.",
        )

    def anisotropy(self, name: str) -> Figure:
        return self._pairs(name, lambda cosine: cosine, lambda mean: mean, "0 is even.")

    def _pairs(
        self,
        name: str,
        kernel: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        last: Callable[[Any], Any],
        note: str,
    ) -> Figure:
        """Mean of a kernel over different rows, resampled by patient."""
        kept = self._of_text if name == "text" else np.arange(len(self._patients))
        vectors, number = self.vectors[name][kept], self._draw.number[kept]
        if len(vectors) < 2:
            return Figure(None, None, len(vectors), None, note)
        values = kernel(vectors @ vectors.T)
        np.fill_diagonal(values, 0)
        n = self._draw.n_patients
        sums = np.zeros((n, len(kept)))
        np.add.at(sums, number, values)
        between = np.zeros((n, n))
        np.add.at(between.T, number, sums.T)
        sizes = np.bincount(number, minlength=n).astype(float)
        pairs = np.outer(sizes, sizes) - np.diag(sizes)

        def mean(counts: NDArray[np.float64]) -> NDArray[np.float64]:
            # A patient drawn twice is not paired with the own copy.
            weights = counts[:, :, None] * counts[:, None, :]
            places = np.arange(n)
            weights[:, places, places] = counts
            top = (weights * between).sum(axis=(1, 2))
            bottom = (weights * pairs).sum(axis=(1, 2))
            with np.errstate(invalid="ignore", divide="ignore"):
                found: NDArray[np.float64] = np.asarray(last(top / bottom))
            return found

        value = float(mean(np.ones((1, n)))[0])
        step = max(1, 4_000_000 // (n * n))
        counts = self._draw.counts.astype(np.float64)
        found = [mean(counts[start : start + step]) for start in range(0, len(counts), step)]
        return Figure(value, self._draw.limits(np.concatenate(found)), len(kept), None, note)

    def slow(self, names: list[str], statistic: Callable[..., float]) -> Figure:
        """Measure a statistic of whole tables, its interval by leaving patients out.

        Rows drawn twice would lower a rank by construction, so that this is a
        jackknife and no bootstrap.
        """
        tables = [self.vectors[name] for name in names]
        value = statistic(*tables)
        groups = min(JACKKNIFE_GROUPS, self._draw.n_patients)
        if self._draw.n_patients < MIN_PATIENTS:
            return Figure(value, None, len(tables[0]))
        found = np.array(
            [
                statistic(*(table[self._draw.number % groups != group] for table in tables))
                for group in range(groups)
            ]
        )
        error = np.sqrt((groups - 1) / groups * ((found - found.mean()) ** 2).sum())
        limits = (float(value - 1.96 * error), float(value + 1.96 * error))
        return Figure(value, limits, len(tables[0]), None, "Interval: jackknife over patients.")

    def gap(self, a: str, b: str) -> dict[str, Figure]:
        x, y = self.vectors[a], self.vectors[b]
        n = len(x)
        out = {
            "paired_cosine_distance": self._draw.mean(1 - (x * y).sum(axis=1), chance=1.0),
            "alignment": self._draw.mean(((x - y) ** 2).sum(axis=1), chance=2.0),
            "linear_cka": self.slow([a, b], measures.linear_cka),
        }
        value, ci = self._draw.of_sums(
            self._draw.per_patient(np.concatenate([x - y, np.ones((n, 1))], axis=1)),
            lambda total: np.linalg.norm(total[:, :-1] / total[:, -1:], axis=1),
        )
        out["centroid_distance"] = Figure(value, ci, n, 0.0)
        if "text" not in (a, b) and n > NEIGHBOURS + 1:
            out["mutual_knn"] = self._draw.mean(
                measures.mutual_neighbours(x, y, NEIGHBOURS), chance=NEIGHBOURS / (n - 1)
            )
        train = self._draw.number % 2 == 0
        if train.any() and not train.all():
            right = measures.linear_separability(x, y, train)
            whose = np.tile(self._patients[~train], 2)
            draw = PatientResampling(
                whose, seed=self._request.seed, resamples=self._request.resamples
            )
            out["linear_separability"] = draw.mean(
                right.astype(float), chance=0.5, note="1: a straight cut tells the modalities."
            )
        return out

    def mixed_gallery(self) -> dict[str, Figure]:
        """Which modality the best hit is of, where two lie in one gallery."""
        out = {}
        for asked in self.vectors:
            others = [name for name in self.vectors if name != asked]
            best = []
            for name in others:
                scores = self.vectors[asked] @ self.vectors[name].T
                scores[self._patients[:, None] == self._patients[None]] = -np.inf
                best.append(scores.max(axis=1))
            out[f"{asked}: {others[0]} before {others[1]}"] = self._draw.mean(
                (best[0] > best[1]) + 0.5 * (best[0] == best[1]),
                chance=0.5,
                note="Of a gallery of both; own patient out.",
            )
        return out


def _recall(
    space: Space, names: tuple[str, ...], rows: NDArray[np.int64], request: EvaluateRequest
) -> Job[tuple[NDArray[np.float64], dict[str, Figure]]]:
    """Recall of every ordered pair on the sample, and the difference of the two ways."""
    hits: dict[tuple[str, str], NDArray[np.float64]] = {}
    patients = space.patients[rows]
    for a, b in permutations(names, 2):
        # Row to row for text too, where captions repeat and tie: both ways have one chance.
        ranks = yield from paired_ranks(
            space.row_vectors(a)[rows], space.row_vectors(b)[rows], "Comparing the two ways"
        )
        hits[a, b] = ranks.hit(RECALL)
    draw = PatientResampling(patients, seed=request.seed, resamples=request.resamples)
    recall = np.zeros((len(names), len(names)))
    for (a, b), hit in hits.items():
        recall[names.index(a), names.index(b)] = hit.mean()
    figures = {
        f"{a}->{b} minus {b}->{a}": draw.mean(
            hits[a, b] - hits[b, a], chance=0.0, note=f"Difference of R@{RECALL}."
        )
        for a, b in combinations(names, 2)
    }
    return recall, figures


def _rank_variance(cohort: EvaluationCohort, space: Space, request: EvaluateRequest) -> Job[Any]:
    """How much the rank of a patient's tissue depends on how the record is worded."""
    model = cohort.model
    if model is None or space.captions is None or not space.images:
        return Figure(None, None, 0, None, "Needs a model with a text tower, and records.")
    target = "mif" if "mif" in space.vectors else "he"
    kept = np.flatnonzero(space.has_all((target, "text")))
    first = np.unique(space.patients[kept], return_index=True)[1]
    slides = cohort.atlas.slide_index[cohort.chosen[kept[np.sort(first)]]]
    whose = space.patients[kept[np.sort(first)]]
    records = [
        {name: str(row[name]) for name in cohort.atlas.fields if row[name] != ""}
        for _, row in cohort.records.iloc[slides].iterrows()
    ]
    ranks = []
    for template in range(len(CAPTION_TEMPLATES)):
        vectors = model.encode_text([caption(record, template=template) for record in records])
        found = yield from group_ranks(
            vectors, space.vectors[target][kept], whose, space.patients[kept], "Rewording captions"
        )
        ranks.append(found.rank())
    table = np.stack(ranks, axis=1)
    draw = PatientResampling(whose, seed=request.seed, resamples=request.resamples)
    return draw.mean(
        table.var(axis=1),
        chance=None,
        note=(
            f"Variance of the rank (of {len(kept):,}) over {len(CAPTION_TEMPLATES)} wordings of "
            f"the record; mean rank {table.mean():.1f}."
        ),
    )
