"""Another clinical record for a slide that is encoded already: only the text is read anew."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.clinical import Record, caption, public_record
from napari_haiku.encoding import layout
from napari_haiku.encoding.lock import WriteLock
from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from pathlib import Path

    from napari_haiku.model.base import TissueModel


def change_record(path: Path, record: Record, model: TissueModel) -> str:
    """Put another record in the place of an encoding's, and have the text tower read it.

    Images are not touched. A run killed in between leaves the new record without
    a vector, as a slide whose model has no text tower; the same call mends that.

    Parameters
    ----------
    path : Path
        Folder of the encoding, finished or not.
    record : dict
        Clinical record; identifying fields are left out.
    model : TissueModel
        The model that encoded the slide.

    Returns
    -------
    str
        The new caption.

    Raises
    ------
    HaikuError
        Another model encoded the slide, or it is being written.
    """
    with WriteLock(path):
        attributes = layout.read_attributes(path)
        if attributes["model"]["fingerprint"] != model.fingerprint:
            raise HaikuError(
                f"{path.name} was encoded with the model {attributes['model']['name']}: choose it "
                "to read another record."
            )
        public = public_record(record)
        words = caption(public) if public else ""
        vector = model.encode_record(public) if words and "text" in model.modalities else None
        changed = {
            **attributes,
            "record": public,
            "caption": words,
            "has_text": False,
            "inputs": {**attributes["inputs"], "record": public},
        }
        # The old vector is disowned before it is replaced: it never stands beside the new caption.
        layout.write_attributes(path, changed)
        if vector is not None:
            with speaking(path):
                shutil.rmtree(path / layout.TEXT, ignore_errors=True)
            rows = np.asarray(vector, np.float32)
            array = layout.add_array(
                path, layout.TEXT, rows.shape, str(rows.dtype), chunk_rows=len(rows)
            )
            layout.write_chunk(path, array, layout.TEXT, 0, rows)
            layout.write_attributes(path, {**changed, "has_text": True})
    return words
