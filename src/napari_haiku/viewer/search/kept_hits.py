"""Hits kept under a name, and two such sets compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.viewer.search.hit_cards import HitCard, make_cards, scale_of

if TYPE_CHECKING:
    import pandas as pd

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.viewer.session.parts import State

_MOST_ROWS = 14


@dataclass(frozen=True, eq=False)
class KeptHits:
    """Hits under a name.

    Parameters
    ----------
    name : str
        As the user calls them.
    atlas : str
        Which atlas they belong to; see :func:`atlas_mark`.
    rows : tuple of int
        Rows of that atlas, best first.
    similarity : tuple of float
        Likeness of each to what was asked.
    asked : str
        What was asked, in words.
    """

    name: str
    atlas: str
    rows: tuple[int, ...]
    similarity: tuple[float, ...]
    asked: str

    def to_state(self) -> State:
        """Write it for the session."""
        return {
            "name": self.name,
            "atlas": self.atlas,
            "rows": np.array(self.rows, np.int64),
            "similarity": np.array(self.similarity, np.float32),
            "asked": self.asked,
        }

    @classmethod
    def from_state(cls, state: State) -> KeptHits:
        """Read what :meth:`to_state` wrote."""
        return cls(
            str(state["name"]),
            str(state["atlas"]),
            tuple(int(row) for row in state["rows"]),
            tuple(float(value) for value in state["similarity"]),
            str(state["asked"]),
        )

    def cards(self, atlas: Atlas, slide_id: str) -> tuple[HitCard, ...]:
        """Describe the hits for the gallery, without pictures."""
        return make_cards(atlas, slide_id, self.rows, self.similarity)


@dataclass(frozen=True)
class ComparedLine:
    """One line of a comparison of two sets.

    Parameters
    ----------
    what : str
        What is compared.
    first, second : str
        What each set has.
    """

    what: str
    first: str
    second: str


def atlas_mark(atlas: Atlas) -> str:
    """Tell an atlas from another one, and from itself after patches came or went."""
    files: dict[str, Any] = atlas.description["files"]
    marks = sorted(str(entry.get("sha256", entry.get("bytes"))) for entry in files.values())
    return f"{atlas.name} {atlas.n_patches} {hash_of(marks)}"


def hash_of(words: list[str]) -> str:
    """Short fingerprint of some words."""
    import hashlib

    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


def free_name(names: list[str], stem: str = "Hits") -> str:
    """Give "Hits 1", "Hits 2", ... whichever is free."""
    n = 1
    while f"{stem} {n}" in names:
        n += 1
    return f"{stem} {n}"


def compare(atlas: Atlas, first: KeptHits, second: KeptHits) -> list[ComparedLine]:
    """Put two kept sets side by side: how many, whose, what is high, which records.

    Markers come in the order of how far the sets lie apart; record fields in
    the atlas's order, each with its commonest value.
    """
    lines = [
        ComparedLine("hits", str(len(first.rows)), str(len(second.rows))),
        ComparedLine(
            "patients", str(len(_patients(atlas, first))), str(len(_patients(atlas, second)))
        ),
        ComparedLine("mean likeness", _mean(first), _mean(second)),
    ]
    shared = len(set(first.rows) & set(second.rows))
    both = _patients(atlas, first) & _patients(atlas, second)
    lines.append(
        ComparedLine("in both", f"{shared} {'hit' if shared == 1 else 'hits'}", _count(len(both)))
    )
    lines += _marker_lines(atlas, first, second)
    lines += [
        ComparedLine(name, _commonest(atlas, first, name), _commonest(atlas, second, name))
        for name in atlas.fields
    ]
    return lines[: 4 + 2 * _MOST_ROWS]


def _marker_lines(atlas: Atlas, first: KeptHits, second: KeptHits) -> list[ComparedLine]:
    if not atlas.markers or not first.rows or not second.rows:
        return []
    scale = scale_of(atlas)
    means = []
    for kept in (first, second):
        heights = scale.standardise(atlas.expression[np.array(kept.rows)])
        known = np.isfinite(heights)
        total = np.where(known, heights, 0).sum(axis=0)
        means.append(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))
    apart = np.abs(means[0] - means[1])
    order = np.argsort(-np.nan_to_num(apart, nan=-1.0), kind="stable")
    return [
        ComparedLine(f"{atlas.markers[i]} (SD)", f"{means[0][i]:+.1f}", f"{means[1][i]:+.1f}")
        for i in order[:_MOST_ROWS].tolist()
        if np.isfinite(apart[i])
    ]


def _patients(atlas: Atlas, kept: KeptHits) -> set[str]:
    return {atlas.pseudonym_of(row) for row in kept.rows}


def _records(atlas: Atlas, kept: KeptHits) -> pd.DataFrame:
    slides = sorted({int(atlas.slide_index[row]) for row in kept.rows})
    return atlas.records.iloc[slides].drop_duplicates("patient_id")


def _commonest(atlas: Atlas, kept: KeptHits, name: str) -> str:
    values = _records(atlas, kept)[name]
    values = values[values != ""]
    if not len(values):
        return "not recorded"
    counts = values.value_counts()
    return f"{counts.index[0]} ({int(counts.iloc[0])} of {len(values)})"


def _mean(kept: KeptHits) -> str:
    return f"{np.mean(kept.similarity):.2f}" if kept.similarity else "none"


def _count(patients: int) -> str:
    return f"{patients} {'patient' if patients == 1 else 'patients'}"
