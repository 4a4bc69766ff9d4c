"""Writing virtual slides as OME-TIFF pyramids whose bytes depend on the pixels alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE = 256
_SMALLEST = 256
_HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/OME/2016-06 '
    'http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd" Creator="napari-haiku">'
)


def he_file(picture: NDArray[np.uint8], pixel_um: float, *, quality: int = 88) -> bytes:
    """Encode an H&E picture as a tiled JPEG OME-TIFF pyramid.

    Parameters
    ----------
    picture : ndarray of uint8, (y, x, 3)
        The pixels.
    pixel_um : float
        Size of a pixel in um.
    quality : int
        JPEG quality, 1 to 100.
    """
    height, width, _ = picture.shape
    channels = '<Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData IFD="0" PlaneCount="1"/>'
    description = _description("H&E", width, height, 3, pixel_um, channels, interleaved=True)
    return _written(
        [picture],
        description,
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": quality},
    )


def mif_file(picture: NDArray[np.uint8], markers: tuple[str, ...], pixel_um: float) -> bytes:
    """Encode an mIF picture as a tiled, losslessly compressed OME-TIFF pyramid.

    Parameters
    ----------
    picture : ndarray of uint8, (c, y, x)
        The pixels.
    markers : tuple of str
        Name of each channel.
    pixel_um : float
        Size of a pixel in um.
    """
    count, height, width = picture.shape
    channels = "".join(
        f'<Channel ID="Channel:0:{number}" SamplesPerPixel="1" Name={quoteattr(name)}/>'
        for number, name in enumerate(markers)
    )
    channels += f'<TiffData IFD="0" PlaneCount="{count}"/>'
    description = _description("mIF", width, height, count, pixel_um, channels, interleaved=False)
    return _written(
        list(picture),
        description,
        photometric="minisblack",
        compression="zlib",
        compressionargs={"level": 6},
    )


def _description(
    name: str,
    width: int,
    height: int,
    channels: int,
    pixel_um: float,
    body: str,
    *,
    interleaved: bool,
) -> str:
    layout = ' Interleaved="true"' if interleaved else ""
    return (
        f'{_HEADER}<Image ID="Image:0" Name={quoteattr(name)}>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" '
        f'SizeY="{height}" SizeC="{channels}" SizeZ="1" SizeT="1"{layout} '
        f'PhysicalSizeX="{pixel_um}" PhysicalSizeXUnit="&#181;m" '
        f'PhysicalSizeY="{pixel_um}" PhysicalSizeYUnit="&#181;m">'
        f"{body}</Pixels></Image></OME>"
    )


def _written(planes: list[NDArray[np.uint8]], description: str, **options: Any) -> bytes:
    """Write each plane, (y, x) or (y, x, 3), with its coarser levels below it."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for number, plane in enumerate(planes):
            levels = pyramid(plane)
            writer.write(
                levels[0],
                subifds=len(levels) - 1,
                description=description if number == 0 else None,
                tile=(_TILE, _TILE),
                metadata=None,
                software="napari-haiku",
                **options,
            )
            for level in levels[1:]:
                writer.write(level, subfiletype=1, tile=(_TILE, _TILE), metadata=None, **options)
    return stream.getvalue()


def pyramid(plane: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return a plane, (y, x) or (y, x, 3), and its halved copies down to about 256 pixels."""
    levels = [plane]
    while min(levels[-1].shape[:2]) >= 2 * _SMALLEST:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    block = image[:height, :width].astype(np.uint16)
    total = block[::2, ::2] + block[1::2, ::2] + block[::2, 1::2] + block[1::2, 1::2]
    return np.asarray((total + 2) // 4, np.uint8)
