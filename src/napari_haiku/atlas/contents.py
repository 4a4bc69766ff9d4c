"""Write what is inside an atlas: tables, vectors, expression, pictures, description."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_haiku.atlas import layout
from napari_haiku.atlas.array_file import ArrayFile
from napari_haiku.atlas.thumbnails import write_thumbnails
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_haiku.atlas.sources import Source


def write_contents(
    folder: Path,
    sources: Sequence[Source],
    home: Path,
    thumbnails: Sequence[str] | None = None,
    origin: dict[str, Any] | None = None,
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
    origin : dict, optional
        What to remember of where the encodings came from, for repairs.

    Yields
    ------
    Progress
        After every slide.
    """
    total = sum(len(source) for source in sources)
    slides = _slides_table(sources, home)
    fields = _in_order(name for source in sources for name in source.record)
    markers = _in_order(name for source in sources for name in source.markers)
    modalities = [name for name in ("he", "mif", "text") if slides[f"has_{name}"].any()]
    records = _records_table(sources, fields)
    slides.to_parquet(folder / layout.SLIDES, index=False)
    records.to_parquet(folder / layout.RECORDS, index=False)
    _patch_table(sources, records, fields).to_parquet(folder / layout.PATCHES, index=False)
    model = sources[0].model
    with ExitStack() as stack:
        vectors = {
            name: stack.enter_context(
                ArrayFile(
                    folder / layout.embeddings_file(name),
                    np.float16,
                    (len(sources) if name == "text" else total, int(model["dim"])),
                )
            )
            for name in modalities
        }
        expression = stack.enter_context(
            ArrayFile(folder / layout.EXPRESSION, np.float32, (total, len(markers)))
        )
        for number, source in enumerate(sources):
            yield Progress(number, len(sources), "Building the atlas", "slides")
            for name, out in vectors.items():
                if name in source.modalities:
                    found = source.vectors(name)
                    out.write(found[None] if name == "text" else found)
                else:
                    out.fill(1 if name == "text" else len(source), 0.0)
            values = np.full((len(source), len(markers)), np.nan, np.float32)
            values[:, [markers.index(name) for name in source.markers]] = source.expression()
            expression.write(values)
    shown = [name for name in ("he", "mif") if thumbnails is None or name in thumbnails]
    shown = [name for name in shown if any(name in source.pictured for source in sources)]
    for modality in shown:
        write_thumbnails(folder, modality, _pictures(sources, modality))
    yield Progress(len(sources), len(sources), "Building the atlas", "slides")
    files = sorted(file.name for file in folder.iterdir())
    layout.write_description(
        folder,
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
            "model": model,
            "patch_um": sources[0].patch_um,
            "index": {"kind": "exact", "recall_at_50": 1.0},
            "built_from": [source.identity() for source in sources],
            "origin": origin,
            "files": {name: layout.describe_file(folder / name) for name in files},
        },
    )


def _slides_table(sources: Sequence[Source], home: Path) -> pd.DataFrame:
    slide_names, patient_names = _pseudonyms(sources)
    rows = []
    for source, name in zip(sources, slide_names, strict=True):
        images = source.images
        rows.append(
            {
                "slide_id": source.slide_id,
                "patient_id": source.patient_id,
                "slide_pseudonym": name,
                "patient_pseudonym": patient_names[source.patient_id],
                "n_patches": len(source),
                **{f"has_{kind}": kind in source.modalities for kind in ("he", "mif", "text")},
                "caption": source.caption,
                "encoding": source.location(home),
                **{
                    f"{kind}_{key}": images.get(kind, ("", ""))[place]
                    for kind in ("he", "mif")
                    for place, key in enumerate(("name", "fingerprint"))
                },
            }
        )
    return pd.DataFrame(rows)


def _pseudonyms(sources: Sequence[Source]) -> tuple[list[str], dict[str, str]]:
    """Names of slides and patients for reports; who has one keeps it."""
    known = [source.pseudonyms for source in sources]
    slide_numbers = [int(names[0][1:]) for names in known if names]
    patient_numbers = [int(names[1][1:]) for names in known if names]
    patients = {
        source.patient_id: names[1] for source, names in zip(sources, known, strict=True) if names
    }
    next_slide, next_patient = max(slide_numbers, default=0), max(patient_numbers, default=0)
    slides = []
    for source, names in zip(sources, known, strict=True):
        if names is None:
            next_slide += 1
            names = (f"S{next_slide:02d}", "")
        slides.append(names[0])
        if source.patient_id not in patients:
            next_patient += 1
            patients[source.patient_id] = f"P{next_patient:02d}"
    return slides, patients


def _records_table(sources: Sequence[Source], fields: list[str]) -> pd.DataFrame:
    rows = []
    for source in sources:
        record = source.record
        row = {"slide_id": source.slide_id, "patient_id": source.patient_id}
        rows.append(row | {name: record.get(name, "") for name in fields})
    return pd.DataFrame(rows)


def _patch_table(
    sources: Sequence[Source], records: pd.DataFrame, fields: list[str]
) -> pd.DataFrame:
    slide = np.repeat(np.arange(len(sources)), [len(source) for source in sources])
    tables = [source.table() for source in sources]
    columns: dict[str, Any] = {
        name: _per_slide(records[name], slide) for name in ("slide_id", "patient_id")
    }
    columns |= {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    columns |= {name: _per_slide(records[name], slide) for name in fields}
    return pd.DataFrame(columns)


def _per_slide(values: pd.Series[str], slide: NDArray[np.int64]) -> pd.Series[Any]:
    """Repeat one value a slide over its patches, each distinct value kept once."""
    return values.astype("category").iloc[slide].reset_index(drop=True)


def _pictures(
    sources: Sequence[Source], modality: str
) -> Iterator[NDArray[np.uint8] | bytes | None]:
    for source in sources:
        if modality in source.pictured:
            yield from source.pictures(modality)
        else:
            yield from (None for _ in range(len(source)))


def _in_order(values: Any) -> list[str]:
    return list(dict.fromkeys(values))
