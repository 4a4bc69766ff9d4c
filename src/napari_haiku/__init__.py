"""Click tissue and find similar tissue: H&E, mIF and the clinical record in one space.

The names below load what they need when they are first used, so that
``import napari_haiku`` stays quick and loads neither torch nor Qt.

>>> import napari_haiku as haiku
>>> image = haiku.open_image("he.ome.tif")  # doctest: +SKIP
>>> model = haiku.load_model()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Progress, run_job

if TYPE_CHECKING:
    from napari_haiku.analysis.biomarkers.biomarkers import BiomarkerRequest, predict_biomarkers
    from napari_haiku.analysis.counterfactual.counterfactual import (
        CounterfactualRequest,
        run_counterfactual,
    )
    from napari_haiku.analysis.niches.niches import find_niches
    from napari_haiku.atlas.build import build_atlas
    from napari_haiku.atlas.cohort import build_from_manifest
    from napari_haiku.atlas.search import Exclusion, search
    from napari_haiku.atlas.store import Atlas
    from napari_haiku.encoding.pipeline import encode_slide
    from napari_haiku.encoding.request import EncodeRequest
    from napari_haiku.encoding.store import Encoding
    from napari_haiku.images.reading import open_image
    from napari_haiku.model.loading import load_model

try:
    __version__ = version("napari-haiku")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "Atlas": "napari_haiku.atlas.store",
    "BiomarkerRequest": "napari_haiku.analysis.biomarkers.biomarkers",
    "CounterfactualRequest": "napari_haiku.analysis.counterfactual.counterfactual",
    "EncodeRequest": "napari_haiku.encoding.request",
    "Encoding": "napari_haiku.encoding.store",
    "Exclusion": "napari_haiku.atlas.search",
    "build_atlas": "napari_haiku.atlas.build",
    "build_from_manifest": "napari_haiku.atlas.cohort",
    "encode_slide": "napari_haiku.encoding.pipeline",
    "find_niches": "napari_haiku.analysis.niches.niches",
    "load_model": "napari_haiku.model.loading",
    "open_image": "napari_haiku.images.reading",
    "predict_biomarkers": "napari_haiku.analysis.biomarkers.biomarkers",
    "run_counterfactual": "napari_haiku.analysis.counterfactual.counterfactual",
    "search": "napari_haiku.atlas.search",
}

__all__ = [
    "Atlas",
    "BiomarkerRequest",
    "CounterfactualRequest",
    "EncodeRequest",
    "Encoding",
    "Exclusion",
    "HaikuError",
    "Progress",
    "__version__",
    "build_atlas",
    "build_from_manifest",
    "encode_slide",
    "find_niches",
    "load_model",
    "open_image",
    "predict_biomarkers",
    "run_counterfactual",
    "run_job",
    "search",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
