"""Which fields of the record the H&E tower should be able to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_haiku.analysis.outcome.record_columns import FEWEST, RecordColumns
from napari_haiku.errors import HaikuError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_haiku.clinical import Record
    from napari_haiku.training.config import TrainConfig


class RecordTargets:
    """Standardised columns of the record: one for each level of a field, or one for a scale.

    Parameters
    ----------
    records : mapping of str to Record
        Record of each patient that is learnt from.
    fields : sequence of str
        Fields to tell.

    Raises
    ------
    HaikuError
        No patient has a field, or none of its values is shared by enough of them.
    """

    def __init__(self, records: Mapping[str, Record], fields: Sequence[str]) -> None:
        self._columns = RecordColumns.learn(list(records.values()), fields)
        for name in fields:
            if name not in self._columns.fields:
                raise HaikuError(
                    f"The objective record cannot tell the field '{name}': it needs two values "
                    f"that at least {FEWEST} patients share. Leave it out of 'fields', or correct "
                    "its name."
                )

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._columns.width

    def of(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """Columns of some records, shape (n, L); NaN where a field is empty."""
        return self._columns.of(records)


def record_fields(config: TrainConfig) -> tuple[str, ...]:
    """Fields that the objective `record` names; empty without it.

    Raises
    ------
    HaikuError
        It names none, or one known to carry no information.
    """
    if "record" not in config.objectives:
        return ()
    entry: Any = config.objectives["record"]
    fields = entry.get("fields") if isinstance(entry, Mapping) else None
    usable = isinstance(fields, list | tuple) and all(isinstance(name, str) for name in fields)
    if not usable or not fields:
        raise HaikuError(
            "The objective record must be told which fields to tell: give it "
            '{"weight": 1.0, "fields": ["grade", ...]}.'
        )
    empty = sorted(set(fields) & {*config.placebo_fields, *config.twin_fields})
    if empty:
        raise HaikuError(
            f"The objective record names '{empty[0]}', which carries no information: leave it out."
        )
    return tuple(fields)
