"""A question in words over a slide: how well each patch answers to text and markers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.analysis.counterfactual.result_tables import output_folder, write_parquet
from napari_haiku.errors import HaikuError
from napari_haiku.markers import resolve_marker
from napari_haiku.notices import RESEARCH_USE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel

_HIGH = ("high", "positive", "rich", "+", "hi")
_LOW = ("low", "negative", "poor", "-", "lo", "no")
_WORDS = {"he": "H&E", "mif": "mIF"}


@dataclass(frozen=True)
class WordsAndMarkers:
    """What a question in words asks for.

    Parameters
    ----------
    markers : tuple of (str, int)
        Canonical names, and 1 for high or -1 for low.
    words : str
        What is left for the text tower; "" for nothing.
    """

    markers: tuple[tuple[str, int], ...]
    words: str


@dataclass(frozen=True)
class QueryMap:
    """How well each patch of a slide answers to a question in words.

    Parameters
    ----------
    query : str
        The question.
    asked : WordsAndMarkers
        How it was read.
    centres_um : ndarray, shape (n, 2)
        Patch centres.
    values : ndarray of float32, shape (n,)
        Mean of the parts, each in SD over the slide; NaN where a part is
        unknown. High answers best.
    parts : dict of str to ndarray of float32, shape (n,)
        The parts in their own units: `text` is the cosine of the words with
        the patch, markers their value.
    markers_from : str
        "measured", "predicted" or "" without markers.
    notes : tuple of str
        Sentences for the user.
    """

    query: str
    asked: WordsAndMarkers
    centres_um: NDArray[Any]
    values: NDArray[np.float32]
    parts: dict[str, NDArray[np.float32]]
    markers_from: str
    notes: tuple[str, ...]

    def best(self, n: int = 10) -> NDArray[np.int64]:
        """Give the patches that answer best, best first; those without a value never."""
        order = np.argsort(-np.where(np.isfinite(self.values), self.values, -np.inf), kind="stable")
        return order[: min(n, int(np.isfinite(self.values).sum()))].astype(np.int64)

    def table(self) -> pd.DataFrame:
        """One row a patch: `patch, x_um, y_um, answer`, and a column a part."""
        import pandas as pd

        return pd.DataFrame(
            {
                "patch": np.arange(len(self.values)),
                "x_um": self.centres_um[:, 0],
                "y_um": self.centres_um[:, 1],
                "answer": self.values,
                **self.parts,
            }
        )

    def save(self, folder: Path, name: str = "query.parquet") -> None:
        """Write the table into a folder."""
        notes = {
            "query": self.query,
            "words": self.asked.words,
            "markers": [list(pair) for pair in self.asked.markers],
            "markers_from": self.markers_from,
            "notes": list(self.notes),
            "notice": RESEARCH_USE,
        }
        write_parquet(output_folder(folder) / name, self.table(), notes)


def read_query(query: str, markers: Sequence[str]) -> WordsAndMarkers:
    """Take the markers out of a question such as ``CD8 high, PanCK low, tumour margin``.

    A marker counts where "high", "low" or their like stands behind it, a plus or
    minus at its end, or "no" or "low" before it; any other word is text.

    Parameters
    ----------
    query : str
        The question.
    markers : sequence of str
        Canonical names of the markers at hand.

    Raises
    ------
    HaikuError
        An empty question, or a marker that is not at hand.
    """
    if not query.strip():
        raise HaikuError("The question is empty: write words such as 'CD8 high, tumour margin'.")
    found: dict[str, int] = {}
    left: list[str] = []
    for phrase in re.split(r"[,;]", query):
        tokens = phrase.split()
        place = 0
        while place < len(tokens):
            token, following = tokens[place], tokens[place + 1 : place + 2]
            level = _level(following[0]) if following else 0
            if level and (name := _marker(token)):
                found[_at_hand(name, markers)] = level
                place += 2
            elif (level := _level(token[-1])) and len(token) > 1 and (name := _marker(token[:-1])):
                found[_at_hand(name, markers)] = level
                place += 1
            elif (level := _level(token)) and following and (name := _marker(following[0])):
                found[_at_hand(name, markers)] = level
                place += 2
            else:
                left.append(token)
                place += 1
    return WordsAndMarkers(tuple(found.items()), " ".join(left))


def map_query(
    encoding: Encoding,
    query: str,
    *,
    model: TissueModel | None = None,
    modality: str | None = None,
    markers: Sequence[str] = (),
    predicted: NDArray[Any] | None = None,
) -> QueryMap:
    """Lay a question in words over a slide.

    Parameters
    ----------
    encoding : Encoding
        The slide.
    query : str
        Such as ``CD8 high tumour margin``; see :func:`read_query`.
    model : TissueModel, optional
        The encoding's model; needed where the question has words.
    modality : {"he", "mif"}, optional
        What the words are compared with; by default mIF where there is one.
    markers, predicted : sequence of str and ndarray, shape (n, markers), optional
        Predicted markers, used for a slide that measured none.

    Raises
    ------
    HaikuError
        A marker that was neither measured nor predicted, words without a
        model that reads them, or a modality that the slide lacks.
    """
    measured = encoding.expression is not None
    names = tuple(encoding.markers) if measured else tuple(markers)
    values = encoding.expression if measured else predicted
    asked = read_query(query, names)
    parts: dict[str, NDArray[np.float32]] = {}
    towards: list[NDArray[np.float64]] = []
    notes: list[str] = []
    for name, sign in asked.markers:
        column = np.asarray(values, np.float32)[:, names.index(name)]  # at hand by read_query
        parts[name] = column
        towards.append(sign * _in_sd(column))
        if not np.isfinite(towards[-1]).any():
            notes.append(f"{name} does not vary on this slide, so it tells no patches apart.")
    if asked.words:
        cosine = _cosine(encoding, asked.words, model, modality)
        parts["text"] = cosine
        towards.append(_in_sd(cosine))
        unknown = model.unknown_words(asked.words) if model is not None else ()
        if unknown:
            words = ", ".join(f'"{word}"' for word in unknown)
            notes.append(f"The model has never read {words}; such words are ignored.")
        notes.append(
            "The map of words says where they fit better than elsewhere on this slide, not that "
            "they are true anywhere."
        )
    usable = [part for part in towards if np.isfinite(part).any()]
    answer = (np.mean(usable, axis=0) if usable else np.full(encoding.n_patches, np.nan)).astype(
        np.float32
    )
    return QueryMap(
        query,
        asked,
        encoding.centres_um,
        answer,
        parts,
        ("measured" if measured else "predicted") if asked.markers else "",
        tuple(notes),
    )


def _cosine(
    encoding: Encoding, words: str, model: TissueModel | None, modality: str | None
) -> NDArray[np.float32]:
    if model is None:
        raise HaikuError(f"The words '{words}' need the model that the slide was encoded with.")
    encoding.check_model(model)
    if "text" not in model.modalities or not model.shared_space:
        raise HaikuError(
            f"The model {model.name} has no text in the space of its images: ask for markers only."
        )
    if modality is None:
        modality = "mif" if encoding.embeddings("mif") is not None else "he"
    if modality not in _WORDS:
        raise HaikuError(f"Words are compared with he or mif, not {modality!r}.")
    vectors = encoding.embeddings(modality)
    if vectors is None:
        raise HaikuError(
            f"{encoding.path.name} has no {_WORDS[modality]} to compare the words with."
        )
    text = np.asarray(model.encode_text([words])[0], np.float32)
    cosine: NDArray[np.float32] = np.asarray(vectors, np.float32) @ text
    return cosine


def _in_sd(column: NDArray[Any]) -> NDArray[np.float64]:
    """Express in SD over the slide; all NaN where it does not vary."""
    values = np.asarray(column, np.float64)
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(len(values), np.nan)
    mean, spread = values[known].mean(), values[known].std()
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return np.full(len(values), np.nan)
    scaled: NDArray[np.float64] = (values - mean) / spread
    return scaled


def _level(token: str) -> int:
    word = token.lower()
    return 1 if word in _HIGH else -1 if word in _LOW else 0


def _marker(token: str) -> str | None:
    match = resolve_marker(token)
    return match.canonical


def _at_hand(name: str, markers: Sequence[str]) -> str:
    if name not in markers:
        known = ", ".join(markers) if markers else "none"
        raise HaikuError(
            f"{name} was neither measured on this slide nor predicted: markers at hand are {known}."
        )
    return name
