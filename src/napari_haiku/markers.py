"""Marker names: which protein a channel's name means, and when it means none.

The names are those of the published vocabulary (124 names for 123 markers);
the spellings come from marker nomenclature (HGNC symbols, CD numbers, usual
ways of writing them) and stand in ``assets/markers.csv``.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

Status = Literal["recognised", "ambiguous", "not a marker", "unknown"]

MARKER_GROUPS: dict[str, tuple[str, ...]] = {
    "nuclei": ("DAPI",),
    "epithelium": ("PanCK", "ECad", "EpCAM", "Keratin8_18", "Keratin14", "Keratin19", "CD227"),
    "stroma": ("aSMA", "FAP", "Vimentin", "CollagenIV", "Podoplanin", "S100A4", "CD90", "CD140b"),
    "vessels": ("CD31", "CD34", "LYVE1", "PNAD", "Perlecan", "Caveolin1"),
    "lymphocytes": ("CD45", "CD45RO", "CD45RA", "CD5", "CD127", "CD197", "CD69", "CD44", "CD62L"),
    "T cells": ("CD3e", "CD4", "CD8", "FoxP3", "TCRb", "TCRgammadelta", "CD25", "TCF1", "Tbet"),
    "B and plasma cells": ("CD20", "CD19", "CD79", "CD21", "CD138", "CD38", "CXCR5", "CXCL13"),
    "myeloid cells": ("CD68", "CD163", "CD14", "CD11b", "CD11c", "CD206", "HLA-DR", "CD16", "CD33"),
    "granulocytes and mast cells": ("CD66b", "CD66", "CD15", "MPO", "Tryptase", "CD117", "Siglec8"),
    "NK and cytotoxic cells": ("CD56", "CD57", "GranzymeB", "Perforin", "CD107a", "IFNg"),
    "checkpoints": (
        "PD1",
        "PDL1",
        "CD152",
        "LAG3",
        "TIM3",
        "TIGIT",
        "VISTA",
        "IDO1",
        "ICOS",
        "TOX",
    ),
    "proliferation": ("Ki67", "PCNA", "HistoneH3p"),
    "nerve": ("PGP9_5", "Nestin", "Olig2", "SOX10"),
}

_NUCLEAR_ROUND = re.compile(r"(dapi|hoechst|dna|dsdna|draq5)0*\d{1,2}")
_NUMBERED_NOTHING = re.compile(
    r"af\d{1,2}|"
    r"(autofluorescence|autofluor|blank|empty|background|bg|bkg|bckg|unstained|control|none)\d{1,3}"
)
_ELEMENTS = (
    "ArAr|Ar|Se|Y|Rh|Pd|Ag|Cd|In|Sn|Te|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Hf|Ta|W|"
    "Os|Ir|Pt|Au|Hg|Pb|Bi"
)
_METAL = re.compile(rf"(?:\d{{2,3}}(?:{_ELEMENTS})|(?:{_ELEMENTS})\d{{2,3}})(?:D[id])?")
_DYE = re.compile(
    r"(fitc|tritc|pe|apc|cy[2357]([._]?5)?|alexa(fluor)?\d*|\d{3}n|af\d{3}[a-z]?|fluor|opal(polaris)?\d*|polaris|tsa|"
    r"dylight\d*|atto\d*n?|cf\d{3}|bv\d{3}|buv\d{3}|bb\d{3}|percp|texasred|txred|rhodamine|rox|gfp|rfp|mcherry|"
    r"coumarin|pacificblue|argo(fluor)?\d*|argo|dig|spectrum|qd\d{3}|irdye\d*|efluor\d*|vio\d*|superbright\d*)"
)
_ROUND = re.compile(r"(cyc|cycle|round|rnd|ch|channel|chan|reg|region|r|c)0*\d{1,3}")
_ROUND_WORD = frozenset({"cyc", "cycle", "round", "rnd", "ch", "channel", "chan", "reg", "region"})
_FILLER = frozenset(
    {"anti", "human", "hu", "hs", "mouse", "ms", "rabbit", "rb", "rat", "goat", "antibody", "ab"}
    | {
        "mab",
        "pab",
        "antigen",
        "ag",
        "target",
        "marker",
        "stain",
        "staining",
        "signal",
        "conjugate",
    }
    | {"purified", "protein", "of", "the", "di", "dd", "lot", "ihc", "if", "mif"}
)
_CLONE = re.compile(
    r"(sp\d{1,3}|epr?\d{2,}[a-z\d]*|e\d[a-z]\d[a-z]|d\d{1,2}[a-z]\d{1,2}[a-z]{0,2}|ab\d{4,}|2[28]c3|22c3|288|"
    r"l26|1a4|4a4|2h7|okt\d|ucht\d|c8144b|4b12|pd7|2b11|kp1|pgm1|jc70a?|qbend10|pg-?m1|bc4|mrq\d+|nat105|"
    r"[a-z]{1,2}\d{4,})"
)
_CLONES_NAMED_LIKE_MARKERS = {"uchl1": "CD45RO", "mib1": "Ki67"}
# A number after these words is part of the name: keratin 5 is not a keratin of round 5.
_FAMILIES = re.compile(r"(pan)?(cyto)?keratins?|cks?|krt|pck|collagen|col|granzyme|cd|hla|mhc")
_GREEK = {
    "\N{GREEK SMALL LETTER ALPHA}": "alpha",
    "\N{GREEK SMALL LETTER BETA}": "beta",
    "\N{GREEK SMALL LETTER GAMMA}": "gamma",
    "\N{GREEK SMALL LETTER DELTA}": "delta",
    "\N{GREEK SMALL LETTER EPSILON}": "epsilon",
    "\N{GREEK SMALL LETTER ZETA}": "zeta",
}


@dataclass(frozen=True)
class MarkerMatch:
    """What a channel's name was taken for.

    Parameters
    ----------
    name : str
        The name as given.
    canonical : str or None
        The marker; None unless recognised.
    status : {"recognised", "ambiguous", "not a marker", "unknown"}
        How the name was read.
    candidates : tuple of str
        The markers an ambiguous name may mean.
    """

    name: str
    canonical: str | None
    status: Status
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Entry:
    status: str
    markers: tuple[str, ...] = ()


def vocabulary() -> tuple[str, ...]:
    """Return the 123 canonical marker names, in alphabetical order."""
    return _tables()[2]


def resolve_marker(name: str) -> MarkerMatch:
    """Tell which marker a channel's name means.

    Case, blanks, dashes, Greek letters, dyes, metal tags, clones, staining
    rounds and trailing indices do not matter. A name that fits several markers
    returns them as candidates; a protein outside the vocabulary is unknown,
    never the nearest name.

    Parameters
    ----------
    name : str
        A channel's name as the file has it.
    """
    by_spelling, by_key, _ = _tables()
    entry = by_spelling.get(_spelling(name)) or _whole(name, by_key) or _in_parts(name, by_key)
    if entry is None or entry.status == "other":
        return MarkerMatch(name, None, "unknown")
    if entry.status == "none":
        return MarkerMatch(name, None, "not a marker")
    if entry.status == "marker":
        return MarkerMatch(name, entry.markers[0], "recognised")
    return MarkerMatch(name, None, "ambiguous", entry.markers)


def resolve_panel(names: Sequence[str]) -> tuple[MarkerMatch, ...]:
    """Resolve the channels of one image together.

    The nuclear stain of later staining rounds repeats the first one: it is
    matched as "not a marker".

    Parameters
    ----------
    names : sequence of str
        One name per channel.

    Returns
    -------
    tuple of MarkerMatch
        In the order of `names`.

    Raises
    ------
    HaikuError
        Two channels are the same marker, or bear the same name.
    """
    matches: list[MarkerMatch] = []
    first: dict[str, tuple[int, str]] = {}
    for number, name in enumerate(names, start=1):
        match = resolve_marker(name)
        if match.status != "not a marker":
            meant = match.canonical or name.strip().casefold()
            if meant in first and match.canonical == "DAPI":
                match = replace(match, canonical=None, status="not a marker")
            elif meant in first:
                earlier, spelt = first[meant]
                raise HaikuError(
                    f"Channels {earlier} ({spelt}) and {number} ({name}) are both "
                    f"{match.canonical or spelt}: name them apart in a markers file, or name one "
                    "of them blank."
                )
            else:
                first[meant] = (number, name)
        matches.append(match)
    return tuple(matches)


@cache
def _tables() -> tuple[dict[str, _Entry], dict[str, _Entry], tuple[str, ...]]:
    text = resources.files("napari_haiku").joinpath("assets/markers.csv").read_text("utf-8")
    by_spelling: dict[str, _Entry] = {}
    by_key: dict[str, _Entry] = {}
    names: list[str] = []
    for row in csv.DictReader(text.splitlines()):
        status, name = row["status"], row["name"]
        parts = [part.strip() for part in row["spellings"].split(";") if part.strip()]
        if status == "ambiguous":
            entry, spellings = _Entry(status, tuple(parts)), [name]
        else:
            entry = _Entry(status, (name,) if status == "marker" else ())
            spellings = [name, *parts]
        if status == "marker":
            names.append(name)
        for spelling in spellings:
            by_spelling[_spelling(spelling)] = entry
            by_key[_key(spelling)] = entry
    return by_spelling, by_key, tuple(sorted(names, key=str.casefold))


def _spelling(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _key(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    for letter, spelt in _GREEK.items():
        text = text.replace(letter, spelt)
    return re.sub(r"[\W_]+", "", text)


def _known(key: str, by_key: dict[str, _Entry]) -> _Entry | None:
    entry = by_key.get(key)
    if entry is None and _NUCLEAR_ROUND.fullmatch(key):
        return by_key["dapi"]
    if entry is None and _NUMBERED_NOTHING.fullmatch(key):
        return by_key["blank"]
    return entry


def _whole(name: str, by_key: dict[str, _Entry]) -> _Entry | None:
    """Look the whole name up, unless its last number may just as well be an index."""
    entry = _known(_key(name), by_key)
    split = re.fullmatch(r"(.+?)[\s_\-]+\d+", name.strip())
    if entry is None or split is None:
        return entry
    shorter = _takes_index(_key(split[1]), by_key)
    if shorter is None or shorter == entry:
        return entry
    return _Entry("ambiguous", tuple(sorted({*shorter.markers, *entry.markers})))


def _takes_index(key: str, by_key: dict[str, _Entry]) -> _Entry | None:
    entry = _known(key, by_key)
    return entry if entry and entry.status == "marker" and not _FAMILIES.fullmatch(key) else None


def _in_parts(name: str, by_key: dict[str, _Entry]) -> _Entry | None:
    """Find the one marker among tags, dyes, clones and indices; None if anything is left over."""
    name = re.split(r"\bclones?\b", unicodedata.normalize("NFKC", name), flags=re.IGNORECASE)[0]
    if _METAL.fullmatch(name.strip()):
        return _Entry("none")
    start, doubled, end = name.partition("__")
    if doubled and re.fullmatch(rf"{re.escape(end)}_\d+", start):
        return _whole(end, by_key) or _in_parts(end, by_key)
    inside = re.findall(r"[(\[{]([^)\]}]*)[)\]}]?", name)
    outside = re.sub(r"[(\[{][^)\]}]*[)\]}]?", " ", name)
    found = _segment(outside, by_key)
    for part in inside:
        within = _segment(part, by_key)
        if within is None and found and not _mere_remark(part, found, outside):
            return None
        found = _joined(found, within, part)
    return _verdict(found)


def _segment(text: str, by_key: dict[str, _Entry]) -> list[_Entry] | None:
    """Split a name into known names and noise; None if something is neither."""
    tokens = [(match[0], match.start()) for match in re.finditer(r"[^\W_]+(?:\.\d+)?", text)]
    entries: list[_Entry] = []
    words = [_key(token) for token, _ in tokens]
    position = 0
    while position < len(tokens):
        step, entry = _longest(words, position, by_key)
        if entry is not None:
            entries.append(entry)
        else:
            token, start = tokens[position]
            before = text[start - 1 : start]
            if not _is_noise(token, words, position, before, bool(entries)):
                return None
        position += step
    return entries


def _longest(words: list[str], start: int, by_key: dict[str, _Entry]) -> tuple[int, _Entry | None]:
    best: tuple[int, _Entry | None] = (1, None)
    for end in range(start + 1, len(words) + 1):
        key = "".join(words[start:end])
        if end > start + 1 and words[end - 1].isdigit():
            shorter = _takes_index("".join(words[start : end - 1]), by_key)
            if shorter is not None and shorter != by_key.get("dapi"):
                break
        entry = _known(key, by_key)
        # Among other words, "P" or "Na" is part of a name rather than an element.
        element = entry is not None and entry.status == "none" and len(key) <= 2 and key != "af"
        if entry is not None and not (element and len(words) > 1):
            best = (end - start, entry)
    return best


def _is_noise(token: str, words: list[str], position: int, before: str, after_marker: bool) -> bool:
    word = words[position]
    if word in _FILLER or word in _ROUND_WORD or _METAL.fullmatch(token) or _DYE.fullmatch(word):
        return True
    if _ROUND.fullmatch(word) or _CLONE.fullmatch(word):
        return True
    if word.isdigit() and position == 0:
        return len(words) > 1
    if word.isdigit():
        previous = words[position - 1]
        if previous in _ROUND_WORD or (_DYE.fullmatch(previous) and len(word) <= 3):
            return True
        return before == "_" and after_marker and not _FAMILIES.fullmatch(previous)
    return word == "n" and position > 0 and words[position - 1].isdigit()


def _mere_remark(part: str, found: list[_Entry], outside: str) -> bool:
    """Tell whether brackets hold a clone or a remark rather than a part of the name."""
    family = any(_FAMILIES.fullmatch(_key(word)) for word in outside.split())
    has_both = re.search(r"\d", part) and re.search(r"[A-Za-z]", part)
    clone_of_digits = re.fullmatch(r"\s*\d+[-/]\d+\s*", part)
    return bool(found) and not family and bool(has_both or clone_of_digits)


def _joined(
    found: list[_Entry] | None, within: list[_Entry] | None, part: str
) -> list[_Entry] | None:
    if found is None:
        return None
    clone_of = _CLONES_NAMED_LIKE_MARKERS.get(_key(part))
    if clone_of is not None and any(clone_of in entry.markers for entry in found):
        return found
    return found + (within or [])


def _verdict(found: list[_Entry] | None) -> _Entry | None:
    if not found:
        return None
    statuses = {entry.status for entry in found}
    markers = {marker for entry in found if entry.status == "marker" for marker in entry.markers}
    possible = {marker for entry in found for marker in entry.markers}
    if statuses == {"none"}:
        return _Entry("none")
    if len(markers) == 1 and possible == markers and "other" not in statuses:
        return _Entry("marker", tuple(markers))
    if possible:
        return _Entry("ambiguous", tuple(sorted(possible)))
    return None
