"""What OME-XML says about one image: pixel size, position, channel names."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from napari_haiku.errors import HaikuError
from napari_haiku.images.pixel_size import square_pixel_size, um_per_unit


@dataclass(frozen=True)
class OmeImage:
    """The facts of one OME image.

    Parameters
    ----------
    name : str
        The image's name, or "".
    sizes : tuple or None
        Physical size of a pixel across and down with its units, as written.
    origin_um : tuple of float
        (x, y) of the first plane, um.
    channel_names : tuple of str
        One per channel, "" where it has none.
    notes : tuple of str
        What was assumed.
    """

    name: str
    sizes: tuple[tuple[float, str], tuple[float, str]] | None
    origin_um: tuple[float, float]
    channel_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def pixel_size_um(self, file_name: str) -> float | None:
        """Return the side of a pixel in um, None where the file gives none.

        Raises
        ------
        HaikuError
            The sides contradict each other or cannot be right.
        """
        if self.sizes is None:
            return None
        factors = [um_per_unit(unit) for _, unit in self.sizes]
        if factors[0] is None or factors[1] is None:
            return None
        (x, _), (y, _) = self.sizes
        return square_pixel_size(x * factors[0], y * factors[1], file_name)


def read_ome(xml: str, index: int, file_name: str) -> OmeImage:
    """Read one image's facts from OME-XML.

    Parameters
    ----------
    xml : str
        The whole document.
    index : int
        Which of its images.
    file_name : str
        For messages.

    Raises
    ------
    HaikuError
        The document is not XML or has no such image.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise HaikuError(f"{file_name} carries OME metadata with entities, which are not read.")
    try:
        root = ET.fromstring(xml)  # noqa: S314 - entities are refused above
    except ET.ParseError as error:
        raise HaikuError(
            f"{file_name} carries OME metadata that is not valid XML: export it again."
        ) from error
    images = _children(root, "Image")
    if index >= len(images):
        raise HaikuError(f"{file_name} describes fewer images than it holds: export it again.")
    image = images[index]
    pixels = _children(image, "Pixels")
    if not pixels:
        return OmeImage(image.get("Name", ""), None, (0.0, 0.0), ())
    origin, notes = _origin(pixels[0])
    return OmeImage(
        name=image.get("Name", ""),
        sizes=_sizes(pixels[0]),
        origin_um=origin,
        channel_names=tuple(c.get("Name", "") for c in _children(pixels[0], "Channel")),
        notes=notes,
    )


def _children(element: ET.Element, tag: str) -> list[ET.Element]:
    return [child for child in element if child.tag.rpartition("}")[2] == tag]


def _sizes(pixels: ET.Element) -> tuple[tuple[float, str], tuple[float, str]] | None:
    found = []
    for axis in "XY":
        text = pixels.get(f"PhysicalSize{axis}")
        if text is None:
            continue
        try:
            size = float(text)
        except ValueError:
            size = math.nan
        found.append((size, pixels.get(f"PhysicalSize{axis}Unit", "um")))
    if not found:
        return None
    return found[0], found[-1]


def _origin(pixels: ET.Element) -> tuple[tuple[float, float], tuple[str, ...]]:
    planes = [p for p in _children(pixels, "Plane") if p.get("PositionX") or p.get("PositionY")]
    if not planes:
        return (0.0, 0.0), ()
    place: list[float] = []
    notes: tuple[str, ...] = ()
    for axis in "XY":
        text = planes[0].get(f"Position{axis}", "0")
        unit = planes[0].get(f"Position{axis}Unit", "")
        factor = um_per_unit(unit)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            return (0.0, 0.0), ("The file's position is no number; the image starts at 0.",)
        if factor is None:
            factor = 1.0
            if value:
                notes = ("The file's position has no unit; it is taken as um.",)
        place.append(value * factor)
    return (place[0], place[1]), notes
