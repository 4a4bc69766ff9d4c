"""An encoded cohort on disk that can be searched."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.atlas import layout
from napari_haiku.atlas.thumbnails import ThumbnailFile
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.model.base import TissueModel


class Atlas:
    """Many encodings in one folder, memory-mapped; made by :meth:`open`.

    Rows are patches; the patches of a slide lie together.

    Parameters
    ----------
    path : Path
        Folder of the atlas.
    description : dict
        Content of its ``atlas.json``.
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path = path
        self.description = description

    @classmethod
    def open(cls, path: Path | str) -> Atlas:
        """Open an atlas for reading.

        Raises
        ------
        HaikuError
            The folder is no atlas, or one of its files is missing or cut short.
        """
        path = Path(path)
        description = layout.read_description(path)
        layout.check_files(path, description)
        return cls(path, description)

    def __len__(self) -> int:
        return self.n_patches

    def __repr__(self) -> str:
        return (
            f"<Atlas {self.name}: {self.n_patients} patients, {self.n_slides} slides, "
            f"{self.n_patches} patches>"
        )

    @property
    def name(self) -> str:
        """Name of the atlas: its folder's."""
        return self.path.name

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return int(self.description["patches"])

    @property
    def n_slides(self) -> int:
        """Number of slides."""
        return int(self.description["slides"])

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.description["patients"])

    @property
    def markers(self) -> tuple[str, ...]:
        """Canonical names of every marker that a slide measured."""
        return tuple(self.description["markers"])

    @property
    def fields(self) -> tuple[str, ...]:
        """Clinical fields, in caption order."""
        return tuple(self.description["fields"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that at least one slide has, among "he", "mif", "text"."""
        return tuple(self.description["modalities"])

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return str(self.description["model"]["name"])

    @property
    def model_fingerprint(self) -> str:
        """Hash of the model's configuration and weights."""
        return str(self.description["model"]["fingerprint"])

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.description["model"]["dim"])

    @property
    def patch_um(self) -> float:
        """Side of a patch in um."""
        return float(self.description["patch_um"])

    def info(self) -> dict[str, Any]:
        """Return what ``atlas info`` shows."""
        return {
            key: self.description[key]
            for key in ("slides", "patients", "patches", "markers", "model", "index")
        } | {"model": self.model_name}

    @cached_property
    def slides(self) -> pd.DataFrame:
        """One row a slide: ids, pseudonyms, patches, modalities, caption, image fingerprints."""
        return pd.read_parquet(self.path / layout.SLIDES)

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a slide: slide_id, patient_id and the record fields ("" = not recorded)."""
        return pd.read_parquet(self.path / layout.RECORDS)

    @cached_property
    def patches(self) -> pd.DataFrame:
        """One row a patch: slide, patient, centre in um, tissue fraction, record fields."""
        return pd.read_parquet(self.path / layout.PATCHES)

    @cached_property
    def slide_index(self) -> NDArray[np.int64]:
        """Row of :attr:`slides` that each patch belongs to, shape (n,)."""
        return np.repeat(np.arange(self.n_slides), self.slides["n_patches"].to_numpy(np.int64))

    @cached_property
    def positions_um(self) -> NDArray[np.float64]:
        """Patch centres (x, y) in um in each slide's own frame, shape (n, 2)."""
        return self.patches[["x_um", "y_um"]].to_numpy(np.float64)

    @cached_property
    def expression(self) -> NDArray[np.float32]:
        """Mean intensity per patch and marker, (n, markers); NaN = not measured."""
        return self._map(layout.EXPRESSION)

    def embeddings(self, modality: str) -> NDArray[np.float16]:
        """Embeddings of a modality, float16, shape (n, dim).

        Rows of slides without that modality are zero; see :meth:`has`. For
        ``"text"`` every patch carries its slide's vector (a copy in memory; the
        vectors per slide are :attr:`slide_texts`).

        Raises
        ------
        HaikuError
            No slide of the atlas has that modality.
        """
        self.require_modality(modality)
        if modality == "text":
            return self.slide_texts[self.slide_index]
        return self._map(layout.embeddings_file(modality))

    @cached_property
    def slide_texts(self) -> NDArray[np.float16]:
        """Embedding of each slide's caption, float16, (slides, dim); zero without a record."""
        self.require_modality("text")
        return self._map(layout.embeddings_file("text"))

    def has(self, modality: str) -> NDArray[np.bool_]:
        """Which patches have an embedding of a modality, shape (n,)."""
        result: NDArray[np.bool_] = self.slides[f"has_{modality}"].to_numpy(bool)[self.slide_index]
        return result

    def thumbnail(self, patch: int, modality: str | None = None) -> NDArray[np.uint8]:
        """Small picture of one patch, uint8, shape (64, 64, 3).

        Without a modality it is the H&E where the slide has one, else the mIF.

        Raises
        ------
        HaikuError
            The atlas keeps no picture of that patch.
        """
        kept = list(self._thumbnails)
        wanted = kept if modality is None else [modality]
        for name in wanted:
            picture = self._thumbnails[name].read(patch) if name in kept else None
            if picture is not None:
                return picture
        raise HaikuError(f"The atlas {self.name} keeps no picture of this patch.")

    def values_of(self, field: str) -> dict[str, int]:
        """Values that a clinical field takes, with the number of patients of each.

        Raises
        ------
        HaikuError
            The atlas has no such field.
        """
        if field not in self.fields:
            known = ", ".join(self.fields) or "none"
            raise HaikuError(f"The atlas has no field '{field}': its fields are {known}.")
        filled = self.records[self.records[field] != ""]
        counts = filled.groupby(field, sort=True)["patient_id"].nunique()
        return {str(value): int(count) for value, count in counts.items()}

    def record_of(self, patch: int) -> Record:
        """Clinical record of the slide that a patch belongs to, empty fields left out."""
        row = self.records.iloc[int(self.slide_index[patch])]
        return {name: str(row[name]) for name in self.fields if row[name] != ""}

    def pseudonym_of(self, patch: int) -> str:
        """Name of the patch's patient for reports, exports and logs ("P07")."""
        return str(self.slides["patient_pseudonym"].iloc[int(self.slide_index[patch])])

    def check_model(self, model: TissueModel | str) -> None:
        """Make sure that a model (or its fingerprint) made this atlas.

        Raises
        ------
        HaikuError
            It was another model.
        """
        fingerprint = model if isinstance(model, str) else model.fingerprint
        if fingerprint != self.model_fingerprint:
            raise HaikuError(
                f"The atlas {self.name} was made with another model ({self.model_name}): encode "
                f"the slide with {self.model_name}, or choose an atlas of your model."
            )

    @cached_property
    def _thumbnails(self) -> dict[str, ThumbnailFile]:
        return {
            modality: ThumbnailFile(self.path, modality)
            for modality in self.description["thumbnails"]
        }

    def require_modality(self, modality: str) -> None:
        """Make sure that some slide of the atlas has a modality.

        Raises
        ------
        HaikuError
            None has, or there is no such modality.
        """
        if modality not in self.modalities:
            words = {"he": "H&E", "mif": "mIF", "text": "clinical record"}
            if modality not in words:
                raise HaikuError(f"There is no modality '{modality}': choose he, mif or text.")
            raise HaikuError(
                f"No slide of the atlas {self.name} has an embedded {words[modality]}: choose "
                "another target or another atlas."
            )

    def _map(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self.path / name, mmap_mode="r")
        return array
