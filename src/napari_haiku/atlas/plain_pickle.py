"""Read pickles that hold NumPy arrays and strings; nothing in them is ever run.

A pickle is a program, and unpickling runs it. Here every name in it stands for one of a few
harmless builders, instructions that call anything else are refused before the first is carried
out, and sizes are checked against the bytes that are there before memory is taken.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_haiku.errors import HaikuError

MOST_BYTES: Final = 1 << 30
_MOST_STEPS: Final = 200_000
_REFUSED: Final = frozenset(
    {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4"}
)
_KINDS: Final = frozenset("biufSU")
Plain = NDArray[Any] | str | bytes | int | float | bool | list["Plain"] | dict[str, "Plain"] | None


def read_plain_pickle(file: Path) -> Any:
    """Read a pickle of arrays, strings, numbers, lists and dictionaries.

    Parameters
    ----------
    file : Path
        The pickle.

    Raises
    ------
    HaikuError
        It holds anything else, is cut short, or is too large.
    """
    file = Path(file)
    try:
        if file.stat().st_size > MOST_BYTES:
            raise HaikuError(f"{file.name} is larger than 1 GiB: it is no patch; leave it out.")
        content = file.read_bytes()
    except OSError as error:
        raise HaikuError(
            f"{file.name} cannot be read ({error.strerror}): check the path."
        ) from error
    try:
        _check_steps(content)
        return _built(_Reader(io.BytesIO(content)).load(), 0, [0])
    except _RefusedError as error:
        raise HaikuError(
            f"{file.name} holds {error}, and only arrays and text are read from a pickle: do not "
            "open it with other programs unless you trust where it comes from."
        ) from error
    # A damaged pickle makes the reader raise anything.
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        MemoryError,
        RecursionError,
    ) as error:
        raise HaikuError(
            f"{file.name} is no pickle that can be read: it may be cut short; fetch it again."
        ) from error


class _RefusedError(Exception):
    """Says what was refused."""


def _check_steps(content: bytes) -> None:
    for steps, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in _REFUSED:
            raise _RefusedError("an instruction to build objects")
        if isinstance(argument, int) and abs(argument) > 1 << 63:
            raise _RefusedError("an enormous number")
        if steps > _MOST_STEPS:
            raise _RefusedError("too many instructions")


class _DType:
    """Stands for a NumPy dtype until its state is known."""

    def __init__(self, name: Any, *_: Any) -> None:
        self._name = str(name)[:32]
        self._order = "|"

    def __setstate__(self, state: Any) -> None:
        self._order = str(state[1])[:1]
        if any(part is not None for part in state[2:5]):
            raise _RefusedError("an array of records")

    def dtype(self) -> np.dtype[Any]:
        found = np.dtype(self._name)
        if found.kind not in _KINDS:
            raise _RefusedError("an array of objects")
        return found.newbyteorder(">") if self._order == ">" else found


class _Array:
    """Stands for an array: what it is made of, not yet made."""

    def __init__(self, *_: Any) -> None:
        self.made: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        self.made = _array(content, dtype, shape, "F" if fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    if not isinstance(dtype, _DType) or not isinstance(content, bytes | bytearray):
        raise _RefusedError("an array of objects")
    kind = dtype.dtype()
    sides = tuple(int(side) for side in shape)
    wanted = kind.itemsize
    for side in sides:
        wanted *= side
    if len(sides) > 8 or min(sides, default=0) < 0 or wanted != len(content):
        raise _RefusedError("an array larger than its bytes")
    order = "F" if order == "F" else "C"
    return np.frombuffer(content, kind).reshape(sides, order=order).copy(order=order)


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.made = _array(content, dtype, shape, order)
    return made


def _scalar(dtype: Any, content: Any) -> Any:
    return _array(content, dtype, ())[()].item()


def _bytes_of(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError("text in an unknown code")
    return text.encode("latin1")


class _Ndarray:
    """Stands for the class ``numpy.ndarray``; it is named, never called."""

    def __init__(self, *_: Any) -> None:
        raise _RefusedError("an instruction to build objects")


_BUILDERS: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Ndarray,
    ("_codecs", "encode"): _bytes_of,
    **{
        (f"numpy.{core}.multiarray", name): builder
        for core in ("core", "_core")
        for name, builder in (("_reconstruct", _Array), ("scalar", _scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _BUILDERS[module, name]
        except KeyError:
            raise _RefusedError(f"the name {module}.{name}"[:80]) from None


def _built(found: Any, depth: int, count: list[int]) -> Any:
    """Put arrays in place of what stands for them; everything else must be plain."""
    count[0] += 1
    if depth > 8 or count[0] > _MOST_STEPS:
        raise _RefusedError("lists within lists")
    if isinstance(found, _Array):
        if found.made is None:
            raise _RefusedError("an array without content")
        return found.made
    if found is None or type(found) in (str, bytes, int, float, bool):
        return found
    if type(found) in (list, tuple):
        return [_built(part, depth + 1, count) for part in found]
    if type(found) is dict and all(type(key) is str for key in found):
        return {key: _built(part, depth + 1, count) for key, part in found.items()}
    raise _RefusedError("an object that is neither array nor text")
