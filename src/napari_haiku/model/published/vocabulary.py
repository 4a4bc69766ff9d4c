"""The published marker vocabulary, read from its pickle without running it."""

from __future__ import annotations

import pickle
import pickletools
from io import BytesIO
from pathlib import Path
from typing import Any

from napari_haiku.errors import HaikuError
from napari_haiku.model.published.config import MOST_MARKERS, check_marker_name, table_name

_LARGEST_MEMO = 100_000
_REFUSED_OPCODES = frozenset(
    {
        "PERSID",
        "BINPERSID",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "EXT1",
        "EXT2",
        "EXT4",
        "NEXT_BUFFER",
        "READONLY_BUFFER",
    }
)


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read the marker names of ``vocab.pkl``.

    Only NumPy arrays, lists and tuples of strings are admitted. No class named
    in the file is ever looked up: arrays are rebuilt from their bytes here.

    Raises
    ------
    HaikuError
        The file holds anything else, or is damaged.
    """
    data = path.read_bytes()
    try:
        _check_opcodes(data, path.name)
        names = _strings(_NamesOnly(BytesIO(data)).load())
    except HaikuError:
        raise
    except (
        pickle.UnpicklingError,
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
        UnicodeDecodeError,
        MemoryError,
        RecursionError,
        OverflowError,
    ) as error:
        raise HaikuError(
            f"{path.name} is no list of marker names or is damaged: copy the bundle again."
        ) from error
    if not names or len(names) > MOST_MARKERS:
        raise HaikuError(
            f"{path.name} holds {len(names)} marker names where 1 to {MOST_MARKERS} make sense: "
            "copy the bundle again."
        )
    checked = [check_marker_name(name, path.name) for name in names]
    return tuple(dict.fromkeys(table_name(name) for name in checked))


class _Array:
    """Stands for a NumPy array while its pickle is read."""

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DType:
    """Stands for a NumPy dtype."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code
        self.little = True

    def __setstate__(self, state: Any) -> None:
        self.little = state[1] != ">"


class _Name:
    """Stands for a class that is only passed as an argument."""


def _rebuild(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: object, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", _bytes(raw))
    return array


def _scalar(dtype: _DType, raw: object) -> str:
    return _unicode(dtype, _bytes(raw))[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError("only latin1 is expected")
    return text.encode("latin1")


class _NamesOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): _Name,
            ("numpy", "dtype"): _DType,
            ("_codecs", "encode"): _encode,
        }
        for core in ("numpy.core", "numpy._core"):
            known[f"{core}.multiarray", "_reconstruct"] = _rebuild
            known[f"{core}.multiarray", "scalar"] = _scalar
            known[f"{core}.numeric", "_frombuffer"] = _from_buffer
        if (module, name) not in known:
            raise HaikuError(
                f"vocab.pkl asks for '{module[:40]}.{name[:40]}', which is no array of names, "
                "and is refused: copy the bundle again from where it was published."
            )
        return known[module, name]


def _check_opcodes(data: bytes, file_name: str) -> None:
    for opcode, argument, _ in pickletools.genops(data):
        refused = opcode.name in _REFUSED_OPCODES
        # A huge memo index makes the reader reserve memory for all below it.
        if opcode.name in ("LONG_BINPUT", "PUT") and int(argument or 0) > _LARGEST_MEMO:
            refused = True
        if refused:
            raise HaikuError(
                f"{file_name} holds more than an array of names and is refused: "
                "copy the bundle again from where it was published."
            )


def _strings(value: object) -> list[str]:
    if isinstance(value, _Array):
        _, shape, dtype, _, content = value.state
        if not isinstance(dtype, _DType) or len(shape) != 1:
            raise ValueError("not a plain array of names")
        value = content if isinstance(content, list) else _unicode(dtype, _bytes(content))
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("not a list of names")
    return [str(name) for name in value]


def _bytes(raw: object) -> bytes:
    if not isinstance(raw, bytes | bytearray):
        raise TypeError("array content is no bytes")
    return bytes(raw)


def _unicode(dtype: _DType, raw: bytes) -> list[str]:
    code = str(dtype.code)
    width = 4 * int(code[1:]) if code.startswith("U") else 0
    if width <= 0 or len(raw) % width:
        raise ValueError("not an array of text")
    encoding = "utf-32-le" if dtype.little else "utf-32-be"
    return [raw[at : at + width].decode(encoding).rstrip("\0") for at in range(0, len(raw), width)]
