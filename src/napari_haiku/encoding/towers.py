"""Patches of every image of a slide, and the rows that are stored of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_haiku.encoding import layout
from napari_haiku.encoding.intensity import mean_intensity
from napari_haiku.encoding.plan import images_of
from napari_haiku.encoding.thumbnails import composite, shrink
from napari_haiku.errors import HaikuError
from napari_haiku.images.patches import PatchSource
from napari_haiku.model.scaling import ChannelScaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.images.grid import PatchGrid
    from napari_haiku.model.base import TissueModel

Rows = dict[str, NDArray[Any]]


class Towers:
    """Read patches of every image and turn them into the rows that are stored.

    Parameters
    ----------
    request : EncodeRequest
        The images.
    model : TissueModel
        The towers.
    grid : PatchGrid
        Where the patches lie.
    attributes : mapping
        Description of the encoding: modalities, markers, intensity ranges.
    """

    def __init__(
        self,
        request: EncodeRequest,
        model: TissueModel,
        grid: PatchGrid,
        attributes: Mapping[str, Any],
    ) -> None:
        self._model = model
        self._modalities = tuple(attributes["modalities"])
        self._markers = tuple(attributes["markers"])
        self._sources = {
            modality: PatchSource(image, grid, model.read_um(modality))
            for modality, image in images_of(request).items()
        }
        if request.mif is not None:
            used = dict(zip(request.mif.used_markers, request.mif.used_channels, strict=True))
            self._channels = [used[name] for name in self._markers]
            self._scaling = ChannelScaling(
                tuple(attributes["scaling"]["low"]), tuple(attributes["scaling"]["high"])
            )

    def read(self, start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Patches [start, stop) of every image.

        Raises
        ------
        HaikuError
            An image is damaged there, or so many patches do not fit into memory.
        """
        try:
            patches = {name: source.read(start, stop) for name, source in self._sources.items()}
            if "mif" in patches:
                patches["mif"] = patches["mif"][:, self._channels]
        except MemoryError as error:
            raise HaikuError(
                f"The memory does not suffice to read {stop - start} patches at once: give a "
                "smaller --batch-size or close other programs."
            ) from error
        return patches

    def encode(self, patches: Mapping[str, NDArray[Any]], batch_size: int) -> Rows:
        """Vectors, expression and thumbnails of some patches."""
        rows: Rows = {}
        if "he" in patches:
            rows[layout.thumbnail_name("he")] = shrink(patches["he"])
            if "he" in self._modalities:
                rows[layout.embedding_name("he")] = self._model.encode_he(
                    patches["he"], self._sources["he"].pixel_size_um, batch_size=batch_size
                )
        if "mif" in patches:
            mif = patches["mif"]
            rows[layout.EXPRESSION] = mean_intensity(mif)
            rows[layout.thumbnail_name("mif")] = shrink(
                composite(mif, self._markers, self._scaling)
            )
            if "mif" in self._modalities:
                rows[layout.embedding_name("mif")] = self._model.encode_mif(
                    mif,
                    self._markers,
                    self._sources["mif"].pixel_size_um,
                    scaling=self._scaling,
                    batch_size=batch_size,
                )
        return rows
