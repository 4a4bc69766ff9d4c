"""What the Niches dock keeps between two visits, and how it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.niches.niche_request import CLUSTERS, METHOD, SMOOTH
from napari_haiku.widgets.niches import finding_niches

if TYPE_CHECKING:
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.widgets.niches.finding_niches import Found
    from napari_haiku.widgets.niches.niches_dock import NichesDock


def state_of(dock: NichesDock) -> dict[str, Any]:
    """Labels, names, settings and the map."""
    result, points = dock.workspace.niches, dock.map_section.points
    return {
        "clusters": dock.settings.clusters.value(),
        "group_by": dock.settings.modality,
        "smooth": dock.settings.smooth.isChecked(),
        "method": dock.settings.chosen_method,
        "whole_atlas": dock.settings.whole_atlas,
        "labels": None if result is None else np.array(result.labels[0], np.uint8),
        "names": {str(niche): name for niche, name in dock.correcting.kept_names.items()},
        "by_hand": dock.correcting.by_hand,
        "found_by": None if result is None else result.request.modality,
        "map": None if points is None else {"points": points, "of": dock.map_section.modality},
    }


def bring_back(dock: NichesDock, state: dict[str, Any]) -> None:
    """Put settings, niches, names and map in place; figures per niche are made anew."""
    encoding = dock.workspace.encoding
    smooth = bool(state.get("smooth", SMOOTH))
    dock.settings.take(
        int(state.get("clusters", CLUSTERS)),
        str(state.get("group_by", "")),
        smooth,
        str(state.get("method", METHOD)),
        whole_atlas=bool(state.get("whole_atlas")),
    )
    labels = state.get("labels")
    if encoding is None or labels is None or len(labels) != encoding.n_patches:
        return
    kept = {int(niche): str(name) for niche, name in (state.get("names") or {}).items()}
    dock.run(
        finding_niches.recover(
            encoding,
            labels,
            modality=state.get("found_by") or dock.settings.modality,
            smooth=smooth,
            predicted=dock.workspace.biomarkers,
            kept=kept,
        ),
        lambda found: _on_recovered(dock, found, encoding, state),
        "Bringing the niches back",
    )


def _on_recovered(
    dock: NichesDock, found: Found, encoding: Encoding, state: dict[str, Any]
) -> None:
    if encoding is not dock.workspace.encoding:
        return
    dock.map_section.show_niches(encoding, found.result.labels[0], found.result.names)
    saved = state.get("map")
    if saved is not None:
        dock.map_section.take_points(saved["points"], str(saved["of"]))
    dock.take(found, encoding, by_hand=bool(state.get("by_hand")))
