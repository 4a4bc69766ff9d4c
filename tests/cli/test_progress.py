"""Progress as lines and as a bar."""

from __future__ import annotations

import io

from napari_haiku.cli.progress import Lines, sentence, shown
from napari_haiku.jobs import Progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_sparse_but_never_miss_a_beginning_or_an_end():
    stream, now = io.StringIO(), [0.0]
    lines = Lines(stream, clock=lambda: now[0])
    for done in range(101):
        now[0] += 0.125
        lines(Progress(done, 100, "Encoding"))
    lines(Progress(0, 0, "Closing"))
    assert stream.getvalue().splitlines() == [
        "Encoding: 0 of 100 patches",
        "Encoding: 40 of 100 patches, 8 s left",
        "Encoding: 80 of 100 patches, 2 s left",
        "Encoding: 100 of 100 patches",
        "Closing ...",
    ]


def test_counts_are_grouped():
    assert sentence(Progress(1240, 3730, "Encoding")) == "Encoding: 1,240 of 3,730 patches"


def test_a_terminal_gets_a_bar():
    stream = _Terminal()
    with shown(stream) as show:
        show(Progress(0, 0, "Finding tissue"))
        show(Progress(3, 4, "Encoding"))
    assert "Encoding: 3 of 4 patches" in stream.getvalue()


def test_a_pipe_gets_lines():
    stream = io.StringIO()
    with shown(stream) as show:
        show(Progress(4, 4, "Encoding"))
    assert stream.getvalue() == "Encoding: 4 of 4 patches\n"
