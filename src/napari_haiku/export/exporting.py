"""One door to every format: a request says what and where, a job writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_haiku.analysis.regions.region_table import RegionInputs, region_table
from napari_haiku.errors import HaikuError
from napari_haiku.export.anndata_file import write_h5ad
from napari_haiku.export.destination import require_free
from napari_haiku.export.figures import quantities, write_figure
from napari_haiku.export.geojson import write_patches_geojson
from napari_haiku.export.maps import write_maps_ome_zarr
from napari_haiku.export.niche_colours import niche_rgb
from napari_haiku.export.ome_zarr import LabelMap, Version
from napari_haiku.export.provenance import provenance
from napari_haiku.export.qupath_frame import qupath_frame
from napari_haiku.export.spatialdata_store import write_spatialdata
from napari_haiku.export.tables import write_table
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    import pandas as pd

    from napari_haiku.analysis.regions.region import Region
    from napari_haiku.export.patch_data import PatchData

Format = Literal["geojson", "csv", "parquet", "anndata", "spatialdata", "ome-zarr", "figure"]
FORMATS: tuple[Format, ...] = get_args(Format)
# What a file of each format is called by, the first being usual.
ENDINGS: dict[Format, tuple[str, ...]] = {
    "geojson": (".geojson", ".json"),
    "csv": (".csv",),
    "parquet": (".parquet",),
    "anndata": (".h5ad",),
    "spatialdata": (".zarr",),
    "ome-zarr": (".ome.zarr", ".zarr"),
    "figure": (".png", ".svg", ".pdf"),
}


@dataclass(frozen=True, eq=False)
class ExportRequest:
    """What to write, and where.

    Parameters
    ----------
    format : str
        One of :data:`FORMATS`.
    output : Path
        File or folder to write; its ending must be the format's.
    replace : bool
        Whether an earlier export there may go.
    regions : tuple of Region
        Drawn regions that go along (GeoJSON and SpatialData).
    image : Path, optional
        The image's file, for slides whose bounds only it knows (GeoJSON).
    modality : {"he", "mif"}, optional
        Which image QuPath has open (GeoJSON).
    ome_version : {"0.4", "0.5"}
        Version of OME-Zarr.
    quantity : str, optional
        What a figure shows; see :func:`napari_haiku.export.figures.quantities`.
    limits : tuple of float, optional
        Ends of a figure's colour bar.
    """

    format: Format
    output: Path
    replace: bool = False
    regions: tuple[Region, ...] = ()
    image: Path | None = None
    modality: str | None = None
    ome_version: Version = "0.5"
    quantity: str | None = None
    limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise HaikuError(
                f"There is no format '{self.format}': choose one of {', '.join(FORMATS)}."
            )
        endings = ENDINGS[self.format]
        if not self.output.name.casefold().endswith(endings):
            raise HaikuError(
                f"{self.output.name} does not end like a file of this kind: "
                f"end it in {' or '.join(endings)}."
            )
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise HaikuError(
                f"The limits {self.limits[0]:g} and {self.limits[1]:g} are the wrong way round: "
                "give the lower one first."
            )


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Parameters
    ----------
    written : tuple of Path
        Files and folders.
    patches : int
        Patches in them.
    regions : int
        Drawn regions in them.
    """

    written: tuple[Path, ...]
    patches: int
    regions: int


def export_patches(data: PatchData, request: ExportRequest) -> Job[ExportResult]:
    """Write a slide's patches in one format.

    Parameters
    ----------
    data : PatchData
        What is known of the slide.
    request : ExportRequest
        What to write, and where.

    Raises
    ------
    HaikuError
        The place is taken or cannot be written, a library is missing, or there
        is nothing to write.
    """
    path = Path(request.output)
    require_free(path, replace=request.replace)
    notes = provenance(data)
    written: tuple[Path, ...] = (path,)
    yield Progress(0, len(data), "Writing")
    if request.format == "geojson":
        frame = qupath_frame(data.encoding, image=request.image, modality=request.modality)
        yield from write_patches_geojson(
            path,
            data,
            frame,
            notes,
            regions=request.regions,
            table=describe_regions(request.regions, data) if request.regions else None,
            replace=request.replace,
        )
    elif request.format in ("csv", "parquet"):
        written = write_table(path, data.table(), notes, replace=request.replace)
    elif request.format == "anndata":
        write_h5ad(path, data, notes, replace=request.replace)
    elif request.format == "spatialdata":
        write_spatialdata(path, data, notes, regions=request.regions, replace=request.replace)
    elif request.format == "ome-zarr":
        _write_maps(path, data, request, notes)
    else:
        write_figure(
            path,
            data,
            request.quantity or (quantities(data) or ("",))[0],
            limits=request.limits,
            replace=request.replace,
        )
    regions = len(request.regions) if request.format in ("geojson", "spatialdata") else 0
    return ExportResult(written, len(data), regions)


def describe_regions(regions: tuple[Region, ...], data: PatchData) -> pd.DataFrame:
    """Tell what lies inside drawn regions; see :func:`region_table`."""

    def known(kind: str) -> dict[str, Any]:
        values = {
            marker: data.measured(marker) if kind == "measured" else data.predicted(marker)
            for marker in data.markers
        }
        return {marker: column for marker, column in values.items() if column is not None}

    niches = data.niches
    return region_table(
        regions,
        RegionInputs(
            centres_um=data.encoding.centres_um,
            measured=known("measured"),
            predicted=known("predicted"),
            niches=None if niches is None else niches.labels,
            niche_names=None if niches is None else niches.names,
        ),
    )


def _write_maps(path: Path, data: PatchData, request: ExportRequest, notes: dict[str, Any]) -> None:
    maps: dict[str, Any] = data.numbers()
    if data.predictions is not None:
        maps["similarity"] = data.predictions.similarity
        maps["outside atlas"] = data.predictions.outside_atlas.astype(np.float32)
    maps["tissue fraction"] = data.encoding.tissue_fraction
    labels = {}
    if data.niches is not None:
        grid = data.grid
        laid = np.zeros(grid.shape, np.int32)
        laid[grid.rows, grid.cols] = data.niches.labels
        names = {int(niche): name for niche, name in data.niches.names.items()}
        labels["niches"] = LabelMap(laid, names, {niche: niche_rgb(niche) for niche in names})
    write_maps_ome_zarr(
        path,
        maps,
        data.grid,
        labels=labels,
        notes=notes,
        version=request.ome_version,
        replace=request.replace,
    )
