"""Say in words how the inputs of two encodings differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS = {
    "he": "H&E image",
    "mif": "mIF image",
}


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name the weightiest difference between the inputs of two encodings.

    Parameters
    ----------
    old, new : mapping
        Inputs as :func:`napari_haiku.encoding.plan.inputs_of` gives them.

    Returns
    -------
    str
        What the old one was made from, worded to follow "was made from"; ""
        where nothing differs. No value of a record is in it.
    """
    for modality, word in _WORDS.items():
        before, after = old["images"].get(modality), new["images"].get(modality)
        if before == after:
            continue
        if before is None:
            return f"no {word}, while one is given now"
        if after is None:
            return f"an {word} too, while none is given now"
        for key, what in (
            ("fingerprint", f"another {word}"),
            ("pixel_size_um", f"another pixel size of the {word}"),
            ("origin_um", f"another position of the {word}"),
            ("affine_um", f"another affine of the {word}"),
        ):
            if before.get(key) != after.get(key):
                return f"{what}{_values(key, before, after)}"
        return f"another {word}"
    if old["model"]["fingerprint"] != new["model"]["fingerprint"]:
        return f"another model ({old['model']['name']}, not {new['model']['name']})"
    if old["markers"] != new["markers"]:
        lost = [name for name in old["markers"] if name not in new["markers"]]
        found = [name for name in new["markers"] if name not in old["markers"]]
        return f"other markers ({', '.join(lost + found) or 'in another order'})"
    for key, what in (
        ("patch_um", "another patch size"),
        ("stride_um", "another step"),
        ("min_tissue", "another least share of tissue"),
        ("region_um", "another region"),
        ("tissue_threshold", "another threshold of tissue"),
    ):
        if old["geometry"].get(key) != new["geometry"].get(key):
            return f"{what}{_values(key, old['geometry'], new['geometry'])}"
    # The order of the fields is the order of the caption.
    if list(old["record"].items()) != list(new["record"].items()):
        fields = [
            name
            for name in {**old["record"], **new["record"]}
            if old["record"].get(name) != new["record"].get(name)
        ]
        return f"another clinical record ({', '.join(fields) or 'fields in another order'})"
    for key, what in (("slide_id", "another slide id"), ("patient_id", "another patient id")):
        if old[key] != new[key]:
            return what
    return ""


def _values(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if key.endswith("_um") and isinstance(before.get(key), int | float):
        return f" ({before[key]:g} um, not {after[key]:g} um)"
    return ""
