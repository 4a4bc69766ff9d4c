"""The demo's journey in a real window: ``python -m napari_haiku.cli.demo_window PLAN DIR``.

A process of its own, so that it can be given a screen of its own and so that a
broken Qt or OpenGL ends no computation. Prints the pictures' names, then ``taken``.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_haiku.cli.demo_plan import DemoPlan
from napari_haiku.errors import HaikuError

PICTURE = "picture"
TAKEN = "taken"
STAY = "--stay"


def walk(plan_file: Path, folder: Path, *, stay: bool) -> None:
    """Walk the journey, save a picture of each step and leave the window open if asked to."""
    from napari_haiku.widgets.journey import JourneyPlan, run_journey, stay_open

    plan = DemoPlan.read(plan_file)
    answer = sys.stdout
    # Nobody reads what libraries print here once the pictures are told; a full pipe would stop us.
    with redirect_stdout(sys.stderr):
        pictures = run_journey(JourneyPlan(**_fields(plan)), folder, keep_open=stay)
        answer.write("".join(f"{PICTURE}={picture.name}\n" for picture in pictures))
        answer.write(f"{TAKEN}\n")
        answer.flush()
        if stay:
            stay_open()


def _fields(plan: DemoPlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in asdict(plan)}


def main(arguments: list[str]) -> int:
    """Walk the journey that the arguments name; return the exit code."""
    try:
        walk(Path(arguments[0]), Path(arguments[1]), stay=STAY in arguments[2:])
    except HaikuError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
