"""What an atlas is made of: slides just encoded, and slides that an atlas holds already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas
    from napari_haiku.clinical import Record
    from napari_haiku.encoding.store import Encoding

_PICTURES_AT_ONCE = 256


class Source(Protocol):
    """One slide of an atlas to be."""

    @property
    def slide_id(self) -> str:
        """Name of the slide."""

    @property
    def patient_id(self) -> str:
        """The patient; a slide of an unknown patient counts as a patient of its own."""

    @property
    def pseudonyms(self) -> tuple[str, str] | None:
        """Names of slide and patient for reports, where they have some already."""

    @property
    def record(self) -> Record:
        """Clinical record."""

    @property
    def caption(self) -> str:
        """What the text tower read."""

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers measured."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which of "he", "mif", "text" have embeddings."""

    @property
    def images(self) -> dict[str, tuple[str, str]]:
        """Name and fingerprint of each image, by modality."""

    @property
    def pictured(self) -> tuple[str, ...]:
        """Modalities of which there are small pictures."""

    @property
    def model(self) -> dict[str, Any]:
        """Name, fingerprint and dim of the model."""

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""

    def __len__(self) -> int:
        """Patches that go in."""

    def table(self) -> dict[str, NDArray[Any]]:
        """Patch, row, col, x_um, y_um and tissue_fraction of each patch."""

    def vectors(self, modality: str) -> NDArray[Any]:
        """Embeddings of the patches; for text the slide's one."""

    def expression(self) -> NDArray[np.float32]:
        """Values of the markers measured, shape (n, markers)."""

    def pictures(self, modality: str) -> Iterator[NDArray[np.uint8] | bytes | None]:
        """Small picture of each patch, as pixels or as JPEG."""

    def location(self, home: Path) -> str:
        """Where the encoding lies, from the folder of the atlas."""

    def identity(self) -> list[str]:
        """Collect what decides this slide's part of the atlas."""


@dataclass(frozen=True)
class EncodedSlide:
    """A slide from its encoding.

    Parameters
    ----------
    encoding : Encoding
        Its encoding.
    patches : ndarray of int64
        Which of its patches go in, ascending.
    """

    encoding: Encoding
    patches: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def slide_id(self) -> str:
        """Name of the slide."""
        return self.encoding.slide_id

    @property
    def patient_id(self) -> str:
        """The patient."""
        return self.encoding.patient_id or self.encoding.slide_id

    @property
    def pseudonyms(self) -> tuple[str, str] | None:
        """None: they are given by the atlas."""
        return None

    @property
    def record(self) -> Record:
        """Clinical record."""
        return self.encoding.record

    @property
    def caption(self) -> str:
        """What the text tower read."""
        return self.encoding.caption

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers measured."""
        return self.encoding.markers

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which have embeddings."""
        text = ("text",) if self.encoding.embeddings("text") is not None else ()
        return (*self.encoding.modalities, *text)

    @property
    def images(self) -> dict[str, tuple[str, str]]:
        """Name and fingerprint of each image."""
        return {
            modality: (str(image["name"]), str(image["fingerprint"]))
            for modality, image in self.encoding.images.items()
        }

    @property
    def pictured(self) -> tuple[str, ...]:
        """Modalities of which there are small pictures."""
        return tuple(self.encoding.images)

    @property
    def model(self) -> dict[str, Any]:
        """The model."""
        return {
            "name": self.encoding.model_name,
            "fingerprint": self.encoding.model_fingerprint,
            "dim": self.encoding.dim,
        }

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""
        return self.encoding.patch_um

    def table(self) -> dict[str, NDArray[Any]]:
        """Where each patch lies."""
        grid, kept = self.encoding.grid, self.patches
        return {
            "patch": kept,
            "row": grid.rows[kept],
            "col": grid.cols[kept],
            "x_um": self.encoding.centres_um[kept, 0],
            "y_um": self.encoding.centres_um[kept, 1],
            "tissue_fraction": self.encoding.tissue_fraction[kept],
        }

    def vectors(self, modality: str) -> NDArray[Any]:
        """Embeddings of the patches; for text the slide's one."""
        found = self.encoding.embeddings(modality)
        if found is None:
            raise KeyError(modality)
        return found if modality == "text" else found[self.patches]

    def expression(self) -> NDArray[np.float32]:
        """Values of the markers measured."""
        measured = self.encoding.expression
        if measured is None:
            return np.zeros((len(self), 0), np.float32)
        return measured[self.patches]

    def pictures(self, modality: str) -> Iterator[NDArray[np.uint8] | bytes | None]:
        """Small picture of each patch, as pixels."""
        for start in range(0, self.encoding.n_patches, _PICTURES_AT_ONCE):
            stop = min(start + _PICTURES_AT_ONCE, self.encoding.n_patches)
            wanted = self.patches[(self.patches >= start) & (self.patches < stop)] - start
            if len(wanted):
                yield from self.encoding.thumbnails(modality, slice(start, stop))[wanted]

    def location(self, home: Path) -> str:
        """Path from the atlas's folder, or the bare name of what lies elsewhere."""
        path, home = self.encoding.path.resolve(), home.resolve()
        return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name

    def identity(self) -> list[str]:
        """Collect what decides this slide's part of the atlas."""
        kept = hashlib.sha256(self.patches.tobytes()).hexdigest()
        images = self.encoding.image_fingerprints
        return [
            self.encoding.slide_id,
            self.encoding.model_fingerprint,
            *(images[modality] for modality in sorted(images)),
            kept,
        ]


class KeptSlide:
    """A slide that an atlas holds, for an atlas that takes its place.

    Parameters
    ----------
    atlas : Atlas
        The atlas as it is.
    number : int
        Which of its slides.
    """

    def __init__(self, atlas: Atlas, number: int) -> None:
        self._atlas = atlas
        self._number = number
        self._row: pd.Series[Any] = atlas.slides.iloc[number]
        counts = atlas.slides["n_patches"].to_numpy(np.int64)
        first = int(counts[:number].sum())
        self._rows = slice(first, first + int(counts[number]))

    def __len__(self) -> int:
        return self._rows.stop - self._rows.start

    @property
    def slide_id(self) -> str:
        """Name of the slide."""
        return str(self._row["slide_id"])

    @property
    def patient_id(self) -> str:
        """The patient."""
        return str(self._row["patient_id"])

    @property
    def pseudonyms(self) -> tuple[str, str] | None:
        """The names they have in reports made so far."""
        return str(self._row["slide_pseudonym"]), str(self._row["patient_pseudonym"])

    @property
    def record(self) -> Record:
        """Clinical record."""
        row = self._atlas.records.iloc[self._number]
        return {name: str(row[name]) for name in self._atlas.fields if row[name] != ""}

    @property
    def caption(self) -> str:
        """What the text tower read."""
        return str(self._row["caption"])

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers measured."""
        values = np.isnan(self._atlas.expression[self._rows])
        nowhere: list[bool] = np.atleast_1d(values.all(axis=0)).tolist()
        return tuple(
            name for name, none in zip(self._atlas.markers, nowhere, strict=True) if not none
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which have embeddings."""
        return tuple(name for name in ("he", "mif", "text") if self._row[f"has_{name}"])

    @property
    def images(self) -> dict[str, tuple[str, str]]:
        """Name and fingerprint of each image."""
        pairs = {
            name: (str(self._row[f"{name}_name"]), str(self._row[f"{name}_fingerprint"]))
            for name in ("he", "mif")
        }
        return {name: pair for name, pair in pairs.items() if pair[1]}

    @property
    def pictured(self) -> tuple[str, ...]:
        """Modalities of which there are small pictures."""
        kept = self._atlas.description["thumbnails"]
        return tuple(name for name in self.images if name in kept)

    @property
    def model(self) -> dict[str, Any]:
        """The model."""
        return dict(self._atlas.description["model"])

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""
        return self._atlas.patch_um

    def table(self) -> dict[str, NDArray[Any]]:
        """Where each patch lies."""
        names = ("patch", "row", "col", "x_um", "y_um", "tissue_fraction")
        rows = self._atlas.patches.iloc[self._rows]
        return {name: rows[name].to_numpy() for name in names}

    def vectors(self, modality: str) -> NDArray[Any]:
        """Embeddings of the patches; for text the slide's one."""
        if modality == "text":
            vector: NDArray[Any] = self._atlas.slide_texts[self._number]
            return vector
        return self._atlas.embeddings(modality)[self._rows]

    def expression(self) -> NDArray[np.float32]:
        """Values of the markers measured."""
        columns = [self._atlas.markers.index(name) for name in self.markers]
        values: NDArray[np.float32] = self._atlas.expression[self._rows][:, columns]
        return values

    def pictures(self, modality: str) -> Iterator[NDArray[np.uint8] | bytes | None]:
        """Small picture of each patch, as JPEG."""
        for patch in range(self._rows.start, self._rows.stop):
            yield self._atlas.thumbnail_bytes(patch, modality)

    def location(self, home: Path) -> str:
        """Where the encoding lies."""
        return str(self._row["encoding"])

    def identity(self) -> list[str]:
        """Collect what decides this slide's part of the atlas."""
        return list(self._atlas.description["built_from"][self._number])
