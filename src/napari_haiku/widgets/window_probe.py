"""Say which Qt there is and whether it can draw: ``python -m napari_haiku.widgets.window_probe``.

It runs in a process of its own, since a broken Qt or OpenGL ends the process
that tries it. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def probe() -> dict[str, Any]:
    """Open a Qt application and an OpenGL context; report names and versions."""
    import qtpy
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    found: dict[str, Any] = {
        "binding": qtpy.API_NAME,
        "binding_version": _binding_version(),
        "qt_version": qtpy.QT_VERSION,
        "platform": QApplication.platformName(),
    }
    return found | _opengl(qtpy.API_NAME) | {"application": type(application).__name__}


def _binding_version() -> str:
    import qtpy

    known = (getattr(qtpy, name, None) for name in ("PYQT_VERSION", "PYSIDE_VERSION"))
    return str(next(version for version in known if version))


def _opengl(binding: str) -> dict[str, Any]:
    from vispy import app, gloo

    app.use_app(binding.lower())
    canvas = app.Canvas(size=(64, 64), show=True)
    try:
        canvas.set_current()
        gloo.set_clear_color((0.2, 0.4, 0.6, 1.0))
        gloo.clear()
        gloo.flush()
        return {
            "opengl": str(gloo.gl.glGetParameter(gloo.gl.GL_VERSION)),
            "renderer": str(gloo.gl.glGetParameter(gloo.gl.GL_RENDERER)),
            "largest_texture": int(gloo.gl.glGetParameter(gloo.gl.GL_MAX_TEXTURE_SIZE)),
        }
    finally:
        canvas.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
