"""What ``encode`` says of a slide when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_haiku.encoding.layout import read_attributes

if TYPE_CHECKING:
    from napari_haiku.cli.reporting import Report
    from napari_haiku.encoding.request import EncodeResult


def show_encoding(report: Report, done: EncodeResult) -> None:
    """Print the result of encoding one slide."""
    attributes = read_attributes(done.path)
    for note in done.notes:
        report.say(note)
    registration = attributes.get("registration")
    if registration and registration["sentence"] not in done.notes:
        report.say(registration["sentence"])
    report.result(
        {
            "output": str(done.path),
            **counts(done),
            "seconds_by_step": {k: round(v, 3) for k, v in done.seconds.items()},
            "tissue": attributes.get("tissue"),
            "registration": registration,
            "computed_on": attributes["computed_on"],
            "notes": done.notes,
        },
        [
            f"{done.patches:,} patches of {done.patch_um:g} um encoded in {done.path.name}"
            + (f" ({done.resumed_from:,} were there already)." if done.resumed_from else ".")
        ],
    )


def counts(done: EncodeResult) -> dict[str, Any]:
    """Return what is told of every encoded slide."""
    return {
        "patches": done.patches,
        "markers": done.markers,
        "patch_um": done.patch_um,
        "resumed_from": done.resumed_from,
        "seconds": round(done.seconds.get("total", sum(done.seconds.values())), 3),
    }
