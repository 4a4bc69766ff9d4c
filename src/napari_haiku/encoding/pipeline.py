"""Encode one slide: patches through the towers into the store, chunk by chunk."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_haiku.encoding import layout
from napari_haiku.encoding.conditions import conditions_of
from napari_haiku.encoding.intensity import mean_intensity
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.log import EncodingLog
from napari_haiku.encoding.plan import images_of, inputs_of, make_plan
from napari_haiku.encoding.request import EncodeRequest, EncodeResult
from napari_haiku.encoding.store import Encoding
from napari_haiku.encoding.thumbnails import composite, shrink
from napari_haiku.encoding.writer import EncodingWriter, find_started
from napari_haiku.errors import HaikuError
from napari_haiku.images.patches import PatchSource
from napari_haiku.jobs import Job, Progress
from napari_haiku.model.scaling import ChannelScaling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_haiku.model.base import TissueModel

Rows = dict[str, NDArray[Any]]


def encode_slide(request: EncodeRequest, model: TissueModel) -> Job[EncodeResult]:
    """Encode one slide, or go on with an encoding that was interrupted.

    Patches are written in order, chunk by chunk, and each chunk is committed
    before the next one is begun. Closing the generator cancels: what is
    committed stays, and the same request goes on from there. Batches never
    cross a chunk, so that a resumed run computes the same batches.

    Parameters
    ----------
    request : EncodeRequest
        The slide and where its encoding goes.
    model : TissueModel
        The towers.

    Yields
    ------
    Progress
        After every batch.

    Returns
    -------
    EncodeResult
        Path, counts, time per step. On a finished encoding of the same inputs
        nothing is done and ``resumed_from`` is the number of patches.

    Raises
    ------
    HaikuError
        The output exists and has other inputs, another process writes it, an
        image cannot be read, the disk is full, or there is nothing to encode.
    """
    clock = _Clock()
    inputs = inputs_of(request, model)
    conditions = conditions_of(model, request.batch_size)
    yield Progress(0, 0, "Finding tissue")
    with WriteLock(request.output), clock.measure("total"):
        with clock.measure("prepare"):
            attributes = find_started(request.output, inputs)
            if attributes is None:
                plan = make_plan(request, model, inputs, conditions)
                writer = EncodingWriter.create(request.output, plan)
            else:
                writer = EncodingWriter.resume(request.output, attributes)
        resumed_from = writer.patches_done
        if resumed_from < writer.n_patches:
            writer.note_conditions(conditions)
            with EncodingLog(request.output).run(conditions, writer) as log:
                yield from _encode_rest(request, model, writer, clock)
                log.finished(clock.seconds)
    return EncodeResult(
        path=request.output,
        patches=writer.n_patches,
        markers=tuple(writer.attributes["markers"]),
        patch_um=float(writer.attributes["geometry"]["patch_um"]),
        resumed_from=resumed_from,
        seconds=clock.seconds,
        notes=tuple(writer.attributes["notes"]),
    )


def _encode_rest(
    request: EncodeRequest, model: TissueModel, writer: EncodingWriter, clock: _Clock
) -> Job[None]:
    towers = _Towers(request, model, writer)
    total = writer.n_patches
    yield Progress(writer.patches_done, total, "Encoding")
    while writer.patches_done < total:
        first = writer.patches_done
        last = min(first + writer.chunk_rows, total)
        batches: list[Rows] = []
        for start in range(first, last, request.batch_size):
            stop = min(start + request.batch_size, last)
            with clock.measure("read"), _telling_what_is_kept(writer):
                patches = towers.read(start, stop)
            with clock.measure("encode"):
                batches.append(towers.encode(patches))
            if stop == last:
                with clock.measure("write"):
                    writer.commit(
                        {
                            name: np.concatenate([rows[name] for rows in batches])
                            for name in batches[0]
                        }
                    )
            yield Progress(stop, total, "Encoding")


class _Towers:
    """Read patches of every image and turn them into the rows that are stored."""

    def __init__(self, request: EncodeRequest, model: TissueModel, writer: EncodingWriter) -> None:
        attributes = writer.attributes
        grid = Encoding(writer.path, attributes).planned_grid
        self._model = model
        self._modalities = tuple(attributes["modalities"])
        self._markers = tuple(attributes["markers"])
        self._batch_size = request.batch_size
        self._sources = {
            modality: PatchSource(image, grid, model.pixel_size_um)
            for modality, image in images_of(request).items()
        }
        if request.mif is not None:
            used = dict(zip(request.mif.used_markers, request.mif.used_channels, strict=True))
            self._channels = [used[name] for name in self._markers]
            self._scaling = ChannelScaling(
                tuple(attributes["scaling"]["low"]), tuple(attributes["scaling"]["high"])
            )

    def read(self, start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        """Patches [start, stop) of every image."""
        patches = {name: source.read(start, stop) for name, source in self._sources.items()}
        if "mif" in patches:
            patches["mif"] = patches["mif"][:, self._channels]
        return patches

    def encode(self, patches: Mapping[str, NDArray[Any]]) -> Rows:
        """Vectors, expression and thumbnails of one batch."""
        rows: Rows = {}
        if "he" in patches:
            rows[layout.thumbnail_name("he")] = shrink(patches["he"])
            if "he" in self._modalities:
                rows[layout.embedding_name("he")] = self._model.encode_he(
                    patches["he"], self._sources["he"].pixel_size_um, batch_size=self._batch_size
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
                    batch_size=self._batch_size,
                )
        return rows


class _Clock:
    """Seconds spent per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begin


@contextmanager
def _telling_what_is_kept(writer: EncodingWriter) -> Iterator[None]:
    try:
        yield
    except HaikuError as error:
        raise HaikuError(
            f"{str(error).rstrip('.')}; {writer.patches_done:,} of {writer.n_patches:,} patches "
            "are encoded and kept."
        ) from error
