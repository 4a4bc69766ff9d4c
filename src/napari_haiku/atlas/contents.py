"""Write what is inside an atlas: tables, vectors, expression, pictures, description."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.atlas import layout
from napari_haiku.atlas.thumbnails import write_thumbnails
from napari_haiku.jobs import Job, Progress
from napari_haiku.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_haiku.encoding.store import Encoding


@dataclass(frozen=True)
class Source:
    """One slide of an atlas.

    Parameters
    ----------
    encoding : Encoding
        Its encoding.
    patches : ndarray of int64
        Which of its patches go in, ascending.
    """

    encoding: Encoding
    patches: NDArray[np.int64]

    @property
    def patient_id(self) -> str:
        """The patient; a slide of an unknown patient counts as a patient of its own."""
        return self.encoding.patient_id or self.encoding.slide_id

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


def write_contents(
    folder: Path, sources: list[Source], home: Path, thumbnails: Sequence[str] | None
) -> Job[None]:
    """Write every file of an atlas into an empty folder.

    Parameters
    ----------
    folder : Path
        Where to write.
    sources : list of Source
        The slides in order.
    home : Path
        Folder in which the atlas will lie; encodings are remembered relative to it.
    thumbnails : sequence of str, optional
        Modalities whose pictures are kept; all by default.

    Yields
    ------
    Progress
        After every slide.
    """
    total = sum(len(source.patches) for source in sources)
    slides = _slides_table(sources, home)
    fields = _in_order(name for source in sources for name in source.encoding.record)
    markers = _in_order(name for source in sources for name in source.encoding.markers)
    modalities = [name for name in ("he", "mif", "text") if slides[f"has_{name}"].any()]
    records = _records_table(sources, fields)
    slides.to_parquet(folder / layout.SLIDES, index=False)
    records.to_parquet(folder / layout.RECORDS, index=False)
    _patch_table(sources, records, fields).to_parquet(folder / layout.PATCHES, index=False)
    dim = sources[0].encoding.dim
    vectors = {
        name: _new_array(
            folder / layout.embeddings_file(name),
            np.float16,
            (len(sources) if name == "text" else total, dim),
        )
        for name in modalities
    }
    expression = _new_array(folder / layout.EXPRESSION, np.float32, (total, len(markers)))
    first = 0
    for number, source in enumerate(sources):
        yield Progress(number, len(sources), "Building the atlas", "slides")
        rows = slice(first, first + len(source.patches))
        for name, out in vectors.items():
            found = source.encoding.embeddings(name)
            if found is not None and name == "text":
                out[number] = found
            elif found is not None:
                out[rows] = found[source.patches]
        expression[rows] = np.nan
        measured = source.encoding.expression
        if measured is not None:
            columns = [markers.index(name) for name in source.encoding.markers]
            expression[rows, columns] = measured[source.patches]
        first = rows.stop
    for array in (*vectors.values(), expression):
        array.flush()
    shown = [name for name in ("he", "mif") if thumbnails is None or name in thumbnails]
    shown = [name for name in shown if any(name in source.encoding.images for source in sources)]
    for modality in shown:
        write_thumbnails(folder, modality, _pictures(sources, modality))
    yield Progress(len(sources), len(sources), "Building the atlas", "slides")
    files = sorted(file.name for file in folder.iterdir())
    write_json(
        folder / layout.DESCRIPTION,
        {
            "format": layout.FORMAT,
            "format_version": layout.FORMAT_VERSION,
            "slides": len(sources),
            "patients": int(slides["patient_id"].nunique()),
            "patches": total,
            "markers": markers,
            "fields": fields,
            "modalities": modalities,
            "thumbnails": shown,
            "model": {
                "name": sources[0].encoding.model_name,
                "fingerprint": sources[0].encoding.model_fingerprint,
                "dim": dim,
            },
            "patch_um": sources[0].encoding.patch_um,
            "index": {"kind": "exact", "recall_at_50": 1.0},
            "built_from": [source.identity() for source in sources],
            "files": {
                name: {"bytes": (folder / name).stat().st_size, "sha256": _hash(folder / name)}
                for name in files
            },
        },
    )


def _new_array(file: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    return np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)


def _slides_table(sources: list[Source], home: Path) -> pd.DataFrame:
    patients = _in_order(source.patient_id for source in sources)
    rows = []
    for number, source in enumerate(sources):
        encoding = source.encoding
        rows.append(
            {
                "slide_id": encoding.slide_id,
                "patient_id": source.patient_id,
                "slide_pseudonym": f"S{number + 1:02d}",
                "patient_pseudonym": f"P{patients.index(source.patient_id) + 1:02d}",
                "n_patches": len(source.patches),
                "has_he": "he" in encoding.modalities,
                "has_mif": "mif" in encoding.modalities,
                "has_text": encoding.embeddings("text") is not None,
                "caption": encoding.caption,
                "encoding": _relative(encoding.path, home),
                **{
                    f"{name}_{key}": encoding.images.get(name, {}).get(key, "")
                    for name in ("he", "mif")
                    for key in ("name", "fingerprint")
                },
            }
        )
    return pd.DataFrame(rows)


def _records_table(sources: list[Source], fields: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "slide_id": source.encoding.slide_id,
                "patient_id": source.patient_id,
                **{name: source.encoding.record.get(name, "") for name in fields},
            }
            for source in sources
        ]
    )


def _patch_table(sources: list[Source], records: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    slide = np.repeat(np.arange(len(sources)), [len(source.patches) for source in sources])
    grids = [source.encoding.grid for source in sources]
    parts = {
        "patch": [source.patches for source in sources],
        "row": [grid.rows[s.patches] for grid, s in zip(grids, sources, strict=True)],
        "col": [grid.cols[s.patches] for grid, s in zip(grids, sources, strict=True)],
        "x_um": [s.encoding.centres_um[s.patches, 0] for s in sources],
        "y_um": [s.encoding.centres_um[s.patches, 1] for s in sources],
        "tissue_fraction": [s.encoding.tissue_fraction[s.patches] for s in sources],
    }
    columns: dict[str, Any] = {
        name: _per_slide(records[name], slide) for name in ("slide_id", "patient_id")
    }
    columns |= {name: np.concatenate(values) for name, values in parts.items()}
    columns |= {name: _per_slide(records[name], slide) for name in fields}
    return pd.DataFrame(columns)


def _per_slide(values: pd.Series[str], slide: NDArray[np.int64]) -> pd.Series[Any]:
    """Repeat one value a slide over its patches, each distinct value kept once."""
    return values.astype("category").iloc[slide].reset_index(drop=True)


def _pictures(sources: list[Source], modality: str) -> Iterator[NDArray[np.uint8] | None]:
    for source in sources:
        if modality not in source.encoding.images:
            yield from (None for _ in source.patches)
            continue
        step = 256
        for start in range(0, source.encoding.n_patches, step):
            stop = min(start + step, source.encoding.n_patches)
            wanted = source.patches[(source.patches >= start) & (source.patches < stop)] - start
            if len(wanted):
                yield from source.encoding.thumbnails(modality, slice(start, stop))[wanted]


def _in_order(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _relative(path: Path, home: Path) -> str:
    """Path from the atlas's folder, or the bare name of what lies elsewhere."""
    path, home = path.resolve(), home.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name


def _hash(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
