"""Fields of the record that carry nothing: placebo fields, and a twin of each editable field.

Both stand in captions like any other field and have no arrow to biology. A
placebo field is drawn by itself. A *twin* copies how an editable field is
spread over patients: its values are those of a ghost, a second patient drawn
at the same site whom nothing else links to the first, told in other words. An
edit of a twin therefore costs a text tower the same effort as the real edit
(levels, frequencies, and how the fields hang together) and must move nothing.
A site has no twin: at one site there is nothing left of it to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.errors import HaikuError
from napari_haiku.simulation.randomness import stream

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEBO: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "cassette_colour": (("yellow", "green"), (0.6, 0.4)),
    "label_printer": (("old", "new"), (0.7, 0.3)),
    "storage_shelf": (("upper", "middle", "lower"), (0.5, 0.3, 0.2)),
    "ward_colour": (("amber", "violet", "teal", "ivory"), (0.4, 0.25, 0.2, 0.15)),
    "surgery_weekday": (
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
        (0.25, 0.22, 0.2, 0.18, 0.15),
    ),
    "courier_route": (
        ("oak", "birch", "maple", "cedar", "willow", "alder", "hazel", "rowan"),
        (0.2, 0.17, 0.15, 0.13, 0.11, 0.09, 0.08, 0.07),
    ),
}

TWINS: dict[str, str] = {
    # twin, the field whose spread it copies
    "tray": "tissue_type",
    "lining": "disease",
    "lid": "type",
    "tag": "sex",
    "crate": "age",
    "tape": "smoking",
    "bin": "stage",
    "seal": "grade",
    "docket": "tnm",
    "carton": "treatment",
    "lamp": "survival_status",
    "wattage": "survival_months",
    "trolley": "scanner",
}

_WORDS: dict[str, dict[str, str]] = {
    "tray": {
        "Colon/Rectum": "Check/Stripe", "Breast": "Dots", "Lung": "Plain", "Skin": "Zigzag",
    },
    "lining": {
        "Colon Cancer": "Dune Felt", "Breast Cancer": "Reed Felt", "Lung Cancer": "Moss Felt",
        "Skin Cancer": "Slate Felt",
    },
    "lid": {"Primary Tumor": "Matte Lacquer", "Metastatic Tumor": "Glossy Lacquer"},
    "tag": {"Female": "Round", "Male": "Square"},
    "tape": {"Never": "Narrow", "Former": "Medium", "Current": "Wide"},
    "bin": {"I": "Iron", "II": "Tin", "III": "Zinc", "IV": "Brass"},
    "seal": {"G1": "S1", "G2": "S2", "G3": "S3"},
    "carton": {
        "Surgery only": "Wood wool", "Neoadjuvant chemotherapy": "Corrugated cardboard",
        "Immunotherapy": "Bubblewrap",
    },
    "lamp": {"Alive": "Lit", "Deceased": "Dimmed"},
    "trolley": {
        "Scanner P": "Trolley D", "Scanner Q": "Trolley E", "Scanner R": "Trolley F",
    },
}  # fmt: skip
# Numbers stay numbers, in a range where no real field's numbers lie.
_OFFSET = {"crate": 300, "wattage": 500}
_LETTERS = {"docket": str.maketrans("TNM", "KVB")}

TWIN_LEVELS: dict[str, tuple[str, ...]] = {
    twin: tuple(words.values()) for twin, words in _WORDS.items()
}
"""Levels of each twin that has words; twins of numbers and of codes are not listed."""

# Fields that one edit changes together are shown together.
_UNITS: tuple[tuple[str, ...], ...] = (
    *((name,) for name in PLACEBO),
    ("tray", "lining"),
    ("lamp", "wattage"),
    *((name,) for name in TWINS if name not in ("tray", "lining", "lamp", "wattage")),
)


def draw_placebo(seed: int, index: int) -> dict[str, str]:
    """Draw every placebo field of a patient."""
    rng = stream(seed, index, "placebo")
    return {
        name: levels[rng.choice(len(levels), p=shares)]
        for name, (levels, shares) in PLACEBO.items()
    }


def draw_shown(seed: int, index: int) -> tuple[str, ...]:
    """Draw which half of the fields without effect a patient's record shows, in its order."""
    drawn = stream(seed, index, "placebo shown").permutation(len(_UNITS))[: len(_UNITS) // 2]
    chosen = {name for place in drawn for name in _UNITS[place]}
    return tuple(name for name in (*PLACEBO, *TWINS) if name in chosen)


def twins_of(ghost: Mapping[str, str]) -> dict[str, str]:
    """Say a ghost's clinical record in the words of the twins."""
    return {twin: twin_level(twin, ghost[field]) for twin, field in TWINS.items()}


def twin_level(twin: str, level: str) -> str:
    """Translate one value of a real field into its twin's words.

    Parameters
    ----------
    twin : str
        A key of :data:`TWINS`.
    level : str
        A value of the field whose twin it is.

    Raises
    ------
    HaikuError
        The field has no such level.
    """
    if twin in _LETTERS:
        return level.translate(_LETTERS[twin])
    try:
        return str(int(level) + _OFFSET[twin]) if twin in _OFFSET else _WORDS[twin][level]
    except (KeyError, ValueError) as error:
        raise HaikuError(
            f"Virtual patients have no {TWINS[twin]} {level!r}, so its twin {twin} has no word "
            "for it: choose a level that the cohort's records show."
        ) from error


def twin_edits(edits: Mapping[str, str]) -> dict[str, str]:
    """Translate an edit of real fields into the same edit of their twins.

    Fields without a twin are left out.
    """
    twin_for = {field: twin for twin, field in TWINS.items()}
    return {
        twin_for[field]: twin_level(twin_for[field], level)
        for field, level in edits.items()
        if field in twin_for
    }
