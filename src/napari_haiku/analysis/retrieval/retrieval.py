"""Asking an atlas on behalf of one slide: fused questions, own tissue left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.atlas.query import compose_query
from napari_haiku.atlas.search import Exclusion, search
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_haiku.atlas.search import Hits
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.store import Encoding

_PATCHES_AT_ONCE = 512


@dataclass(frozen=True)
class SlideQuestion:
    """Patches of one slide and the part of the atlas that may answer.

    The question is made of H&E and of the record's text only, never of the
    slide's own mIF; what answers are mIF patches with measured markers.

    Parameters
    ----------
    atlas : Atlas
        The evidence.
    he : ndarray of float32, shape (n, dim)
        H&E vectors of the patches asked about.
    positions_um : ndarray, shape (n, 2)
        Their centres.
    exclude : Exclusion
        What may not answer: the slide's own patient, or what is nearer than a gap.
    where : str or None
        Filter over the atlas.
    """

    atlas: Atlas
    he: NDArray[np.float32]
    positions_um: NDArray[Any]
    exclude: Exclusion
    where: str | None

    @classmethod
    def of(
        cls,
        encoding: Encoding,
        atlas: Atlas,
        rows: NDArray[np.int64],
        *,
        within_patient_um: float | None,
        where: str | None,
    ) -> SlideQuestion:
        """Prepare to ask for some patches of an encoding.

        Raises
        ------
        HaikuError
            Atlas and encoding come from different models, the slide has no
            H&E, nobody in the atlas measured a marker, or the model reads no mIF.
        """
        atlas.check_model(encoding.model_fingerprint)
        he = encoding.embeddings("he")
        if he is None:
            raise HaikuError(
                f"{encoding.path.name} has no H&E, and a slide's own mIF is never a question: "
                "encode the H&E image of this section."
            )
        if not atlas.markers:
            raise HaikuError(
                f"Nobody in the atlas {atlas.name} measured a marker, so it cannot answer: "
                "use an atlas of slides with mIF."
            )
        if "mif" not in atlas.modalities:
            raise HaikuError(
                f"The model {atlas.model_name} has no mIF vectors to compare H&E with, so the "
                f"atlas {atlas.name} cannot answer: use a model that reads both."
            )
        return cls(
            atlas,
            he[rows],
            encoding.centres_um[rows],
            Exclusion.of(encoding, within_patient_um),
            where,
        )

    def __len__(self) -> int:
        return len(self.he)

    def of_patches(self, patches: NDArray[np.int64]) -> SlideQuestion:
        """Ask the same for some of the patches only."""
        return replace(self, he=self.he[patches], positions_um=self.positions_um[patches])

    def blocks(self) -> Iterator[slice]:
        """Slices of patches of a size that keeps progress flowing."""
        for start in range(0, len(self), _PATCHES_AT_ONCE):
            yield slice(start, min(start + _PATCHES_AT_ONCE, len(self)))

    def ask(
        self, part: slice, weights: Mapping[str, float], text: NDArray[Any] | None, k: int
    ) -> Hits:
        """Retrieve mIF patches for some of the patches, by H&E and text together."""
        vectors = {"he": self.he[part]}
        if text is not None and "text" in weights:
            vectors["text"] = text
        vectors = {name: vector for name, vector in vectors.items() if name in weights}
        return search(
            self.atlas,
            np.broadcast_to(compose_query(vectors, weights), self.he[part].shape),
            target="mif",
            k=k,
            where=self.where,
            exclude=self.exclude,
            query_positions_um=self.positions_um[part],
        )


def chosen_rows(n_patches: int, rows: NDArray[Any] | slice | None) -> NDArray[np.int64]:
    """Turn a selection of patches (numbers, True/False, a slice, None for all) into numbers."""
    everything = np.arange(n_patches, dtype=np.int64)
    chosen: NDArray[np.int64] = everything if rows is None else everything[rows]
    if not len(chosen):
        raise HaikuError("No patch was chosen: select at least one.")
    return chosen


def nobody_answers(atlas: Atlas, within_patient_um: float | None) -> HaikuError:
    """Say why an atlas gave no neighbour at all."""
    if within_patient_um is None:
        return HaikuError(
            f"No patch of the atlas {atlas.name} could answer: use an atlas with other patients."
        )
    return HaikuError(
        f"The atlas {atlas.name} holds no patch further than {within_patient_um:g} um away that "
        "could answer: use a smaller gap or a larger atlas."
    )
