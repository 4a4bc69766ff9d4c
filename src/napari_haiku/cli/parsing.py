"""Option texts into values; what cannot be read is wrong usage (exit code 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from napari_haiku.clinical import Record, parse_settings
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_weights(text: str | None) -> dict[str, float] | None:
    """Read ``he=0.8,text=0.2``."""
    if text is None:
        return None
    from napari_haiku.atlas.query import parse_weights as read

    try:
        return read(text)
    except HaikuError as error:
        raise typer.BadParameter(str(error), param_hint="--weights") from error


def parse_numbers(text: str, count: int, option: str, example: str) -> tuple[float, ...]:
    """Read `count` numbers separated by commas."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(
            f"'{text}' is not {count} numbers with commas between: write it like {example}.",
            param_hint=option,
        )
    return numbers


def parse_edits(settings: Sequence[str] | None) -> Record:
    """Read ``--set stage=IV --set sex=Male``."""
    try:
        return parse_settings(list(settings or []))
    except HaikuError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from error


def parse_box(text: str | None, option: str) -> tuple[float, float, float, float] | None:
    """Read the corners ``X0,Y0,X1,Y1`` of a rectangle in um."""
    if text is None:
        return None
    x0, y0, x1, y1 = parse_numbers(text, 4, option, "0,0,1000,1000")
    if x1 <= x0 or y1 <= y0:
        raise typer.BadParameter(
            f"'{text}' encloses nothing: give left, top, right and bottom.", param_hint=option
        )
    return x0, y0, x1, y1
