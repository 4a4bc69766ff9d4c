"""Captions in the published form, with and without what identifies a person.

Both stages (statistics, caption) and the metadata-only text. By default
identifying fields are withheld; ``fields="as published"`` keeps whatever the
published rules keep and is meant for reproducing published numbers alone.

The published page names one full opening sentence, the first words of the
other four and of the five transitions; the rest of their wording is this
package's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_haiku.clinical import CAPTION_TEMPLATES, GENERIC_OPENERS, is_identifying
from napari_haiku.errors import HaikuError
from napari_haiku.model.published.patch_statistics import MarkerStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fields = Literal["withhold identifying", "as published"]

TRANSITION_OPENERS = (
    "regarding the molecular profile,",
    "molecularly, the region is characterized by",
    "in terms of protein expression,",
    "quantitative analysis identifies",
    "the spatial-molecular landscape is defined by",
)
TRANSITIONS = (
    " regarding the molecular profile, these markers stand out:",
    " molecularly, the region is characterized by the following markers:",
    " in terms of protein expression, these markers stand out:",
    " quantitative analysis identifies the following markers:",
    " the spatial-molecular landscape is defined by the following markers:",
)
SENSITIVE = (
    "position",
    "no.",
    "spot number",
    "core id",
    "core no",
    "spot",
    "patient id",
    "case id",
)
SAYS_NOTHING = frozenset({"", "-", "nan", "none", "n/a", "null"})
MOST_MARKERS = 5

_TISSUE, _DISEASE = ("tissue_type", "tissue"), ("disease", "diagnosis")
_STATISTICS = re.compile(
    r"- \*\*(?P<name>.+?)\*\*: z-score = (?P<z>-?[\d.]+), percentile = (?P<p>[\d.]+)"
)
_PATTERN = re.compile(r"- (?P<name>[^*].*?): (?P<pattern>[a-z ]+)")


def statistics_text(
    metadata: Mapping[str, str],
    markers: Sequence[MarkerStatistics],
    *,
    fields: Fields = "withhold identifying",
) -> str:
    """Stage A: the statistics of one patch as the published text file lays them out."""
    kept = _kept(metadata, fields, sensitive=())
    lines = []
    if kept:
        lines += ["Metadata: " + _pairs(kept), ""]
    lines.append("Marker expression:")
    lines += [
        f"- **{m.marker}**: z-score = {m.z_score:.2f}, percentile = {m.percentile:.1f}"
        for m in markers
    ]
    lines.append("Spatial patterns:")
    lines += [f"- {m.marker}: {m.pattern}" for m in markers if m.pattern]
    return "\n".join(lines)


def read_statistics(text: str) -> tuple[dict[str, str], tuple[MarkerStatistics, ...]]:
    """Read metadata and statistics back from a stage A text.

    Raises
    ------
    HaikuError
        The text holds no statistics.
    """
    metadata: dict[str, str] = {}
    found: dict[str, MarkerStatistics] = {}
    for line in text.splitlines():
        if line.startswith("Metadata: "):
            metadata = _split_pairs(line.removeprefix("Metadata: "))
        elif match := _STATISTICS.fullmatch(line.strip()):
            name = match["name"]
            found[name] = MarkerStatistics(name, float(match["z"]), float(match["p"]))
        elif (match := _PATTERN.fullmatch(line.strip())) and match["name"] in found:
            known = found[match["name"]]
            found[known.marker] = MarkerStatistics(
                known.marker, known.z_score, known.percentile, match["pattern"]
            )
    if not found and not metadata:
        raise HaikuError(
            "The text holds neither metadata nor marker statistics: give a stage A text file."
        )
    return metadata, tuple(found.values())


def full_caption(
    metadata: Mapping[str, str],
    markers: Sequence[MarkerStatistics],
    *,
    seed: int | None = None,
    fields: Fields = "withhold identifying",
) -> str:
    """Stage B: the caption of a patch, clinical part and molecular part.

    Parameters
    ----------
    metadata : mapping
        Field to value, in caption order.
    markers : sequence of MarkerStatistics
        From stage A.
    seed : int, optional
        Draws opening sentence and transition; without it the first of each.
    fields : str
        ``"withhold identifying"`` or ``"as published"``.
    """
    opening, transition = 0, 0
    if seed is not None:
        draw = np.random.default_rng(seed)
        opening, transition = int(draw.integers(5)), int(draw.integers(5))
    kept = _kept(metadata, fields, sensitive=SENSITIVE)
    tissue, disease = _first(kept, _TISSUE), _first(kept, _DISEASE)
    if tissue and disease:
        text = CAPTION_TEMPLATES[opening].format(tissue=kept[tissue], disease=kept[disease])
        rest = {key: value for key, value in kept.items() if key not in (tissue, disease)}
        if rest:
            text += f" Additional clinical details include: {_pairs(rest)}."
    else:
        text = GENERIC_OPENERS[opening]
        if kept:
            text += f" Clinical metadata includes: {_pairs(kept)}."
    return text + _molecular(markers, TRANSITIONS[transition])


def metadata_part(caption: str) -> str:
    """Cut a stored caption to its clinical part: what precedes the transition."""
    lowered = caption.lower()
    cuts = [at for opener in TRANSITION_OPENERS if (at := lowered.find(opener)) >= 0]
    return (caption[: min(cuts)] if cuts else caption).strip()


def record_caption(record: Mapping[str, str], *, fields: Fields = "withhold identifying") -> str:
    """Write the metadata-only text of a record, as the published cohort work writes it.

    Unlike a stored caption, a field is dropped only when its name *is* one of
    the sensitive names, and a missing tissue or disease becomes that word.
    """
    kept = {
        key: value
        for key, value in _kept(record, fields, sensitive=()).items()
        if key.lower() not in SENSITIVE
    }
    tissue, disease = _first(kept, _TISSUE), _first(kept, _DISEASE)
    text = CAPTION_TEMPLATES[0].format(
        tissue=kept[tissue] if tissue else "tissue", disease=kept[disease] if disease else "disease"
    )
    rest = {key: value for key, value in kept.items() if key not in (tissue, disease)}
    return f"{text} Additional clinical details include: {_pairs(rest)}." if rest else text


def _molecular(markers: Sequence[MarkerStatistics], transition: str) -> str:
    high = sorted((m for m in markers if m.z_score > 0), key=lambda m: -m.z_score)[:MOST_MARKERS]
    low = sorted((m for m in markers if m.z_score < 0), key=lambda m: m.z_score)[:MOST_MARKERS]
    if not high and not low:
        return ""
    text = transition
    if high:
        parts = [
            f"{m.marker} shows relatively high expression"
            + (f" exhibiting a {m.pattern} pattern" if m.pattern else "")
            for m in high
        ]
        text += f" The region is enriched for {'; '.join(parts)}."
    if low:
        parts = [
            f"{m.marker} is relatively low in expression"
            + (f" with a {m.pattern} pattern" if m.pattern else "")
            for m in low
        ]
        text += f" Conversely, it shows relative depletion of {'; '.join(parts)}."
    return text


def _kept(record: Mapping[str, str], fields: Fields, *, sensitive: Sequence[str]) -> dict[str, str]:
    if fields not in ("withhold identifying", "as published"):
        raise HaikuError(
            f"Caption fields '{fields}' are unknown: choose 'withhold identifying' or "
            "'as published'."
        )
    return {
        key: value
        for key, value in record.items()
        if str(value).strip().lower() not in SAYS_NOTHING
        and not any(word in key.lower() for word in sensitive)
        and (fields == "as published" or not is_identifying(key))
    }


def _first(record: Mapping[str, str], names: Sequence[str]) -> str | None:
    lowered = {key.lower(): key for key in reversed(list(record))}
    return next((lowered[name] for name in names if name in lowered), None)


def _pairs(record: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in record.items())


def _split_pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    last = None
    for part in text.split(", "):
        key, colon, value = part.partition(": ")
        if colon:
            pairs[key] = value
            last = key
        elif last is not None:
            # A comma inside a value.
            pairs[last] += f", {part}"
    return pairs
