"""Which edit of the record the demo tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_haiku.clinical import Record, is_empty, public_record

if TYPE_CHECKING:
    from napari_haiku.atlas.store import Atlas

# Fields whose edit a pathologist finds natural, in the order in which they are tried.
NATURAL = ("survival_status", "stage", "grade", "treatment", "smoking", "sex")
# As many patients with the new value call the support good.
ENOUGH_PATIENTS = 10
# Tried where the atlas knows no other value, to show what it then says.
UNHEARD = {"stage": ("IV", "II"), "grade": ("High", "Low"), "sex": ("Female", "Male")}


def choose_edit(record: Record, atlas: Atlas) -> Record:
    """Choose one field and a new value, with as many atlas patients behind it as there are.

    Parameters
    ----------
    record : dict of str to str
        The slide's record.
    atlas : Atlas
        The evidence.

    Returns
    -------
    dict of str to str
        One field and its new value; empty without a record. Where no other
        patient of the atlas has another value, one that the atlas must refuse.
    """
    known = public_record(record)
    fields = [natural for natural in NATURAL if natural in map(str.casefold, known)]
    spelling = {field.casefold(): field for field in known}
    supported = [
        (count, field, value)
        for field in (spelling[name] for name in fields)
        if field in atlas.fields
        for value, count in atlas.values_of(field).items()
        if value != known[field] and not is_empty(value)
    ]
    if supported:
        # The first field with enough patients reads better than the very best supported one.
        enough = min(ENOUGH_PATIENTS, max(count for count, _, _ in supported))
        first = next(field for count, field, _ in supported if count >= enough)
        _, value = max((count, value) for count, field, value in supported if field == first)
        return {first: value}
    for name in fields or spelling:
        field = spelling[name]
        for value in UNHEARD.get(name, (f"other than {known[field]}",)):
            if value != known[field]:
                return {field: value}
    return {}
