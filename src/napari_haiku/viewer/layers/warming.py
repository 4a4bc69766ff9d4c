"""What costs much only the first time, done ahead and off the main thread."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_haiku.jobs import Progress

if TYPE_CHECKING:
    from napari_haiku.jobs import Job

# Loaded when first asked for, so that napari starts quickly.
LATER_MODULES = (
    "napari_haiku.images.reading",
    "napari_haiku.encoding.pipeline",
    "napari_haiku.encoding.store",
    "napari_haiku.atlas.store",
    "napari_haiku.analysis.biomarkers.biomarkers",
    "napari_haiku.analysis.niches.niches",
    "napari_haiku.analysis.counterfactual.counterfactual",
)
# Of the patches and of the niches.
_LABELS = (np.uint8, np.int32)


def read_units() -> Job[Any]:
    """Read the units of length that layers have, in a registry nobody else knows yet.

    napari's units are read when its first layer is made, which takes a second,
    and a second layer made meanwhile in another thread finds half of them and
    fails. So they are read here, and :func:`take_units` puts them in place.
    """
    yield Progress(0, 1, "Getting ready")
    return import_module("pint").UnitRegistry(on_redefinition="raise")


def take_units(units: Any) -> None:
    """Let napari use the units read, unless it has read them itself; on the main thread."""
    pint = import_module("pint")
    if isinstance(pint.application_registry.get(), pint.LazyRegistry):
        pint.set_application_registry(units)


def warm_up() -> Job[None]:
    """Load what the docks need later, and let napari compile what draws labels.

    napari compiles the mapping of labels to colours anew in every session, for
    each kind of integer, when the first such layer is shown: on the main thread
    that is a second in which the window does not answer. In a window,
    :func:`take_units` goes before.
    """
    total = len(LATER_MODULES) + len(_LABELS)
    for done, module in enumerate(LATER_MODULES):
        yield Progress(done, total, "Getting ready")
        import_module(module)
    from napari.layers import Labels

    from napari_haiku.viewer.layers.colormaps import niche_colormap

    for done, kind in enumerate(_LABELS, start=len(LATER_MODULES)):
        yield Progress(done, total, "Getting ready")
        Labels(np.arange(4, dtype=kind).reshape(2, 2), colormap=niche_colormap((1, 2, 3)))
    yield Progress(total, total, "Getting ready")
