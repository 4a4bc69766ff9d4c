"""What happened when: a log beside the store, never in it."""

from __future__ import annotations

import json
import os
import platform
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.storage import speaking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_haiku.encoding.writer import EncodingWriter


class EncodingLog:
    """Times and hosts of every run on one encoding, one JSON object a line.

    It names no patient, slide or file.

    Parameters
    ----------
    output : Path
        The encoding; the log is ``<output>.log.jsonl`` beside it.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.parent / f"{output.name}.log.jsonl"

    @contextmanager
    def run(self, conditions: Mapping[str, Any], writer: EncodingWriter) -> Iterator[EncodingLog]:
        """Log the beginning of a run and, where it stops early, how far it came."""
        self._write("started", patches_done=writer.patches_done, conditions=dict(conditions))
        try:
            yield self
        except BaseException as error:
            event = "cancelled" if isinstance(error, GeneratorExit) else "failed"
            # A full disk must be told as itself, not as a log that cannot be written.
            with suppress(HaikuError):
                self._write(event, patches_done=writer.patches_done, kind=type(error).__name__)
            raise

    def finished(self, seconds: Mapping[str, float]) -> None:
        """Log the end of a run."""
        self._write("finished", seconds={step: round(value, 3) for step, value in seconds.items()})

    def _write(self, event: str, **details: Any) -> None:
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "event": event,
            "computer": platform.node(),
            "process": os.getpid(),
            **details,
        }
        with speaking(self.path), open(self.path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
