"""The menu behind every dock's Export button: the whole slide for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakMethod, ref

from qtpy.QtWidgets import QFileDialog, QInputDialog, QMenu

from napari_haiku.errors import HaikuError
from napari_haiku.export.exporting import ENDINGS, ExportRequest, export_patches
from napari_haiku.export.figures import quantities
from napari_haiku.viewer.out.slide_results import image_file, slide_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QPushButton

    from napari_haiku.export.exporting import ExportResult, Format
    from napari_haiku.widgets.frame.dock import HaikuDock

ENTRIES: tuple[tuple[str, Format, str], ...] = (
    ("Patches for QuPath...", "geojson", "QuPath objects (*.geojson)"),
    ("Patches as a table (CSV)...", "csv", "Table (*.csv)"),
    ("Patches as a table (Parquet)...", "parquet", "Table (*.parquet)"),
    ("Patches as AnnData...", "anndata", "AnnData (*.h5ad)"),
    ("Patches as SpatialData...", "spatialdata", "SpatialData (*.zarr)"),
    ("Maps and niches as OME-Zarr...", "ome-zarr", "OME-Zarr (*.ome.zarr)"),
    ("Figure of a map...", "figure", "Figures (*.png *.svg *.pdf)"),
)


def export_menu(
    dock: HaikuDock, own: Callable[[], object] | None = None, own_words: str = ""
) -> QMenu:
    """Make the menu of a dock's Export button.

    Parameters
    ----------
    dock : HaikuDock
        The dock; it shows progress and says what was written.
    own : callable, optional
        What the dock itself exports, a method of it; first in the menu.
    own_words : str
        What that entry says.
    """
    menu = QMenu(dock)
    menu.setToolTipsVisible(True)
    # The menu is the dock's child: a strong way back would keep both alive for ever.
    held = ref(dock)
    if own is not None:
        _add(menu, own_words, partial(_call, WeakMethod(own)))
        menu.addSeparator()
    for words, format_, filter_ in ENTRIES:
        _add(menu, words, partial(_choose, held, format_, filter_))
    return menu


def _call(held: WeakMethod[Callable[[], object]]) -> None:
    method = held()
    if method is not None:
        method()


def _choose(held: ref[HaikuDock], format_: Format, filter_: str) -> None:
    dock = held()
    if dock is not None:
        choose_and_export(dock, format_, filter_)


def _add(menu: QMenu, words: str, slot: Callable[[], object]) -> None:
    action = menu.addAction(words)
    if action is not None:
        action.triggered.connect(lambda _checked=False: slot())


def attach_export_menu(
    button: QPushButton, dock: HaikuDock, own: Callable[[], object], own_words: str
) -> None:
    """Let a dock's Export button open the menu."""
    button.setMenu(export_menu(dock, own, own_words))


def choose_and_export(dock: HaikuDock, format_: Format, filter_: str) -> None:
    """Ask where to, and for a figure what of, then write."""
    quantity = None
    if format_ == "figure":
        quantity = _choose_quantity(dock)
        if quantity is None:
            return
    encoding = dock.workspace.encoding
    stem = "slide" if encoding is None else encoding.path.name.split(".")[0]
    # A folder-like store is named as a file is: the dialog asks before replacing either.
    chosen, _ = QFileDialog.getSaveFileName(dock, "Export", f"{stem}{ENDINGS[format_][0]}", filter_)
    if chosen:
        path = Path(chosen)
        if not path.name.casefold().endswith(ENDINGS[format_]):
            path = path.with_name(path.name + ENDINGS[format_][0])
        export_slide(dock, format_, path, quantity=quantity, replace=path == Path(chosen))


def export_slide(
    dock: HaikuDock,
    format_: Format,
    path: Path,
    *,
    quantity: str | None = None,
    replace: bool = False,
) -> None:
    """Write what is known of the slide in view, in the background."""
    try:
        data = slide_results(dock.workspace)
        request = ExportRequest(
            format_,
            path,
            replace=replace,
            image=image_file(dock.workspace),
            quantity=quantity,
        )
    except HaikuError as error:
        dock.strip.say("failed", str(error), key="out")
        return
    dock.run(
        export_patches(data, request),
        lambda result: _say(dock, result),
        "Writing",
        lane="out",
    )


def _say(dock: HaikuDock, result: ExportResult) -> None:
    names = " and ".join(path.name for path in result.written)
    dock.workspace.saved = result.written[0]
    dock.strip.say("done", f"{names}: {result.patches:,} patches written.", key="out")


def _choose_quantity(dock: HaikuDock) -> str | None:
    try:
        known = quantities(slide_results(dock.workspace))
    except HaikuError as error:
        dock.strip.say("failed", str(error), key="out")
        return None
    if not known:
        dock.strip.say("caution", "There is no map of this slide yet.", key="out")
        return None
    marker = dock.workspace.marker
    start = next((i for i, name in enumerate(known) if name == f"{marker} predicted"), 0)
    chosen, sure = QInputDialog.getItem(
        dock, "Figure", "What the figure shows:", list(known), start, False
    )
    return str(chosen) if sure else None
