"""Make the pictures of the documentation: the demo's journey on virtual tissue.

    .venv/bin/python scripts/make_pictures.py [FOLDER]

With FOLDER, pictures of a demo that ran there are taken; without, the demo is run. Pictures of a
slide of the user's own are refused: docs/images holds virtual tissue only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
COLOURS = 256


def main(arguments: list[str]) -> int:
    """Run the demo if needed and put its pictures into docs/images."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments[0]) if arguments else Path(temporary)
        if not arguments:
            command = [sys.executable, "-c", "from napari_haiku.cli import main; main()"]
            subprocess.run([*command, "demo", "--no-window", "--output", str(folder)], check=True)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        if summary["slide"] != "virtual":
            print("Error: these pictures show a real slide.", file=sys.stderr)
            return 1
        IMAGES.mkdir(parents=True, exist_ok=True)
        for name in summary["screenshots"]:
            picture = Image.open(folder / name).convert("RGB")
            # A palette makes a third of the size; docks and tissue stay as they look.
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
            print(f"docs/images/{name}: {(IMAGES / name).stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
