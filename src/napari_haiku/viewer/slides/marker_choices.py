"""Which protein each channel shows: what was suggested, what is doubtful, what the user chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_haiku.markers import resolve_marker, resolve_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_haiku.images.slide_image import SlideImage

LEAVE_OUT = "leave out"


@dataclass(frozen=True)
class ChannelRow:
    """One line of the marker table.

    Parameters
    ----------
    channel : int
        Position in the image.
    name : str
        As the file has it.
    marker : str or None
        What it is used as; None when it is left out.
    remark : str
        "recognised", "check this", "not a marker", "left out", or why it is.
    doubtful : bool
        Whether the user should look at it.
    candidates : tuple of str
        Markers the name could mean, when it is ambiguous.
    """

    channel: int
    name: str
    marker: str | None
    remark: str
    doubtful: bool
    candidates: tuple[str, ...] = ()


def channel_rows(image: SlideImage) -> list[ChannelRow]:
    """Describe the channels of an mIF image, doubtful ones first."""
    rows = [_row(image, channel) for channel in range(len(image.channel_names))]
    return sorted(rows, key=lambda row: (not row.doubtful, row.remark == "recognised", row.channel))


def panel_summary(image: SlideImage) -> str:
    """Count the channels: "18 channels · 17 used · 1 left out"."""
    total, used = len(image.channel_names), len(image.used_channels)
    return f"{total} channels · {used} used · {total - used} left out"


def with_chosen_markers(image: SlideImage, choices: Sequence[str]) -> SlideImage:
    """Use each channel as the user chose; the file's own channel names are kept.

    Parameters
    ----------
    image : SlideImage
        An mIF image.
    choices : sequence of str
        One marker per channel; empty or "leave out" drops the channel.

    Raises
    ------
    HaikuError
        Two channels would be the same marker.
    """
    from napari_haiku.images.slide_image import marker_of

    kept = [choice.strip() if choice.strip() != LEAVE_OUT else "" for choice in choices]
    matches = resolve_panel([choice or "blank" for choice in kept])
    markers = tuple(
        marker_of(match) if choice else None for match, choice in zip(matches, kept, strict=True)
    )
    return image.changed(markers=markers)


def _row(image: SlideImage, channel: int) -> ChannelRow:
    from napari_haiku.images.slide_image import is_unnamed

    name, marker = image.channel_names[channel], image.markers[channel]
    match = resolve_marker(name)
    if marker is None:
        if match.status == "not a marker":
            return ChannelRow(channel, name, None, "not a marker", True)
        note = next((n for n in image.notes if n.startswith(f"{name} ")), "")
        remark = "all zero" if "zero" in note else "has gaps" if "gap" in note else "left out"
        return ChannelRow(channel, name, None, remark, True, match.candidates)
    if match.status == "recognised" and match.canonical == marker:
        return ChannelRow(channel, name, marker, "recognised", False)
    if marker != name and resolve_marker(marker).status == "recognised":
        return ChannelRow(channel, name, marker, "typed by you", False)
    remark = "no name" if is_unnamed(name) else "check this"
    return ChannelRow(channel, name, marker, remark, True, match.candidates)
