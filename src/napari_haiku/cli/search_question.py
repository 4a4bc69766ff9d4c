"""What a search asks: patches of an encoded slide, a picture, words, or a mix of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.scoring import SCORERS
from napari_haiku.atlas.search import Exclusion
from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import make_grid
from napari_haiku.images.patches import PatchSource
from napari_haiku.images.reading import open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.model.base import TissueModel


@dataclass(frozen=True)
class Question:
    """One question and what must not answer it.

    Parameters
    ----------
    parts : dict of str to ndarray or None
        Vectors by modality, (dim,) for one that serves all patches of a set.
    patches : int
        How many patches it was made of; 0 for words.
    exclude : Exclusion
        What may not answer.
    positions_um : ndarray, shape (m, 2), or None
        Where its patches lie on their slide.
    notes : tuple of str
        Sentences for the user.
    """

    parts: dict[str, NDArray[np.float32] | None]
    patches: int
    exclude: Exclusion
    positions_um: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def patch_under(encoding: Encoding, at_um: tuple[float, float]) -> NDArray[np.int64]:
    """Find the patch of a slide that covers a position, in um.

    Raises
    ------
    HaikuError
        There is glass, or nothing at all.
    """
    patch = encoding.grid.at(*at_um)
    if patch is None:
        half = encoding.patch_um / 2
        x0, y0 = encoding.centres_um.min(axis=0) - half
        x1, y1 = encoding.centres_um.max(axis=0) + half
        raise HaikuError(
            f"No patch of {encoding.path.name} covers {at_um[0]:g},{at_um[1]:g} um: choose tissue "
            f"between {x0:g},{y0:g} and {x1:g},{y1:g} um."
        )
    return np.array([patch], np.int64)


def patches_inside(encoding: Encoding, file: Path) -> NDArray[np.int64]:
    """Find the patches whose centre lies inside the polygons of a GeoJSON file, in um.

    Raises
    ------
    HaikuError
        The file holds no polygon, or no patch lies inside.
    """
    from skimage.measure import points_in_poly

    inside = np.zeros(encoding.n_patches, bool)
    for polygon in _polygons(file):
        # The first ring is the outline; what further rings enclose are holes.
        covered = points_in_poly(encoding.centres_um, polygon[0])
        for hole in polygon[1:]:
            covered &= ~points_in_poly(encoding.centres_um, hole)
        inside |= covered
    if not inside.any():
        raise HaikuError(
            f"No patch of {encoding.path.name} lies inside the polygons of {file.name}: give them "
            "in um, x right and y down from the image's origin."
        )
    return np.flatnonzero(inside)


def from_patches(
    encoding: Encoding,
    atlas: Atlas,
    rows: NDArray[np.int64],
    *,
    within_patient_um: float | None,
    as_set: bool = False,
) -> Question:
    """Ask with patches of an encoded slide: several are averaged, or ask each by itself."""
    atlas.check_model(encoding.model_fingerprint)
    parts: dict[str, NDArray[np.float32] | None] = {"text": encoding.embeddings("text")}
    for modality in ("he", "mif"):
        vectors = encoding.embeddings(modality)
        if vectors is not None:
            asking = [rows[place : place + 1] for place in range(len(rows))] if as_set else [rows]
            vectors = np.stack([_mean_unit(vectors[some]) for some in asking])
        parts[modality] = vectors
    return Question(
        parts=parts,
        patches=len(rows),
        exclude=Exclusion.of(encoding, within_patient_um),
        positions_um=encoding.centres_um[rows],
    )


def from_image(
    path: Path, atlas: Atlas, load: Callable[[], TissueModel], *, pixel_size_um: float | None
) -> Question:
    """Ask with the tissue of a picture; its patches are averaged into one query."""
    image = open_image(path, pixel_size_um=pixel_size_um)
    towers = load()
    atlas.check_model(towers)
    is_he = image.modality == "he"
    if not is_he:
        image.require_named_channels()
    grid = make_grid(
        image if is_he else None,
        None if is_he else image,
        patch_um=atlas.patch_um,
        stride_um=atlas.patch_um,
    )
    source = PatchSource(image, grid, towers.read_um(image.modality))
    patches = source.read(0, len(grid))
    if is_he:
        vectors = towers.encode_he(patches, source.pixel_size_um)
    else:
        vectors = towers.encode_mif(
            patches[:, list(image.used_channels)], image.used_markers, source.pixel_size_um
        )
    part = _mean_unit(vectors)
    return Question({image.modality: part}, patches=len(grid), exclude=Exclusion())


def from_text(text: str, atlas: Atlas, load: Callable[[], TissueModel]) -> Question:
    """Ask with words.

    Raises
    ------
    HaikuError
        There are no words, or none that the model knows.
    """
    vector, notes = _words(text, atlas, load)
    return Question({"text": vector}, patches=0, exclude=Exclusion(), notes=notes)


def with_words(
    question: Question, text: str, atlas: Atlas, load: Callable[[], TissueModel]
) -> Question:
    """Put words into a question in place of the slide's record.

    Raises
    ------
    HaikuError
        There are no words, or none that the model knows.
    """
    vector, notes = _words(text, atlas, load)
    return replace(question, parts={**question.parts, "text": vector}, notes=notes)


def card_for(
    scorer: str, atlas: Atlas, load: Callable[[], TissueModel]
) -> Mapping[str, Any] | None:
    """Read the card of the atlas's model where a score depends on how it was trained."""
    if not SCORERS[scorer].trained_by:
        return None
    towers = load()
    atlas.check_model(towers)
    return towers.card


def without_patient(exclude: Exclusion, patient_id: str | None) -> Exclusion:
    """Leave out the patient named with ``--exclude-patient`` instead of the slide's own.

    Raises
    ------
    HaikuError
        The slide's own patient is a different one and would come in.
    """
    if patient_id is None:
        return exclude
    if exclude.patient_id not in (None, patient_id):
        raise HaikuError(
            "The slide's own patient is left out already: leave --exclude-patient away, or write "
            "the other patient into --where."
        )
    return replace(exclude, patient_id=patient_id)


def _words(
    text: str, atlas: Atlas, load: Callable[[], TissueModel]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    if not text.strip():
        raise HaikuError("The text is empty: write what the tissue should be like.")
    towers = load()
    atlas.check_model(towers)
    vector, unknown = towers.encode_words(text)
    return vector, (f"The model has never read: {', '.join(unknown)}.",) if unknown else ()


def _mean_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _polygons(file: Path) -> list[list[NDArray[np.float64]]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        found = [
            [np.array([point[:2] for point in ring], np.float64) for ring in rings]
            for rings in _rings_of(content)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HaikuError(
            f"{file.name} cannot be read as GeoJSON: give a file with polygons in um."
        ) from error
    if not found:
        raise HaikuError(f"{file.name} holds no polygon: draw one in um and save it again.")
    return found


def _rings_of(content: Any) -> Iterator[Sequence[Any]]:
    """Walk through feature collections, features and geometries down to polygons."""
    if isinstance(content, list):
        for part in content:
            yield from _rings_of(part)
    elif isinstance(content, dict):
        kind = content.get("type")
        if kind == "Polygon":
            yield content["coordinates"]
        elif kind == "MultiPolygon":
            yield from content["coordinates"]
        else:
            for key in ("features", "geometry", "geometries"):
                yield from _rings_of(content.get(key))
