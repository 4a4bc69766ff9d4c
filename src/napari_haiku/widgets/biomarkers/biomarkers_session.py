"""What the Biomarkers dock keeps between two visits, and how it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_haiku.widgets.biomarkers.biomarkers_dock import BiomarkersDock


def state_of(dock: BiomarkersDock) -> dict[str, Any]:
    """Give settings and markers; what was predicted is computed anew, to the same values."""
    return {
        "predicted": dock.workspace.biomarkers is not None,
        "marker": dock.table.current,
        "ticked": list(dock.table.ticked),
        "arrange": dock.arrange.choice,
        "maps": dock.settings.state(),
        "neighbours": dock.neighbours.value(),
        "record_share": dock.record_share.value(),
        "region_um": None if dock.region_um is None else list(dock.region_um),
    }


def bring_back(dock: BiomarkersDock, state: dict[str, Any]) -> None:
    """Put settings and markers in place; what was predicted is predicted again."""
    dock.neighbours.setValue(int(state.get("neighbours", dock.neighbours.value())))
    dock.record_share.setValue(float(state.get("record_share", dock.record_share.value())))
    region = state.get("region_um")
    if region is not None and len(region) == 4:
        x0, y0, x1, y1 = (float(end) for end in region)
        dock.region_um = (x0, y0, x1, y1)
    dock.settings.take(state.get("maps") or {})
    dock.arrange.set_choice(str(state.get("arrange", dock.arrange.choice)))
    dock.table.take(state.get("marker"), [str(name) for name in state.get("ticked") or ()])
    if state.get("predicted") and dock.missing() is None:
        dock.predict()
