"""The slide of a hit beside the slide in view, put together from the atlas's small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_haiku.errors import HaikuError
from napari_haiku.viewer.layers.layer_slots import drop_layer, layer_in_slot, put_layer
from napari_haiku.viewer.layers.placement import AXES, UNITS
from napari_haiku.viewer.layers.side_by_side import side_by_side_of

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

    from napari_haiku.atlas.store import Atlas

BESIDE, BESIDE_RING = "slide beside", "hit beside"
_SIDES_PX = (64, 32, 16, 8)
_MOST_PIXELS = 24_000_000
_GLASS = 236
_SPACING_PX = 8


@dataclass(frozen=True, eq=False)
class SlidePicture:
    """Another slide as far as the atlas shows it.

    Parameters
    ----------
    name : str
        Pseudonym of its patient.
    pixels : ndarray of uint8, shape (y, x, 3)
        Its patches where they lie; pale where there is none.
    pixel_um : float
        Size of a pixel.
    corner_um : tuple of float
        (x, y) of its top left corner in its own frame.
    hit_um : tuple of float
        (x, y) of the hit in its own frame.
    """

    name: str
    pixels: NDArray[np.uint8]
    pixel_um: float
    corner_um: tuple[float, float]
    hit_um: tuple[float, float]


def picture_of_slide(atlas: Atlas, row: int, modality: str = "he") -> SlidePicture:
    """Lay out the small pictures of the slide that a patch lies on; call it in a worker.

    Raises
    ------
    HaikuError
        The atlas keeps no picture of that slide.
    """
    rows = np.flatnonzero(atlas.slide_index == atlas.slide_index[row])
    centres = atlas.positions_um[rows]
    step = _step_of(centres, atlas.patch_um)
    columns = np.rint((centres[:, 0] - centres[:, 0].min()) / step).astype(int)
    lines = np.rint((centres[:, 1] - centres[:, 1].min()) / step).astype(int)
    height, width = int(lines.max()) + 1, int(columns.max()) + 1
    side = next((s for s in _SIDES_PX if height * width * s * s <= _MOST_PIXELS), _SIDES_PX[-1])
    # A small picture shows a whole patch; where patches overlap only its middle is laid out.
    pixels = np.full((height * side, width * side, 3), _GLASS, np.uint8)
    found = False
    for patch, line, column in zip(rows.tolist(), lines.tolist(), columns.tolist(), strict=True):
        try:
            small = atlas.thumbnail(patch, modality)
        except HaikuError:
            continue
        found = True
        shown = _middle(small, min(step / atlas.patch_um, 1.0))
        take = (np.arange(side) * shown.shape[0]) // side
        y, x = line * side, column * side
        pixels[y : y + side, x : x + side] = shown[np.ix_(take, take)]
    if not found:
        raise HaikuError("The atlas keeps no pictures of that slide.")
    x, y = atlas.positions_um[row]
    return SlidePicture(
        atlas.pseudonym_of(row),
        pixels,
        step / side,
        (float(centres[:, 0].min() - step / 2), float(centres[:, 1].min() - step / 2)),
        (float(x), float(y)),
    )


def show_beside(
    viewer: napari.Viewer, picture: SlidePicture, at_um: tuple[float, float], patch_um: float
) -> None:
    """Show another slide in a second view, moved so that its hit lies where `at_um` does.

    The two views pan and zoom together.
    """
    x = picture.corner_um[0] - picture.hit_um[0] + at_um[0] + picture.pixel_um / 2
    y = picture.corner_um[1] - picture.hit_um[1] + at_um[1] + picture.pixel_um / 2
    put_layer(
        viewer,
        "image",
        BESIDE,
        picture.pixels,
        name=f"{picture.name} beside",
        rgb=True,
        scale=(picture.pixel_um, picture.pixel_um),
        translate=(y, x),
        units=UNITS,
        axis_labels=AXES,
        visible=True,
        opacity=1.0,
    )
    ring = put_layer(
        viewer,
        "points",
        BESIDE_RING,
        np.array([[at_um[1], at_um[0]]] * 2),
        name=f"Hit in {picture.name}",
        face_color="transparent",
        border_color=["black", "white"],
        border_width=np.array([0.1, 0.05]),
        size=1.45 * patch_um * np.array([1.04, 1.0]),
        units=UNITS,
        axis_labels=AXES,
        visible=True,
    )
    ring.editable = False
    _view_of(viewer).show()
    camera = viewer.scene.camera
    camera.center = (camera.center[0], at_um[1], at_um[0])


def hide_beside(viewer: napari.Viewer) -> bool:
    """Go back to one view; False where no other slide was shown."""
    return _view_of(viewer).hide()


class _SecondView:
    """The right half of the canvas while it belongs to another slide.

    napari's grid deals the layer list out by position: the two topmost layers
    make the right view.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self._before: dict[str, Any] = {}
        self._arranging = False

    def show(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        side_by_side_of(viewer).hide()
        grid = viewer.canvas.grid
        if not self._before:
            self._before = {name: getattr(grid, name) for name in ("stride", "shape", "spacing")}
            viewer.layers.events.inserted.connect(self._arrange)
            viewer.layers.events.removed.connect(self._arrange)
        self._arrange()
        grid.shape = (1, 2)
        grid.spacing = _SPACING_PX
        grid.enabled = True

    def hide(self) -> bool:
        viewer = self._viewer()
        if viewer is None or not self._before:
            return False
        viewer.layers.events.inserted.disconnect(self._arrange)
        viewer.layers.events.removed.disconnect(self._arrange)
        viewer.canvas.grid.enabled = False
        for name, value in self._before.items():
            setattr(viewer.canvas.grid, name, value)
        self._before = {}
        for slot in (BESIDE, BESIDE_RING):
            drop_layer(viewer, slot)
        return True

    def _arrange(self, *_: object) -> None:
        viewer = self._viewer()
        if viewer is None or self._arranging:
            return
        self._arranging = True
        try:
            found = [layer_in_slot(viewer, slot) for slot in (BESIDE, BESIDE_RING)]
            for layer in found:
                if layer is not None:
                    viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
            # A stride below the right view's size would split it.
            viewer.canvas.grid.stride = max(len(viewer.layers) - len(found), len(found))
        finally:
            self._arranging = False


_views: WeakKeyDictionary[Any, _SecondView] = WeakKeyDictionary()


def _view_of(viewer: napari.Viewer) -> _SecondView:
    real = getattr(viewer, "__wrapped__", viewer)
    if real not in _views:
        _views[real] = _SecondView(real)
    return _views[real]


def _step_of(centres: NDArray[np.float64], patch_um: float) -> float:
    gaps: list[float] = []
    for axis in (0, 1):
        apart = np.diff(np.unique(np.round(centres[:, axis], 3)))
        gaps += apart[apart > 0.01].tolist()
    return float(min(gaps)) if gaps else patch_um


def _middle(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    size = picture.shape[0]
    keep = max(1, round(size * share))
    start = (size - keep) // 2
    return picture[start : start + keep, start : start + keep]
