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
            patch = f"patches of {row['patch_um']:g} um; " if row["patch_um"] else ""
            access = "access must be asked for; " if row["gated"] and not row["on_disk"] else ""
            lines.append(
                f"    {row['offers']}; {patch}{row['size_mb']:,} MB; {access}"
                f"licence: {row['licence']}"
            )
        lines.append("Any model folder can be given in place of a name with --model DIR.")
        lines.append(
            "Any H&E encoder of timm or the hub: napari-haiku convert timm:NAME MODEL_DIR, or "
            "hf-hub:OWNER/NAME."
        )
        report.result({"models": rows}, lines)
