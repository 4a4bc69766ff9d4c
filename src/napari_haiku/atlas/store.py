"""An encoded cohort on disk that can be searched."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.atlas import layout
from napari_haiku.atlas.index import KIND, IndexPlan, VectorIndex, index_file
from napari_haiku.atlas.ranking import best_rows, best_rows_of_slides
from napari_haiku.atlas.replacing import settle
from napari_haiku.atlas.thumbnails import ThumbnailFile
from napari_haiku.errors import HaikuError
from napari_haiku.model.shipped_card import worth_telling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_haiku.atlas.ranking import Gap
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
        self._indices: dict[str, VectorIndex | None] = {}

    @classmethod
    def open(cls, path: Path | str) -> Atlas:
        """Open an atlas for reading.

        Raises
        ------
        HaikuError
            The folder is no atlas, or one of its files is missing or cut short.
        """
        path = Path(path)
        settle(path)
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
        return pd.read_parquet(self._file(layout.SLIDES))

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a slide: slide_id, patient_id and the record fields ("" = not recorded)."""
        return pd.read_parquet(self._file(layout.RECORDS))

    @cached_property
    def patches(self) -> pd.DataFrame:
        """One row a patch: slide, patient, centre in um, tissue fraction, record fields."""
        return pd.read_parquet(self._file(layout.PATCHES))

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

    def index_of(self, modality: str) -> IndexPlan | None:
        """Say what the index of a modality takes; None where there is none or it is stale."""
        entry = self.description["index"].get("of", {}).get(modality)
        files = self.description["files"]
        embeddings = files.get(layout.embeddings_file(modality), {})
        if entry is None or entry["of"] != embeddings.get("sha256"):
            return None
        plan = IndexPlan.from_json(entry)
        return plan if (self.path / index_file(modality)).is_file() else None

    def index(self, modality: str) -> VectorIndex | None:
        """Open the index of a modality; None where search has to be exact."""
        if modality not in self._indices:
            plan = self.index_of(modality)
            opened = None if plan is None else VectorIndex.open(self.path, modality, plan)
            self._indices[modality] = opened
        return self._indices[modality]

    def nearest(
        self,
        queries: NDArray[np.float32],
        target: str,
        kept: NDArray[np.bool_],
        k: int,
        *,
        gap: Gap | None = None,
        exact: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], str]:
        """Find the k best rows of each query among those kept, and say how.

        Returns
        -------
        indices, scores, method
            As :func:`napari_haiku.atlas.ranking.best_rows`, and ``"exact"`` or the
            kind of the index.
        """
        rows = np.flatnonzero(kept)
        if target == "text":
            found = best_rows_of_slides(
                queries, self.slide_texts, self.slide_index, rows, k, gap=gap
            )
            return *found, "exact"
        index = None if exact else self.index(target)
        if index is not None:
            return *index.search(queries, self.embeddings(target), kept, k, gap=gap), KIND
        return *best_rows(queries, self.embeddings(target), rows, k, gap=gap), "exact"

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

    def thumbnail_bytes(self, patch: int, modality: str) -> bytes | None:
        """JPEG of one patch as it lies on disk; None where there is none."""
        file = self._thumbnails.get(modality)
        return None if file is None else file.read_bytes(patch)

    def values_of(self, field: str) -> dict[str, int]:
        """Values that a clinical field takes, with the number of patients of each.

        Raises
        ------
        HaikuError
            The atlas has no such field.
        """
        if field not in self.fields:
            known = ", ".join(worth_telling(self.fields)) or "none"
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
                f"The atlas {self.name} was made with another model ({self.model_name} "
                f"{self.model_fingerprint[:12]}, not {fingerprint[:12]}): encode the slide with "
                "the atlas's model, or choose an atlas of yours."
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
        array: NDArray[Any] = np.load(self._file(name), mmap_mode="r")
        return array

    def _file(self, name: str) -> Path:
        """Where a file lies, if it still is the one that was there on opening."""
        file = self.path / name
        try:
            same = file.stat().st_size == self.description["files"][name]["bytes"]
        except OSError:
            same = False
        if not same:
            raise HaikuError(
                f"The atlas {self.name} was changed by another process meanwhile: open it again."
            )
        return file
