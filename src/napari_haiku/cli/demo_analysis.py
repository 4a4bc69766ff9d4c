"""The demo's questions to one encoded slide, without a window."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
from napari_haiku.analysis.counterfactual.counterfactual import (
    CounterfactualRequest,
    run_counterfactual,
)
from napari_haiku.analysis.niches.niche_request import CLUSTERS
from napari_haiku.analysis.niches.niches import find_niches
from napari_haiku.analysis.statistics.correlation import pearson_columns
from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError
from napari_haiku.export.maps import write_biomarker_maps
from napari_haiku.export.report import write_counterfactual_report
from napari_haiku.notices import ASSOCIATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerResult
    from napari_haiku.analysis.niches.niches import NicheResult
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.cli.reporting import Report
    from napari_haiku.clinical import Record
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel

HITS = 10
LEAST_FOR_R = 10
# Shown first where they are measured: they draw the tumour's outline.
MAPS_SHOWN = ("ECad", "PanCK", "CD8")

Timed = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Subject:
    """What the questions are about.

    Parameters
    ----------
    encoding, atlas, model
        Slide, evidence and the model of both.
    rows : ndarray of bool, shape (n,)
        Patches asked about.
    within_patient_um : float or None
        Gap within the slide's own patient.
    edits : dict of str to str
        Edit of the record.
    seed : int
        Seed of everything drawn.
    output : Path
        Folder of the results.
    """

    encoding: Encoding
    atlas: Atlas
    model: TissueModel
    rows: NDArray[np.bool_]
    within_patient_um: float | None
    edits: Record
    seed: int
    output: Path


@dataclass(frozen=True)
class Answers:
    """What the questions gave.

    Parameters
    ----------
    figures : dict
        For ``summary.json``.
    at_um : tuple of float
        Where similar tissue was asked for.
    marker : str
        Biomarker map to show.
    """

    figures: dict[str, Any]
    at_um: tuple[float, float]
    marker: str


def answer(report: Report, subject: Subject, timed: Timed) -> Answers:
    """Ask for similar tissue, biomarkers, niches and a counterfactual, and save the results."""
    with timed("similar"):
        patch, hits = _similar(subject)
    with timed("biomarkers"):
        predicted = report.run(
            predict_biomarkers(
                subject.encoding,
                subject.atlas,
                BiomarkerRequest(within_patient_um=subject.within_patient_um, rows=subject.rows),
            )
        )
        predicted.save(subject.output / "biomarkers")
        write_biomarker_maps(
            subject.output / "biomarkers" / "maps.ome.zarr", predicted, subject.encoding.grid
        )
    with timed("niches"):
        niches = report.run(find_niches([subject.encoding], clusters=CLUSTERS, seed=subject.seed))
        niches.save(subject.output / "niches")
    with timed("counterfactual"):
        counterfactual = _counterfactual(report, subject, niches)
    x_um, y_um = subject.encoding.centres_um[patch]
    return Answers(
        figures={
            "patches": subject.encoding.n_patches,
            "patches_predicted": len(predicted),
            "outside_atlas": int(predicted.outside_atlas.sum()),
            "markers": list(predicted.markers),
            "pearson_r": predicted.pearson_r,
            "mean_pearson_r": predicted.mean_pearson_r,
            "label": predicted.label,
            **_beyond_gap(subject, predicted),
            "similar": {"x_um": float(x_um), "y_um": float(y_um), "hits": hits},
            "niches": {niches.names[niche]: size for niche, size in niches.sizes.items()},
            "counterfactual": counterfactual,
        },
        at_um=(float(x_um), float(y_um)),
        marker=_marker_to_show(predicted),
    )


def _beyond_gap(subject: Subject, predicted: BiomarkerResult) -> dict[str, Any]:
    """Agreement over the patches that lie further than the gap from all tissue of the atlas.

    A model that was trained on the atlas's half has seen nothing near these.
    """
    if subject.within_patient_um is None or predicted.measured is None:
        return {}
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(subject.atlas.positions_um).query(predicted.centres_um)
    far = distance >= subject.within_patient_um
    if far.sum() < LEAST_FOR_R:
        return {}
    r = pearson_columns(predicted.measured[far], predicted.values[far])
    known = {
        marker: float(value)
        for marker, value in zip(predicted.markers, r, strict=True)
        if marker in predicted.pearson_r
    }
    finite = [value for value in known.values() if np.isfinite(value)]
    return {
        "beyond_gap": {
            "patches": int(far.sum()),
            "pearson_r": known,
            "mean_pearson_r": float(np.mean(finite)) if finite else None,
        }
    }


def _similar(subject: Subject) -> tuple[int, list[dict[str, Any]]]:
    """Ask for tissue like each patch; tell the hits of the one with the clearest answer."""
    encoding, atlas = subject.encoding, subject.atlas
    rows = np.flatnonzero(subject.rows)
    he = encoding.embeddings("he")
    if he is None:
        raise HaikuError(f"{encoding.path.name} has no H&E: the demo needs an H&E image.")
    asked = compose_query({"he": he[rows], "text": encoding.embeddings("text")})
    found = search(
        atlas,
        asked,
        target="mif",
        k=HITS,
        exclude=Exclusion.of(encoding, subject.within_patient_um),
        query_positions_um=encoding.centres_um[rows],
    )
    clear = np.where(found.found, found.similarity, -1).mean(axis=1)
    best = int(np.argmax(clear))
    hits = [
        {
            "rank": rank,
            "similarity": float(similarity),
            "patient": atlas.pseudonym_of(int(row)),
            "x_um": float(atlas.positions_um[row, 0]),
            "y_um": float(atlas.positions_um[row, 1]),
        }
        for rank, (row, similarity) in enumerate(
            zip(found.indices[best], found.similarity[best], strict=True), start=1
        )
        if row >= 0
    ]
    return int(rows[best]), hits


def _counterfactual(report: Report, subject: Subject, niches: NicheResult) -> dict[str, Any]:
    try:
        result = report.run(
            run_counterfactual(
                subject.encoding,
                subject.atlas,
                subject.model,
                CounterfactualRequest(
                    edits=subject.edits,
                    within_patient_um=subject.within_patient_um,
                    rows=subject.rows,
                    seed=subject.seed,
                ),
                niches,
            )
        )
    except HaikuError as refusal:
        # An atlas that cannot speak to the edit says so; that is an answer too.
        report.say(f"Counterfactual: {refusal}")
        return {"edit": subject.edits, "refused": str(refusal)}
    folder = subject.output / "counterfactual"
    result.save(folder)
    write_counterfactual_report(folder / "report.html", result, subject.atlas)
    return {
        "edit": subject.edits,
        "support": result.support.word,
        "support_says": result.support.sentence,
        "rows": len(result.shifts),
        "rows_supported": int(result.shifts["supported"].sum()),
        "notice": ASSOCIATION,
    }


def _marker_to_show(predicted: BiomarkerResult) -> str:
    for marker in MAPS_SHOWN:
        if marker in predicted.markers:
            return marker
    best = sorted(predicted.pearson_r.items(), key=lambda entry: -entry[1])
    return best[0][0] if best else predicted.markers[0]
