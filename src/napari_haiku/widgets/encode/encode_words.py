"""Sentences of the Encode dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.widgets.frame.remaining import spell_duration

if TYPE_CHECKING:
    from datetime import datetime

    from napari_haiku.encoding.request import EncodeResult
    from napari_haiku.viewer.slides.encode_preview import Preview
    from napari_haiku.widgets.frame.message_strip import State

_NOTEWORTHY_S = 2.0


def outlook(preview: Preview, place: str) -> tuple[State, str]:
    """Say what is ahead: what is left, what it takes, or that the disk is too full."""
    if preview.done:
        return "running", resumable(preview)
    if preview.size_bytes > preview.free_bytes:
        return "caution", too_little_space(preview)
    return "running", estimate(preview, place)


def estimate(preview: Preview, place: str) -> str:
    """Say what encoding will take: "3,730 patches, about 3 min, 18 MB beside the image."."""
    n = len(preview.grid)
    worth_saying = preview.seconds > _NOTEWORTHY_S
    time = f"about {spell_duration(preview.seconds)}" if worth_saying else "a moment"
    return f"{n:,} patches, {time}, {megabytes(preview.size_bytes)} {place}."


def too_little_space(preview: Preview) -> str:
    """Say that the disk is too full: "The disk is full: 18 MB needed, 3 MB free."."""
    return (
        f"The disk is full: {megabytes(preview.size_bytes)} needed, "
        f"{megabytes(preview.free_bytes)} free. Choose another folder, or free some space."
    )


def resumable(preview: Preview) -> str:
    """Say how much is left of an encoding that was stopped."""
    left = len(preview.grid) - preview.done
    return f"{preview.done:,} of {len(preview.grid):,} patches are saved; {left:,} left."


def found(modified: datetime) -> str:
    """Say that the slide was encoded before: "Found your encoding of 14 Nov; nothing to redo."."""
    return f"Found your encoding of {modified.day} {modified:%b}; nothing to redo."


def stopped(done: int, total: int) -> str:
    """Say what was kept when encoding was cancelled."""
    return f"Stopped at {done:,} of {total:,}; they are saved."


def finished(result: EncodeResult, size_bytes: int, place: str) -> str:
    """Say what encoding left: "3,730 patches in 2 min 41 s; 18 MB saved beside the image."."""
    seconds = result.seconds.get("total", 0.0)
    return (
        f"{result.patches:,} patches in {exact_duration(seconds)}; "
        f"{megabytes(size_bytes)} saved {place}."
    )


def exact_duration(seconds: float) -> str:
    """Spell a measured duration to the second."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def megabytes(size: int) -> str:
    """Spell a size on disk."""
    if size < 950_000:
        return f"{max(1, round(size / 1000))} kB"
    if size < 9_500_000:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e6:,.0f} MB" if size < 950_000_000 else f"{size / 1e9:.1f} GB"
