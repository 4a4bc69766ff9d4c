"""Figures along a run: a CSV always, TensorBoard where it is wanted."""

from __future__ import annotations

import csv
import importlib
import io
from typing import TYPE_CHECKING, Any

from napari_haiku.errors import HaikuError
from napari_haiku.storage import write_text

if TYPE_CHECKING:
    from pathlib import Path

FILE, FOLDER = "curves.csv", "tensorboard"


class Curves:
    """All figures of a run so far.

    Parameters
    ----------
    output : Path
        Folder of the run.
    tensorboard : bool
        Whether the figures also go to TensorBoard.

    Raises
    ------
    HaikuError
        TensorBoard is wanted but not installed.
    """

    def __init__(self, output: Path, *, tensorboard: bool = False) -> None:
        self.rows: list[dict[str, Any]] = []
        self._output = output
        self._writer = _writer(output / FOLDER) if tensorboard else None
        self._told = 0

    def add(self, step: int, figures: dict[str, float]) -> None:
        """Take note of figures after some steps; the same figure again replaces the first."""
        # A run that was stopped between two checkpoints measures some figures twice.
        for at in range(len(self.rows) - 1, -1, -1):
            row = self.rows[at]
            if row["step"] != step:
                break
            if row["figure"] in figures:
                del self.rows[at]
        self.rows += [
            {"step": step, "figure": name, "value": value} for name, value in figures.items()
        ]

    def save(self) -> None:
        """Write the figures down, whole or not at all."""
        table = io.StringIO()
        writer = csv.DictWriter(table, ["step", "figure", "value"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._output / FILE, table.getvalue())
        if self._writer is not None:
            for row in self.rows[self._told :]:
                name = str(row["figure"]).replace(" ", "/", 1).replace("->", "-to-")
                self._writer.add_scalar(name, row["value"], row["step"])
            self._told = len(self.rows)
            self._writer.flush()

    def load(self, rows: list[dict[str, Any]]) -> None:
        """Go back to the figures of a checkpoint."""
        self.rows = rows
        self._told = len(rows)


def _writer(folder: Path) -> Any:
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise HaikuError(
            "Curves for TensorBoard need the package tensorboard: run pip install "
            "'napari-haiku[train]', or leave --tensorboard out; curves.csv is always written."
        ) from error
    return module.SummaryWriter(str(folder))
