"""``napari-haiku models``: which models there are and where they come from."""

from napari_haiku.cli.options import DebugFlag, JsonFlag
from napari_haiku.cli.reporting import reporting


def models(as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List models: where the weights come from, licence, what is on disk."""
    with reporting(as_json, debug) as report:
        from napari_haiku.model.loading import DEFAULT, default_folder, load_model

        folder = default_folder()
        size = sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
        on_disk = (folder / "model.safetensors").is_file()
        entry: dict[str, object] = {
            "name": DEFAULT,
            "on_disk": on_disk,
            "megabytes": round(size / 1e6, 1),
            "source": "ships with the package",
        }
        lines = [f"{DEFAULT}: ships with the package, {size / 1e6:.1f} MB"]
        if on_disk:
            model = load_model(DEFAULT, device="cpu")
            entry |= {
                "title": model.name,
                "fingerprint": model.fingerprint,
                "modalities": sorted(model.modalities),
                "dim": model.dim,
                "patch_um": model.patch_um,
                "pixel_size_um": model.pixel_size_um,
                "card": dict(model.card),
            }
            lines += [
                f"  {key}: {model.card[key]}"
                for key in ("trained_on", "licence", "credit")
                if model.card.get(key)
            ]
        lines.append("Any model folder can be given in its place with --model DIR.")
        report.result({"models": [entry]}, lines)
