"""How hard a virtual cohort is: knobs with limits, and three presets of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.randomness import stream
from napari_haiku.simulation.vocabulary import MARKERS

if TYPE_CHECKING:
    from collections.abc import Mapping

PANELS = 3
CUSTOM = "custom"


@dataclass(frozen=True)
class Difficulty:
    """Knobs of a virtual cohort; the defaults are preset `standard`.

    Parameters
    ----------
    effect : float
        Factor on every effect of the record and of the tone, 0 to 3.
    noise : float
        Factor on the noise of both pictures, 0 to 5.
    stain : float
        Factor on how far sites, scanners and slides differ in stain, sharpness
        and marker gain, 0 to 3.
    shift_um : float
        Largest distance between the two pictures, 0 to 10 um; each slide has
        its own, in a direction of its own.
    shear : float
        Largest shear between the two pictures in um per um, 0 to 0.02.
    serial_section : bool
        The mIF shows the next section: the same architecture, other cells.
    missing_markers : float
        Share of the markers that each of three panels lacks, 0 to 0.33; DAPI
        is in every panel, and every marker in at least two.
    confounding : bool
        Whether sites differ in their mix of stages too, not in stain alone.
    """

    effect: float = 1.0
    noise: float = 1.0
    stain: float = 1.0
    shift_um: float = 0.0
    shear: float = 0.0
    serial_section: bool = False
    missing_markers: float = 0.0
    confounding: bool = False

    def __post_init__(self) -> None:
        """Refuse a knob beyond its limits."""
        for knob, (low, high, unit) in _LIMITS.items():
            value = getattr(self, knob)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                raise HaikuError(
                    f"Difficulty {knob} {value!r} is out of range: choose {low:g} to {high:g}"
                    f"{unit}."
                )


_LIMITS: dict[str, tuple[float, float, str]] = {
    "effect": (0, 3, ""),
    "noise": (0, 5, ""),
    "stain": (0, 3, ""),
    "shift_um": (0, 10, " um"),
    "shear": (0, 0.02, ""),
    "missing_markers": (0, 0.33, ""),
}

STANDARD = Difficulty()
PRESETS: dict[str, Difficulty] = {
    "easy": Difficulty(effect=1.5, noise=0.5, stain=0.5),
    "standard": STANDARD,
    "hard": Difficulty(
        effect=0.7,
        noise=1.8,
        stain=1.6,
        shift_um=5.0,
        shear=0.004,
        serial_section=True,
        missing_markers=0.25,
    ),
}


def difficulty_preset(name: str, *, confounding: bool = False) -> Difficulty:
    """Return a preset, with or without confounding of site and stage.

    Raises
    ------
    HaikuError
        There is no such preset.
    """
    if name not in PRESETS:
        raise HaikuError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
    return replace(PRESETS[name], confounding=confounding)


def preset_name(difficulty: Difficulty) -> str:
    """Return the preset whose knobs these are, confounding aside, or "custom"."""
    plain = replace(difficulty, confounding=False)
    return next((name for name, preset in PRESETS.items() if preset == plain), CUSTOM)


def difficulty_settings(difficulty: Difficulty) -> dict[str, Any]:
    """Return what `simulation.json` says of a difficulty."""
    knobs = asdict(difficulty)
    return {
        "preset": preset_name(difficulty),
        "confounding": knobs.pop("confounding"),
        "difficulty": knobs,
    }


def difficulty_of(settings: Mapping[str, Any]) -> Difficulty:
    """Read a difficulty back from `simulation.json`; one that says nothing is standard.

    Raises
    ------
    HaikuError
        A knob is unknown or out of range.
    """
    knobs = settings.get("difficulty", {})
    known = {field.name for field in fields(Difficulty)} - {"confounding"}
    if not isinstance(knobs, dict) or not known.issuperset(knobs):
        raise HaikuError(
            "simulation.json names difficulty knobs that this version does not know: "
            "make the cohort again."
        )
    return Difficulty(confounding=bool(settings.get("confounding", False)), **knobs)


def panel_markers(seed: int, index: int, difficulty: Difficulty) -> tuple[str, ...]:
    """Return the markers of a patient's panel, in the order of MARKERS."""
    lacking = int(difficulty.missing_markers * (len(MARKERS) - 1))
    if not lacking:
        return MARKERS
    order = stream(seed, 0, "panels").permutation(np.arange(1, len(MARKERS)))
    panel = int(stream(seed, index, "panel").integers(PANELS))
    # Disjoint, so that what one panel lacks the others have.
    absent = set(order[panel * lacking : (panel + 1) * lacking].tolist())
    return tuple(name for number, name in enumerate(MARKERS) if number not in absent)
