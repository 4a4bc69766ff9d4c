"""Names of files in a sentence, said as they were given on the command line."""

from __future__ import annotations

import re
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What stands before the name of a folder that a sentence is about, besides its beginning.
_BEFORE = ("atlas ", "folder ", "of ", "in ", "from ")

_called_with: ContextVar[Mapping[str, Any] | None] = ContextVar("called_with", default=None)


class Command(TyperCommand):
    """A command of which it is known, while it runs, what it was called with."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        before = _called_with.set(ctx.params)
        try:
            return super().invoke(ctx)
        finally:
            _called_with.reset(before)


def as_typed(sentence: str) -> str:
    """Say the files of a sentence as the command that runs was given them."""
    return as_given(sentence, _called_with.get() or {})


def as_given(sentence: str, parameters: Mapping[str, Any]) -> str:
    """Say the first mention of each file with the folder that was typed before it.

    Sentences name files without their folders, since they also end up in logs;
    whoever mistyped a folder has to see it.

    Parameters
    ----------
    sentence : str
        Why a command failed.
    parameters : mapping
        What the command was called with.
    """
    for path in _paths(parameters.values()):
        if path.name and str(path) != path.name and str(path) not in sentence:
            sentence = _say(sentence, path)
    return sentence


def _say(sentence: str, path: Path) -> str:
    name = re.escape(path.name)
    whole = rf"(?<![\w./\\-]){name}(?![\w/\\-]|\.\w)"
    if not re.search(r"[\W\d_]", path.name):
        # A folder called "west" or "out": only where the sentence can mean nothing else.
        whole = rf"(?:(?<=^)|{'|'.join(f'(?<={word})' for word in _BEFORE)}){name}(?![\w/\\-]|\.\w)"
    return re.sub(whole, lambda _found: str(path), sentence, count=1)


def _paths(values: Any) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, str) and re.fullmatch(r"[^\s=,;]*[/\\][^\s=,;]*", value):
            yield Path(value)
        elif isinstance(value, list | tuple):
            yield from _paths(value)
