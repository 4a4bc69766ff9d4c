"""Encode one slide: patches through the towers into the store, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.encoding.clock import Clock
from napari_haiku.encoding.committing import Committer
from napari_haiku.encoding.conditions import conditions_of
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.encoding.log import EncodingLog
from napari_haiku.encoding.passes import batch_size_for
from napari_haiku.encoding.pieces import Computing, OnThisMachine, Piece, Work
from napari_haiku.encoding.plan import inputs_of, make_plan
from napari_haiku.encoding.request import EncodeRequest, EncodeResult
from napari_haiku.encoding.store import Encoding
from napari_haiku.encoding.writer import EncodingWriter, find_started
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, Progress

if TYPE_CHECKING:
    from napari_haiku.model.base import TissueModel


def encode_slide(
    request: EncodeRequest, model: TissueModel, *, computing: Computing | None = None
) -> Job[EncodeResult]:
    """Encode one slide, or go on with an encoding that was interrupted.

    Reading, the towers and writing run side by side. Patches are written in
    order, chunk by chunk, and a chunk exists only once all of it is on disk.
    Closing the generator cancels within a second: what is committed stays, and
    the same request goes on from there. Batches never cross a chunk, so that a
    resumed run computes the same batches. Where memory does not suffice for a
    batch it is halved, and the store says so.

    Parameters
    ----------
    request : EncodeRequest
        The slide and where its encoding goes.
    model : TissueModel
        The towers.
    computing : Computing, optional
        Where the towers run; this machine when left out, see
        :class:`napari_haiku.encoding.cluster.OnACluster`.

    Yields
    ------
    Progress
        After every batch, and a few times a second where one takes long.

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
    clock = Clock()
    inputs = inputs_of(request, model)
    conditions = conditions_of(model, request.batch_size or batch_size_for(model))
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
            with EncodingLog(request.output).run(conditions, writer) as log:
                yield from _encode_rest(request, computing or OnThisMachine(model), writer, clock)
                log.finished(clock.seconds)
    return EncodeResult(
        path=request.output,
        patches=writer.n_patches,
        markers=tuple(writer.attributes["markers"]),
        patch_um=float(writer.attributes["geometry"]["patch_um"]),
        resumed_from=resumed_from,
        seconds=clock.seconds,
        notes=(*writer.attributes["notes"], *_reductions(writer)),
    )


def _reductions(writer: EncodingWriter) -> list[str]:
    """Say where the memory did not suffice for the batch size asked for."""
    return [
        f"The memory did not suffice for {asked} patches at once: the batch was halved to {size}."
        for asked, size in writer.reduced_batches().items()
    ]


def _encode_rest(
    request: EncodeRequest, computing: Computing, writer: EncodingWriter, clock: Clock
) -> Job[None]:
    total, done = writer.n_patches, writer.patches_done
    yield Progress(done, total, "Encoding")
    spans = writer.chunks_left()
    work = Work(request, Encoding(writer.path, writer.attributes), spans, writer.reduced_batches())
    ends = {last for _, last in spans}
    chunk: list[Piece] = []
    with Committer(writer, clock) as committer:
        try:
            with computing.pieces(work, clock) as pieces:
                for piece in pieces:
                    if piece is not None:
                        chunk.append(piece)
                        done = piece.stop
                        if done in ends:
                            committer.put(chunk)
                            chunk = []
                    yield Progress(done, total, "Encoding")
        except HaikuError as error:
            committer.flush()
            raise HaikuError(
                f"{str(error).rstrip('.')}; {writer.patches_done:,} of {total:,} patches are "
                "encoded and kept."
            ) from error
        committer.flush()
