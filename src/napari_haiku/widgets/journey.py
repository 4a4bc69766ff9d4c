"""The whole loop in a real window, by pressing the docks' own buttons, with a picture a step."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QOpenGLWidget, QWidget

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking
from napari_haiku.viewer.layers.canvas import show_all
from napari_haiku.viewer.workspace import workspace_of
from napari_haiku.widgets.frame.navigation import (
    BIOMARKERS,
    COUNTERFACTUAL,
    ENCODE,
    NICHES,
    PLUGIN,
    SIMILAR,
    WORKBENCH,
)
from napari_haiku.widgets.frame.session_keeper import keeper_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_haiku.widgets.frame.dock import HaikuDock
    from napari_haiku.widgets.workbench import Workbench

WINDOW_SIZE = (1366, 768)
PICTURES = (
    "1_encode.png",
    "2_similar_tissue.png",
    "3_biomarkers.png",
    "4_niches.png",
    "5_counterfactual.png",
)
_PATIENCE_S = 900.0
_DRAWING_S = 0.6
_NOTICE_WIDTH = 40


@dataclass(frozen=True)
class JourneyPlan:
    """What the journey is about.

    Parameters
    ----------
    he, mif : Path
        Images of the slide; `mif` may be None.
    encoding : Path
        Where the slide's encoding lies or goes; one that is there is opened.
    atlas : Path
        Atlas the answers are read from.
    model : str
        "default" or a model folder.
    record : dict of str to str
        Clinical record of the slide.
    at_um : tuple of float or None
        Where to click for similar tissue, (x, y); None takes the patch with
        most tissue.
    marker : str
        Biomarker map to show.
    clusters : int
        Number of niches.
    edits : dict of str to str
        The counterfactual edit.
    within_patient_um : float or None
        The same patient answers too, from at least so far away.
    region_um : tuple of float or None
        Only patches centred in (x0, y0, x1, y1) are predicted.
    seed : int
        Seed of everything drawn.
    notice : str
        Sentence that every picture carries; "" for none.
    """

    he: Path | None
    mif: Path | None
    encoding: Path
    atlas: Path
    model: str
    record: dict[str, str]
    at_um: tuple[float, float] | None
    marker: str
    clusters: int
    edits: dict[str, str]
    within_patient_um: float | None
    region_um: tuple[float, float, float, float] | None
    seed: int
    notice: str = ""


def run_journey(plan: JourneyPlan, screenshots_dir: Path, *, keep_open: bool = False) -> list[Path]:
    """Walk the loop in a new napari window.

    Parameters
    ----------
    plan : JourneyPlan
        What to open and ask.
    screenshots_dir : Path
        Where the pictures go, made if absent.
    keep_open : bool
        Leave the window open on the result; :func:`stay_open` then waits for
        the user.

    Returns
    -------
    list of Path
        One full-window picture per step, in order.

    Raises
    ------
    HaikuError
        The slide or its encoding cannot be opened, or a step takes longer than
        a quarter of an hour. A refusal by a later dock is shown and pictured
        instead.
    """
    import napari

    viewer = napari.Viewer(show=True)
    try:
        pictures = walk(viewer, plan, screenshots_dir)
    except BaseException:
        viewer.close()
        raise
    if not keep_open:
        viewer.close()
        process_events(0.1)
    return pictures


def stay_open() -> None:
    """Wait until the user closes the window."""
    import napari

    napari.run()


def walk(viewer: napari.Viewer, plan: JourneyPlan, screenshots_dir: Path) -> list[Path]:
    """Walk the loop in a window that is open already; see :func:`run_journey`."""
    with speaking(screenshots_dir):
        screenshots_dir.mkdir(parents=True, exist_ok=True)
    viewer.window.resize(*WINDOW_SIZE)
    journey = _Journey(viewer, plan)
    steps: list[Callable[[], None]] = [
        journey.encode,
        journey.similar,
        journey.biomarkers,
        journey.niches,
        journey.counterfactual,
    ]
    pictures = []
    for name, step in zip(PICTURES, steps, strict=True):
        step()
        process_events(_DRAWING_S)
        picture = screenshots_dir / name
        viewer.screenshot(str(picture), canvas_only=False, flash=False)
        pictures.append(picture)
    return pictures


class _Journey:
    """The steps; each leaves the window as its picture shows it."""

    def __init__(self, viewer: napari.Viewer, plan: JourneyPlan) -> None:
        self._viewer = viewer
        self._plan = plan
        self._workspace = workspace_of(viewer)
        _, workbench = viewer.window.add_plugin_dock_widget(PLUGIN, WORKBENCH)
        self._bench: Workbench = getattr(workbench, "__wrapped__", workbench)
        wait_until(lambda: len(self._bench.docks) > 0, "The workbench")
        if self._bench.tour is not None:
            self._bench.tour.leave()
        process_events(_DRAWING_S)
        overlay = viewer.canvas.overlays["text"]
        # Clear of the map's title above, its colour bar at the left and the scale bar.
        overlay.text = textwrap.fill(plan.notice, _NOTICE_WIDTH)
        overlay.position = "bottom_center"
        overlay.font_size = 8
        overlay.visible = bool(plan.notice)

    def encode(self) -> None:
        """Open slide and record, and encode it or open the encoding that is there."""
        dock: Any = self._dock(ENCODE)
        plan = self._plan
        if plan.model != dock.how.model_name:
            dock.how.add_model(plan.model)
        dock.slides.open([path for path in (plan.he, plan.mif) if path is not None])
        wait_for_answer(dock, lambda: self._workspace.has_slide, "slide")
        self._workspace.record = dict(plan.record)
        dock.save_to(plan.encoding)
        wait_for_answer(dock, lambda: dock.ready)
        if self._workspace.encoding is None:
            if not dock.primary.isEnabled():
                raise HaikuError(dock.strip.text)
            dock.primary.click()
            wait_for_answer(dock, lambda: self._workspace.encoding is not None, "main")
        # What an earlier visit left here comes back by itself, its atlas too.
        self._rest()
        if not self._has_atlas():
            dock.atlases.open(plan.atlas, within_patient_um=plan.within_patient_um)
            wait_for_answer(dock, self._has_atlas, "atlas")
            self._rest()
        show_all(self._viewer)

    def similar(self) -> None:
        """Click tissue and wait for the hits."""
        self._dock(ENCODE).primary.click()
        dock: Any = self._dock(SIMILAR)
        process_events(_DRAWING_S)
        met: list[int | None] = []
        missed: list[float] = []
        events = self._workspace.events
        events.selection.connect(met.append)
        events.glass.connect(missed.append)
        x, y = self._place()
        click_tissue(self._viewer, dock, x, y)
        wait_until(lambda: bool(met or missed), dock.title)
        events.selection.disconnect(met.append)
        events.glass.disconnect(missed.append)
        if missed:
            raise HaikuError(
                f"There is no tissue at {x:.0f}, {y:.0f} um, the nearest lies {missed[0]:.0f} um "
                "away: choose another place."
            )
        self._settled(dock)

    def biomarkers(self) -> None:
        """Predict, and show one marker measured and predicted."""
        self._dock(SIMILAR).primary.click()
        dock: Any = self._dock(BIOMARKERS)
        dock.region_um = self._plan.region_um
        if not dock.fresh:
            dock.primary.click()
        self._settled(dock)
        if self._workspace.biomarkers is not None:
            dock.show_marker(self._plan.marker)
            process_events(_DRAWING_S)
            show_all(self._viewer)

    def niches(self) -> None:
        """Group the patches."""
        self._go_on(self._dock(BIOMARKERS), NICHES)
        dock: Any = self._dock(NICHES)
        if self._workspace.niches is None:
            dock.set_clusters(self._plan.clusters)
            dock.primary.click()
            self._settled(dock)
        # Niches of an earlier visit stay as they are, corrected by hand perhaps.
        dock.show_niches()
        process_events(_DRAWING_S)
        show_all(self._viewer)

    def counterfactual(self) -> None:
        """Edit the record and ask what would shift; a refusal is left on show."""
        self._go_on(self._dock(NICHES), COUNTERFACTUAL)
        dock: Any = self._dock(COUNTERFACTUAL)
        dock.region_um = self._plan.region_um
        dock.seed.setValue(self._plan.seed)
        for field, value in self._plan.edits.items():
            dock.set_field(field, value)
        self._settled(dock)
        if dock.fresh_maps is None:
            dock.primary.click()
            self._settled(dock)
        else:
            dock.show_again()
        process_events(_DRAWING_S)
        if self._workspace.counterfactual is not None:
            # The answer rather than the form: that is what the picture is for.
            dock.bring_into_view(dock.gauge)

    def _has_atlas(self) -> bool:
        workspace, plan = self._workspace, self._plan
        return (
            workspace.atlas is not None
            and workspace.atlas.path.resolve() == plan.atlas.resolve()
            and workspace.within_patient_um == plan.within_patient_um
        )

    def _rest(self) -> None:
        """Wait until no dock works and nothing is on its way back."""
        keeper = keeper_of(self._viewer)

        def calm() -> bool:
            docks = self._bench.docks.values()
            return not any(dock.is_running() for dock in docks) and not (
                keeper is not None and keeper.under_way
            )

        process_events(0.05)
        wait_until(calm, "The workbench")

    def _place(self) -> tuple[float, float]:
        encoding = self._workspace.encoding
        if self._plan.at_um is not None or encoding is None:
            return self._plan.at_um or (0.0, 0.0)
        x, y = encoding.centres_um[int(encoding.tissue_fraction.argmax())]
        return float(x), float(y)

    def _dock(self, name: str) -> HaikuDock:
        return self._bench.docks[name]

    def _go_on(self, dock: HaikuDock, name: str) -> None:
        # After a refusal the blue button asks again instead of leading on.
        if dock.strip.state == "failed":
            dock.go_to(name)
        else:
            dock.primary.click()

    def _settled(self, dock: HaikuDock) -> None:
        process_events(0.05)
        wait_until(lambda: not dock.is_running(), dock.title)
        process_events(0.05)


def wait_for_answer(dock: HaikuDock, arrived: Callable[[], bool], lane: str | None = None) -> None:
    """Let the window live until a dock gave what was asked of it.

    Parameters
    ----------
    dock : HaikuDock
        Who was asked.
    arrived : callable
        Whether the answer is there.
    lane : str, optional
        Lane of the job that brings it: with it, a job that was stopped is not
        waited for either.

    Raises
    ------
    HaikuError
        It failed, was stopped, or did not come in time.
    """

    def ended() -> bool:
        return dock.strip.state == "failed" or (lane is not None and not dock.is_running(lane))

    wait_until(lambda: arrived() or ended(), dock.title)
    if not arrived():
        raise HaikuError(dock.strip.text or f"{dock.title} stopped before it was done: try again.")


def click_tissue(viewer: napari.Viewer, dock: QWidget, x_um: float, y_um: float) -> None:
    """Press and release the left button on the canvas at a position of the slide."""
    window = dock.window() or dock
    canvas = window.findChildren(QOpenGLWidget)[0]
    camera = viewer.scene.camera
    at = QPointF(
        canvas.width() / 2 + (x_um - camera.center[-1]) * camera.zoom,
        canvas.height() / 2 + (y_um - camera.center[-2]) * camera.zoom,
    )
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, button, held in (
        (QEvent.Type.MouseMove, none, none),
        (QEvent.Type.MouseButtonPress, left, left),
        (QEvent.Type.MouseButtonRelease, left, none),
    ):
        everywhere = QPointF(canvas.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, everywhere, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(canvas, event)
        process_events(0.02)


def process_events(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if time.monotonic() >= end:
            return
        time.sleep(0.005)


def wait_until(arrived: Callable[[], bool], what: str, seconds: float = _PATIENCE_S) -> None:
    """Let the window live until something arrived.

    Raises
    ------
    HaikuError
        It did not arrive in time.
    """
    end = time.monotonic() + seconds
    while not arrived():
        if time.monotonic() >= end:
            raise HaikuError(
                f"{what} gave no answer for {seconds / 60:.0f} minutes: try again on a less busy "
                "computer."
            )
        process_events(0.02)
