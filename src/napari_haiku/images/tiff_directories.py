"""Tell from a TIFF's directories whether the file is all there.

tifffile reads what it finds and only logs a directory that lies beyond the end
of the file, so that a file cut off in transit opens as one with fewer planes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_BYTES_PER_VALUE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BYTES_PER_VALUE |= {13: 4, 16: 8, 17: 8, 18: 8}
_MOST_DIRECTORIES = 1_000_000


def directories_complete(path: Path) -> bool:
    """Tell whether every directory of a TIFF, and every value it points to, is in the file.

    Parameters
    ----------
    path : Path
        A TIFF or BigTIFF. A file whose header is neither is not judged.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = stream.read(16)
        order = {b"II": "<", b"MM": ">"}.get(header[:2])
        version = struct.unpack(f"{order}H", header[2:4])[0] if order and len(header) == 16 else 0
        if version == 42:
            start, layout = struct.unpack(f"{order}I", header[4:8])[0], (f"{order}HHII", "H", "I")
        elif version == 43:
            start, layout = struct.unpack(f"{order}Q", header[8:16])[0], (f"{order}HHQQ", "Q", "Q")
        else:
            return True
        return _chain_complete(stream, size, start, str(order), layout)


def _chain_complete(
    stream: BinaryIO, size: int, start: int, order: str, layout: tuple[str, str, str]
) -> bool:
    entry, count_type, offset_type = layout
    count_size, offset_size = struct.calcsize(count_type), struct.calcsize(offset_type)
    entry_size = struct.calcsize(entry)
    seen: set[int] = set()
    while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(start)
        stream.seek(start)
        counted = stream.read(count_size)
        if len(counted) < count_size:
            return False
        count = struct.unpack(order + count_type, counted)[0]
        if start + count_size + count * entry_size + offset_size > size:
            return False
        entries = stream.read(count * entry_size)
        for _, kind, values, offset in struct.iter_unpack(entry, entries):
            length = values * _BYTES_PER_VALUE.get(kind, 0)
            if length > offset_size and offset + length > size:
                return False
        start = struct.unpack(order + offset_type, stream.read(offset_size))[0]
    return True
