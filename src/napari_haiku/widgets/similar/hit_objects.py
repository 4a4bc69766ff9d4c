"""Hits on the slide in view as objects that QuPath opens."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.export.qupath_frame import qupath_frame
from napari_haiku.notices import RESEARCH_USE, SAME_PATIENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.encoding.store import Encoding
    from napari_haiku.viewer.search.hit_cards import HitCard

_COLOUR = (86, 180, 233)
_IDS = uuid.UUID("b5b5a4e2-54c6-5e53-8e0a-5a7f0a2c9f10")


def hit_geojson(encoding: Encoding, cards: Sequence[HitCard], asked: str) -> str:
    """Write the hits on this slide as squares with rank and similarity.

    Raises
    ------
    HaikuError
        No hit lies on this slide: QuPath has only this image open.
    """
    here = [card for card in cards if card.this_slide]
    if not here:
        raise HaikuError(
            "None of these hits lies on this slide, so QuPath has no place for them: export the "
            "table instead."
        )
    frame = qupath_frame(encoding)
    half = encoding.patch_um / 2
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half], [-half, -half]])
    features = []
    for card in here:
        ring = frame.to_px(corners + card.position_um)
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(_IDS, f"{encoding.slide_id} {card.rank} {asked}")),
                "geometry": {"type": "Polygon", "coordinates": [ring.round(3).tolist()]},
                "properties": {
                    "objectType": "annotation",
                    "name": f"Hit {card.rank}",
                    "classification": {"name": "Similar tissue", "color": list(_COLOUR)},
                    "measurements": {"rank": card.rank, "similarity": round(card.similarity, 6)},
                },
            }
        )
    notes = {"asked": asked, "notice": RESEARCH_USE, "same_patient": SAME_PATIENT}
    return json.dumps({"type": "FeatureCollection", "napari_haiku": notes, "features": features})
