"""What a command says, and where: its result on stdout, all else on stderr."""

from __future__ import annotations

import errno
import json
import sys
import traceback
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import typer

from napari_haiku.cli.given_paths import as_typed
from napari_haiku.cli.plain_values import plain
from napari_haiku.cli.progress import shown
from napari_haiku.errors import HaikuError
from napari_haiku.jobs import Job, run_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

T = TypeVar("T")
INTERRUPTED = 130


class Report:
    """The voice of one command.

    Parameters
    ----------
    as_json : bool
        The result is one JSON object instead of lines.
    stdout : TextIO
        Where the result goes.
    """

    def __init__(self, *, as_json: bool, stdout: TextIO) -> None:
        self._as_json = as_json
        self._stdout = stdout
        self.exit_code = 0

    def say(self, sentence: str) -> None:
        """Tell the person something beside the result."""
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()

    def show(self, line: str) -> None:
        """Print one line of a result that grows while the work goes on; not with ``--json``."""
        if not self._as_json:
            print(line, file=self._stdout, flush=True)

    def run(self, job: Job[T]) -> T:
        """Run a job to its end, showing its progress."""
        with shown(sys.stderr) as progress:
            return run_job(job, progress)

    def result(self, content: Mapping[str, Any], lines: Sequence[str] = ()) -> None:
        """Print the result: `content` as JSON when asked for, else `lines`."""
        if self._as_json:
            text = json.dumps(plain(content), ensure_ascii=False, allow_nan=False)
        else:
            text = "\n".join(lines)
        if text:
            print(text, file=self._stdout, flush=True)

    def failed(self, sentence: str, *, exit_code: int = 1) -> None:
        """Say why the command could not do its work."""
        self.say(f"Error: {sentence}")
        self.exit_code = exit_code
        if self._as_json:
            self.result({"error": sentence})


@contextmanager
def reporting(
    as_json: bool, debug: bool, *, kept: str = "Nothing was changed."
) -> Iterator[Report]:
    """Run a command's work; failures become one sentence and an exit code.

    Parameters
    ----------
    as_json : bool
        Print one JSON object on stdout and keep everything else away from it.
    debug : bool
        Show the traceback of a failure as well.
    kept : str
        What Ctrl-C leaves, told to whoever pressed it.

    Raises
    ------
    typer.Exit
        With 1 for a failure, 130 for Ctrl-C.
    """
    report = Report(as_json=as_json, stdout=sys.stdout)
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            yield report
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except HaikuError as error:
        _show_traceback(debug)
        report.failed(as_typed(str(error)))
    except KeyboardInterrupt:
        _show_traceback(debug)
        report.failed(f"Stopped. {kept}", exit_code=INTERRUPTED)
    except BrokenPipeError:
        report.exit_code = 1
    # The last place where anything can be told.
    except Exception as error:  # noqa: BLE001
        _show_traceback(debug)
        report.failed(_unexpected(error, debug=debug))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _unexpected(error: Exception, *, debug: bool) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "The disk is full: free some space and run the command again; what is finished is kept."
        )
    if isinstance(error, MemoryError):
        return "The memory does not suffice: close other programs or use a smaller --batch-size."
    advice = "please report the traceback above" if debug else "run with --debug to see where"
    return f"Something unexpected went wrong ({type(error).__name__}): {advice}."


def _show_traceback(debug: bool) -> None:
    if debug:
        traceback.print_exc(file=sys.stderr)
