"""``napari-haiku models``: which models there are and where they come from."""

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.reporting import reporting


def models(as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List models: where the weights come from, licence, what is on disk."""
    with reporting(as_json, debug) as report:
        from napari_haiku.model.presets import list_models

        rows = list_models()
        lines = []
        for row in rows:
            state = "on disk" if row["on_disk"] else "not on disk"
            lines.append(f"{row['name']}: {row['title']}; {state}; {row['weights']}")
            if "licence" in row:
                lines.append(
                    f"    {row['offers']}; patches of {row['patch_um']:g} um; "
                    f"licence: {row['licence']}"
                )
        lines.append("Any model folder can be given in place of a name with --model DIR.")
        report.result({"models": rows}, lines)
