"""Make the pictures of the documentation: the demo's journey on virtual tissue, and what follows.

    .venv/bin/python scripts/make_pictures.py [FOLDER]

With FOLDER, the demo that ran there is pictured; without, the demo is run. Each time the window
starts afresh, with napari's own settings and without the session that lies in the folder, which is
put back afterwards: so the pictures are the same. Pictures of a slide of the user's own are
refused: docs/images holds virtual tissue only. Without a display the window is drawn on a screen of
its own (xvfb-run).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
REGIONS, EXPORT = "6_regions.png", "7_export.png"
WALK = "--walk"


def main(arguments: list[str]) -> int:
    """Run the demo if needed and put its pictures into docs/images."""
    if arguments[:1] == [WALK]:
        walk_on(Path(arguments[1]), Path(arguments[2]))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments[0]) if arguments else Path(temporary) / "demo"
        if not arguments:
            command = [sys.executable, "-c", "from napari_haiku.cli import main; main()"]
            subprocess.run([*command, "demo", "--no-window", "--output", str(folder)], check=True)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        if summary["slide"] != "virtual":
            print("Error: these pictures show a real slide.", file=sys.stderr)
            return 1
        screen = [] if os.environ.get("DISPLAY") or not shutil.which("xvfb-run") else ["xvfb-run"]
        pictures = Path(temporary) / "pictures"
        walking = [sys.executable, __file__, WALK, str(folder), str(pictures)]
        settings = os.environ | {"NAPARI_CONFIG": str(Path(temporary) / "settings.yaml")}
        with no_session(folder, Path(temporary) / "session"):
            subprocess.run(
                [*screen, *(["-a"] if screen else []), *walking], check=True, env=settings
            )
        IMAGES.mkdir(parents=True, exist_ok=True)
        for picture in sorted(pictures.glob("*.png")):
            save(picture, IMAGES / picture.name)
    return 0


@contextmanager
def no_session(folder: Path, aside: Path) -> Iterator[None]:
    """Lay what an earlier visit kept beside the demo's encoding aside, and put it back."""
    from napari_haiku.cli.demo_plan import DemoPlan
    from napari_haiku.cli.demo_run import PLAN
    from napari_haiku.viewer.session.folder import session_place

    place = session_place(DemoPlan.read(folder / PLAN).encoding)
    if place.exists():
        shutil.move(place, aside)
    try:
        yield
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if aside.exists():
            shutil.move(aside, place)


def save(picture: Path, target: Path) -> None:
    """Save a picture in 32 shades of red, green and blue: two thirds of the size.

    No colour is off by more than an eye can tell. A palette would halve the size again, but give
    wrong colours to maps, whose colours are values.
    """
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    Image.fromarray((pixels & 0xF8) | (pixels >> 5)).save(target, optimize=True)
    print(f"docs/images/{target.name}: {target.stat().st_size / 1e3:.0f} kB")


def walk_on(folder: Path, pictures: Path) -> None:
    """Walk the journey of a demo in a window of its own, draw regions, open the export menu."""
    import napari

    from napari_haiku.cli.demo_plan import DemoPlan
    from napari_haiku.cli.demo_run import PLAN
    from napari_haiku.widgets.frame.navigation import NICHES, PLUGIN, raise_dock
    from napari_haiku.widgets.journey import JourneyPlan, process_events, wait_until, walk

    plan = DemoPlan.read(folder / PLAN)
    viewer = napari.Viewer(show=True)
    walk(viewer, JourneyPlan(**vars(plan)), pictures)
    dock = raise_dock(viewer, NICHES)
    dock.show_niches()
    process_events(1.0)
    picture_with_menu(dock, dock.export_button, pictures / EXPORT)

    _, regions = viewer.window.add_plugin_dock_widget(PLUGIN, "Regions", tabify=True)
    regions = getattr(regions, "__wrapped__", regions)
    x, y = np.median(dock.workspace.encoding.centres_um, axis=0)
    shapes = [outline(x - 350, y - 250, 260, 190), outline(x + 330, y + 220, 230, 300)]
    viewer.add_shapes(
        shapes,
        shape_type="polygon",
        name="My regions",
        face_color=[1.0, 0.9, 0.2, 0.2],
        edge_color="#F0E442",
        edge_width=12,
        units=("um", "um"),
    )
    wait_until(lambda: regions.table.rowCount() == len(shapes), "Regions")
    raise_dock(viewer, "Regions")
    process_events(1.0)
    viewer.screenshot(str(pictures / REGIONS), canvas_only=False, flash=False)
    viewer.close()
    process_events(0.2)


def outline(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """Outline of a rounded region, in um, y before x."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([y + half_height * np.sin(angles), x + half_width * np.cos(angles)], axis=1)


def picture_with_menu(dock, button, target: Path) -> None:
    """Picture of the window with a button's menu open: a window's picture holds no menus."""
    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QPainter

    from napari_haiku.widgets.journey import process_events

    window, menu = dock.window(), button.menu()
    above = button.mapToGlobal(QPoint(0, -menu.sizeHint().height()))
    menu.popup(above)
    process_events(0.5)
    picture, opened = window.grab(), menu.grab()
    painter = QPainter(picture)
    painter.drawPixmap(window.mapFromGlobal(above), opened)
    painter.end()
    menu.close()
    picture.save(str(target))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
