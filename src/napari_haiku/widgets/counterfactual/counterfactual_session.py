"""What the Counterfactual dock keeps between two visits, and how it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.viewer.counterfactual.scenarios import Scenario

if TYPE_CHECKING:
    from napari_haiku.widgets.counterfactual.counterfactual_dock import CounterfactualDock


def state_of(dock: CounterfactualDock) -> dict[str, Any]:
    """Edits, scenarios and settings; answers are computed anew, the same for the same seed."""
    return {
        "edits": dict(dock.edits),
        "answered": dock.fresh_maps is not None,
        "by_niches": dock.workspace.niches is not None,
        "scenarios": [
            {"name": one.name, "edits": dict(one.edits)} for one in dock.keeping.scenarios.kept
        ],
        "neighbours": dock.neighbours.value(),
        "seed": dock.seed.value(),
        "live": dock.live.isChecked(),
    }


def bring_back(dock: CounterfactualDock, state: dict[str, Any]) -> None:
    """Put edits, scenarios and settings in place; an edit that was answered is asked again."""
    dock.neighbours.setValue(int(state.get("neighbours", dock.neighbours.value())))
    dock.seed.setValue(int(state.get("seed", dock.seed.value())))
    live = bool(state.get("live", True))
    dock.live.setChecked(False)
    dock.keeping.scenarios.kept = [
        Scenario(str(one["name"]), {str(k): str(v) for k, v in one["edits"].items()})
        for one in state.get("scenarios") or ()
    ]
    dock.edit.set_edits({str(k): str(v) for k, v in (state.get("edits") or {}).items()})
    dock.live.setChecked(live)
    dock.keeping.refresh()
    if state.get("answered") and dock.missing() is None and dock.edits:
        dock.waits_for_niches = bool(state.get("by_niches")) and dock.workspace.niches is None
        if not dock.waits_for_niches:
            dock.ask()
