"""Read an encoding from disk."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.encoding import layout
from napari_haiku.errors import HaikuError
from napari_haiku.images.grid import PatchGrid
from napari_haiku.model.scaling import ChannelScaling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.model.base import TissueModel


class Encoding:
    """What encoding one slide left on disk, read lazily.

    Made by :meth:`open`. Where the encoding is not finished, only the patches
    finished so far are seen.

    Parameters
    ----------
    path : Path
        Folder of the encoding.
    attributes : dict
        Its description.
    """

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self._attributes = attributes
        self.n_planned = int(attributes["n_patches"])
        self._chunk_rows = int(attributes["chunk_rows"])
        chunks = -(-self.n_planned // self._chunk_rows)
        self.n_patches = min(layout.chunks_done(path, chunks) * self._chunk_rows, self.n_planned)

    @classmethod
    def open(cls, path: Path | str, *, partial: bool = False) -> Encoding:
        """Open an encoding for reading.

        Parameters
        ----------
        path : Path or str
            Folder of the encoding.
        partial : bool
            Whether an encoding that is not finished may be opened.

        Raises
        ------
        HaikuError
            The folder is no encoding, is damaged, or is not finished.
        """
        path = Path(path)
        encoding = cls(path, layout.read_attributes(path))
        if not encoding.complete and not partial:
            raise HaikuError(
                f"{path.name} is not finished ({encoding.n_patches:,} of {encoding.n_planned:,} "
                "patches): run the same encoding again to resume it."
            )
        return encoding

    def reread(self) -> None:
        """Take note of another record; see :mod:`napari_haiku.encoding.record_change`."""
        self._attributes = layout.read_attributes(self.path)

    def __len__(self) -> int:
        return self.n_patches

    def __repr__(self) -> str:
        return f"<Encoding {self.path.name}: {self.n_patches} of {self.n_planned} patches>"

    @property
    def complete(self) -> bool:
        """Whether every patch is finished."""
        return self.n_patches == self.n_planned

    @property
    def description(self) -> dict[str, Any]:
        """Everything the store says about itself."""
        return self._attributes

    @property
    def slide_id(self) -> str:
        """Name of the slide."""
        return str(self._attributes["slide_id"])

    @property
    def patient_id(self) -> str:
        """The patient; "" when unknown. Never shown in messages, logs or reports."""
        return str(self._attributes["patient_id"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """Image modalities that have embeddings, in the order "he", "mif"."""
        return tuple(self._attributes["modalities"])

    @property
    def markers(self) -> tuple[str, ...]:
        """Canonical names of the markers measured."""
        return tuple(self._attributes["markers"])

    @property
    def record(self) -> Record:
        """The clinical record in caption order, without identifying fields."""
        return dict(self._attributes["record"])

    @property
    def caption(self) -> str:
        """What the text tower read; "" without a record."""
        return str(self._attributes["caption"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user, such as channels left out."""
        return tuple(self._attributes["notes"])

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return str(self._attributes["model"]["name"])

    @property
    def model_fingerprint(self) -> str:
        """Hash of the model's configuration and weights."""
        return str(self._attributes["model"]["fingerprint"])

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self._attributes["model"]["dim"])

    @property
    def image_fingerprints(self) -> dict[str, str]:
        """Fingerprint of each image, by modality."""
        return {name: image["fingerprint"] for name, image in self._attributes["images"].items()}

    @property
    def image_names(self) -> dict[str, str]:
        """Name of each image, by modality."""
        return {name: image["name"] for name, image in self._attributes["images"].items()}

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        """What is known of each image: name, fingerprint, shape, pixel sizes, origin."""
        return {name: dict(image) for name, image in self._attributes["images"].items()}

    @property
    def computed_on(self) -> tuple[dict[str, Any], ...]:
        """Device, threads, batch size and software of each stretch of patches."""
        return tuple(dict(entry) for entry in self._attributes["computed_on"])

    @property
    def scaling(self) -> ChannelScaling | None:
        """Intensity range of each marker over the slide; None without an mIF image."""
        scaling = self._attributes["scaling"]
        if scaling is None:
            return None
        return ChannelScaling(tuple(scaling["low"]), tuple(scaling["high"]))

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""
        return float(self._attributes["geometry"]["patch_um"])

    @cached_property
    def grid(self) -> PatchGrid:
        """Where the patches finished so far lie."""
        return self._grid(self.n_patches)

    @cached_property
    def planned_grid(self) -> PatchGrid:
        """Where all patches lie, finished or not."""
        return self._grid(self.n_planned)

    def _grid(self, n: int) -> PatchGrid:
        geometry = self._attributes["geometry"]
        x, y = geometry["origin_um"]
        height, width = geometry["shape"]
        return PatchGrid(
            patch_um=float(geometry["patch_um"]),
            stride_um=float(geometry["stride_um"]),
            origin_um=(float(x), float(y)),
            shape=(int(height), int(width)),
            rows=self._rows_of("row", n).astype(np.int64),
            cols=self._rows_of("col", n).astype(np.int64),
            tissue_fraction=self._rows_of("tissue_fraction", n).astype(np.float64),
        )

    @cached_property
    def centres_um(self) -> NDArray[np.float64]:
        """Patch centres (x, y) in um in the physical frame, shape (n, 2)."""
        return np.stack([self._rows_of("x_um"), self._rows_of("y_um")], axis=1)

    @property
    def tissue_fraction(self) -> NDArray[np.float32]:
        """Share of each patch that is tissue, shape (n,)."""
        return self._rows_of("tissue_fraction")

    @cached_property
    def expression(self) -> NDArray[np.float32] | None:
        """Mean stored intensity per patch and marker, shape (n, markers).

        In the file's units; NaN where a patch has no value. None without mIF.
        """
        return self._rows_of(layout.EXPRESSION) if self.markers else None

    def embeddings(self, modality: str) -> NDArray[np.float32] | None:
        """Read the unit vectors of a modality.

        Parameters
        ----------
        modality : str
            ``"he"``, ``"mif"`` or ``"text"``.

        Returns
        -------
        ndarray of float32 or None
            Shape (n, dim), for text (dim,); None where the slide has none.
        """
        if modality == "text":
            if not self._attributes["has_text"]:
                return None
            return layout.read_rows(self.path, layout.TEXT)
        if modality not in ("he", "mif"):
            raise HaikuError(f"There is no modality '{modality}': choose he, mif or text.")
        if modality not in self.modalities:
            return None
        return self._rows_of(layout.embedding_name(modality))

    def thumbnails(self, modality: str = "he", rows: slice | None = None) -> NDArray[np.uint8]:
        """Small pictures of the patches, uint8, shape (n, 64, 64, 3).

        Parameters
        ----------
        modality : str
            ``"he"``, or ``"mif"`` for a colour composite of up to four markers.
        rows : slice, optional
            Which patches.

        Raises
        ------
        HaikuError
            The slide has no image of that modality.
        """
        if modality not in self._attributes["images"]:
            words = {"he": "H&E", "mif": "mIF"}.get(modality, modality)
            raise HaikuError(f"{self.path.name} has no {words} image: choose the other modality.")
        start, stop, _ = (rows or slice(None)).indices(self.n_patches)
        return layout.read_rows(self.path, layout.thumbnail_name(modality), slice(start, stop))

    def thumbnail(self, patch: int, modality: str | None = None) -> NDArray[np.uint8]:
        """Small picture of one patch, uint8, shape (64, 64, 3).

        Without a modality it is the H&E where there is one, else the mIF.
        """
        if modality is None:
            modality = "he" if "he" in self._attributes["images"] else "mif"
        picture: NDArray[np.uint8] = self.thumbnails(modality, slice(patch, patch + 1))[0]
        return picture

    def check_model(self, model: TissueModel | str) -> None:
        """Make sure that a model (or its fingerprint) made this encoding.

        Raises
        ------
        HaikuError
            It was another model.
        """
        fingerprint = model if isinstance(model, str) else model.fingerprint
        if fingerprint != self.model_fingerprint:
            other = "another model" if isinstance(model, str) else f"the model {model.name}"
            raise HaikuError(
                f"{self.path.name} was encoded with the model {self.model_name}, not with {other}: "
                "encode the slide again with the model you want to use."
            )

    def check_images(self, **fingerprints: str) -> None:
        """Make sure that images, given by modality, are the ones that were encoded.

        Raises
        ------
        HaikuError
            An image changed since.
        """
        for modality, fingerprint in fingerprints.items():
            if self.image_fingerprints.get(modality) != fingerprint:
                words = {"he": "H&E", "mif": "mIF"}.get(modality, modality)
                raise HaikuError(
                    f"The {words} image changed since {self.path.name} was made: encode it again "
                    "under another name, or open the old image."
                )

    def _rows_of(self, name: str, n: int | None = None) -> NDArray[Any]:
        return layout.read_rows(self.path, name, slice(0, self.n_patches if n is None else n))
