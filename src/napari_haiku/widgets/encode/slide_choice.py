"""Which layers are the slide: H&E and mIF found by themselves, changeable, with pixel sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_haiku.viewer.slides.adopt import LayerChoice, find_choices
from napari_haiku.widgets.encode.pixel_size import PixelSize
from napari_haiku.widgets.frame.appearance import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Collection

    import napari

    from napari_haiku.images.slide_image import SlideImage

_NONE = "none"
_SETTLE_MS = 50


class SlideChoice(QWidget):
    """Two combos over the viewer's layers and a pixel size for each image.

    Emits :attr:`chosen` with (H&E choice or None, mIF choice or None) when it
    changed, by the user or because layers came and went, and :attr:`size_typed`
    with ("he" or "mif", um).
    """

    chosen = Signal(object, object)
    size_typed = Signal(str, float)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._choices: dict[str, list[LayerChoice]] = {"he": [], "mif": []}
        self._current: dict[str, LayerChoice | None] = {"he": None, "mif": None}
        self.combos = {"he": QComboBox(), "mif": QComboBox()}
        self.sizes = {"he": PixelSize(), "mif": PixelSize()}
        self.combos["he"].setToolTip("The H&E image of this section. Choose 'none' for mIF alone.")
        self.combos["mif"].setToolTip(
            "The multiplexed image of the same section, registered to the H&E."
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        self._size_labels = {"he": QLabel("Pixel size"), "mif": QLabel("mIF pixel")}
        lines = (
            ("H&E image", self.combos["he"]),
            ("mIF image", self.combos["mif"]),
        )
        for line, (name, widget) in enumerate(lines):
            label = QLabel(name)
            label.setFixedWidth(LABEL_WIDTH)
            widget.setAccessibleName(name)
            widget.setMinimumWidth(80)
            widget.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            grid.addWidget(label, line, 0)
            grid.addWidget(widget, line, 1)
        for line, modality in ((2, "he"), (3, "mif")):
            grid.addWidget(self._size_labels[modality], line, 0)
            grid.addWidget(self.sizes[modality], line, 1)
        self.overlap = QLabel()
        self.overlap.setProperty("haiku", "secondary")
        grid.addWidget(self.overlap, 4, 1)
        for modality, combo in self.combos.items():
            combo.activated.connect(lambda _index, m=modality: self._picked(m))
        for modality, size in self.sizes.items():
            size.typed.connect(lambda um, m=modality: self.size_typed.emit(m, um))
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self.look)

    def look_soon(self, *_: object) -> None:
        """Look at the layers again once they have settled."""
        self._settle.start()

    def look(self) -> None:
        """Find the images among the layers; propose some where none is chosen."""
        found = dict(zip(("he", "mif"), find_choices(self._viewer), strict=True))
        before = self._current
        self._current = {m: self._kept(m, found[m]) for m in ("he", "mif")}
        if self._current["he"] is None and self._current["mif"] is None:
            for modality in ("he", "mif"):
                self._current[modality] = found[modality][0] if found[modality] else None
        self._choices = found
        for modality in ("he", "mif"):
            self._fill(modality)
        if any(_key(before[m]) != _key(self._current[m]) for m in before):
            self.chosen.emit(self._current["he"], self._current["mif"])

    def show_images(
        self, he: SlideImage | None, mif: SlideImage | None, typed: Collection[str] = ()
    ) -> None:
        """Show the pixel sizes of the images in place, and how far they overlap.

        Parameters
        ----------
        he, mif : SlideImage or None
            The images.
        typed : collection of str
            Modalities whose pixel size the user typed.
        """
        images = {"he": he, "mif": mif}
        both = he is not None and mif is not None
        overlap = overlap_share(he, mif)
        self.overlap.setVisible(overlap is not None)
        if overlap is not None:
            self.overlap.setText(f"The images overlap {overlap:.0%}.".replace("%", " %"))
        for modality, image in images.items():
            shown = image is not None
            same = (
                both
                and he is not None
                and mif is not None
                and (he.pixel_size_um == mif.pixel_size_um and he.pixel_size_um is not None)
            )
            if same and modality == "mif":
                shown = False
            self._size_labels[modality].setVisible(shown)
            self.sizes[modality].setVisible(shown)
            if image is None or not shown:
                continue
            self._size_labels[modality].setText(
                "Pixel size" if same or not both else f"{_word(modality)} pixel"
            )
            if image.pixel_size_um is None:
                source = "the file does not say"
            else:
                source = "typed by you" if modality in typed else "from the file"
            self.sizes[modality].show_size(image.pixel_size_um, source)

    def current(self) -> tuple[LayerChoice | None, LayerChoice | None]:
        """Give the H&E and the mIF choice in place."""
        return self._current["he"], self._current["mif"]

    def adopt_current(self, he: SlideImage | None, mif: SlideImage | None) -> None:
        """Take images that were opened elsewhere as the current choice, without emitting."""
        found = dict(zip(("he", "mif"), find_choices(self._viewer), strict=True))
        self._choices = found
        for modality, image in (("he", he), ("mif", mif)):
            choice = None
            if image is not None:
                choice = next((c for c in found[modality] if c.opened is image), None)
                if choice is None:
                    choice = LayerChoice(image.name, image.modality, (), image)
            self._current[modality] = choice
            self._fill(modality)

    def _kept(self, modality: str, found: list[LayerChoice]) -> LayerChoice | None:
        current = self._current[modality]
        if current is None:
            return None
        for choice in found:
            if choice.key == current.key or (
                current.opened is None
                and choice.layers
                and current.layers
                and choice.layers[0] is current.layers[0]
            ):
                return choice
        # Deleting layers does not close a slide, unless another one is there to take its place.
        if current.opened is not None and not found:
            return LayerChoice(current.label, current.modality, (), current.opened)
        return None

    def _fill(self, modality: str) -> None:
        combo, current = self.combos[modality], self._current[modality]
        choices = self._choices[modality]
        if current is not None and all(c.key != current.key for c in choices):
            choices = [*choices, current]
            self._choices[modality] = choices
        with signals_blocked(combo):
            combo.clear()
            combo.addItems([choice.label for choice in choices] + [_NONE])
            index = len(choices)
            if current is not None:
                index = next(i for i, c in enumerate(choices) if c.key == current.key)
            combo.setCurrentIndex(index)

    def _picked(self, modality: str) -> None:
        index = self.combos[modality].currentIndex()
        choices = self._choices[modality]
        picked = choices[index] if index < len(choices) else None
        if _key(picked) != _key(self._current[modality]):
            self._current[modality] = picked
            self.chosen.emit(self._current["he"], self._current["mif"])


def overlap_share(he: SlideImage | None, mif: SlideImage | None) -> float | None:
    """Share of the smaller image that the other one covers; None unless both are placed."""
    if he is None or mif is None or he.pixel_size_um is None or mif.pixel_size_um is None:
        return None
    a, b = he.extent_um, mif.extent_um
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((e[2] - e[0]) * (e[3] - e[1]) for e in (a, b))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller else 0.0


def _key(choice: LayerChoice | None) -> tuple[object, ...] | None:
    return None if choice is None else choice.key


def _word(modality: str) -> str:
    return "H&E" if modality == "he" else "mIF"
