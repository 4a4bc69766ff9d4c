"""Edits that were kept under a name, to be looked at again and beside each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_haiku.viewer.biomarkers.marker_limits import shift_limit
from napari_haiku.viewer.counterfactual.shift_layers import SHIFT, scenario_name
from napari_haiku.viewer.layers.layer_slots import drop_layer
from napari_haiku.viewer.layers.several import show_several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import napari

    from napari_haiku.viewer.counterfactual.shift_maps import ShiftMaps

MOST_COMPARED = 3


@dataclass(frozen=True, eq=False)
class Scenario:
    """An edit under a name.

    Parameters
    ----------
    name : str
        What it is called.
    edits : dict of str to str
        Field -> value asked about.
    maps : ShiftMaps or None
        Its answer; None for one of an earlier visit that was not asked again.
    """

    name: str
    edits: dict[str, str]
    maps: ShiftMaps | None = None


@dataclass
class Scenarios:
    """The scenarios of one slide, in the order in which they were kept."""

    kept: list[Scenario] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names, oldest first."""
        return [scenario.name for scenario in self.kept]

    def named(self, name: str) -> Scenario | None:
        """Give the scenario of a name."""
        return next((one for one in self.kept if one.name == name), None)

    def of(self, edits: Mapping[str, str]) -> Scenario | None:
        """Give the scenario that was kept of an edit."""
        return next((one for one in self.kept if one.edits == dict(edits)), None)

    def keep(self, maps: ShiftMaps, name: str = "") -> Scenario:
        """Keep an answer; the same edit is kept once, and names stay different."""
        edits = dict(maps.result.edit.after)
        there = self.of(edits)
        wanted = " ".join(name.split()) or (there.name if there else scenario_name(edits))
        made = Scenario(self._free(wanted, there), edits, maps)
        if there is None:
            self.kept.append(made)
        else:
            self.kept[self.kept.index(there)] = made
        return made

    def rename(self, name: str, wanted: str) -> Scenario | None:
        """Call a scenario otherwise; an empty name changes nothing, and names stay different."""
        there, wanted = self.named(name), " ".join(wanted.split())
        if there is None or not wanted:
            return there
        made = replace(there, name=self._free(wanted, there))
        self.kept[self.kept.index(there)] = made
        return made

    def _free(self, wanted: str, but: Scenario | None) -> str:
        others = [one.name for one in self.kept if one is not but]
        chosen, number = wanted, 2
        while chosen in others:
            chosen, number = f"{wanted} ({number})", number + 1
        return chosen

    def forget(self, name: str) -> None:
        """Forget a scenario."""
        self.kept = [one for one in self.kept if one.name != name]

    def forget_answers(self) -> None:
        """Keep the edits only: atlas, niches or settings are others now."""
        self.kept = [replace(one, maps=None) for one in self.kept]

    def compared(self, now: ShiftMaps | None) -> list[Scenario]:
        """Give up to three scenarios to compare: the answer in view, and those kept last."""
        listed = [one for one in self.kept if one.maps is not None]
        if now is not None and not any(one.maps is now for one in listed):
            edits = dict(now.result.edit.after)
            listed = [one for one in listed if one.edits != edits]
            listed.append(Scenario(scenario_name(edits), edits, now))
        return listed[-MOST_COMPARED:]


def common_limit(scenarios: Sequence[Scenario], marker: str) -> float:
    """Upper end of the limits that all of them share."""
    columns = [
        one.maps.column(marker)
        for one in scenarios
        if one.maps is not None and marker in one.maps.markers
    ]
    return shift_limit(*columns)


def show_compared(viewer: napari.Viewer, scenarios: Sequence[Scenario], marker: str) -> float:
    """Show one marker under several scenarios side by side, with the same limits.

    Returns
    -------
    float
        Upper end of the limits.
    """
    limit = common_limit(scenarios, marker)
    answered = [
        (one.name, one.maps)
        for one in scenarios
        if one.maps is not None and marker in one.maps.markers
    ]
    layers = [maps.layer(marker, limit=limit, scenario=name) for name, maps in answered]
    if layers:
        # Its name would stand on the canvas twice.
        drop_layer(viewer, SHIFT)
        show_several(viewer, layers, answered[0][1].outside, one_bar=True)
    return limit
