"""Colours and sizes of the docks, taken from napari's theme."""

from __future__ import annotations

from napari.utils.theme import get_theme

DONE = "#009E73"
CAUTION = "#E3B617"
CHANGED = "#F0A04B"
ACCENT = "#56B4E9"
MIN_DOCK_WIDTH = 360
LABEL_WIDTH = 82


def is_light(theme_id: str) -> bool:
    """Whether a napari theme is a light one."""
    return str(get_theme(theme_id).type) == "light"


def secondary_text(theme_id: str) -> str:
    """Colour of secondary text that keeps a contrast of at least 7:1."""
    return "#55585E" if is_light(theme_id) else "#A9AFB8"


def dock_stylesheet(theme_id: str) -> str:
    """Style sheet of a dock in a napari theme.

    Widgets take part by the dynamic property ``haiku``: ``primary`` (the blue
    button), ``secondary`` text, ``heading``, ``strip`` with ``state``, ``chip``,
    ``card``, ``missing`` (a control that needs an answer).
    """
    theme = get_theme(theme_id)
    light = is_light(theme_id)
    error = theme.error.as_hex()
    # The light theme's own accent is too pale for white words.
    current = "#3A57C0" if light else theme.current.as_hex()
    foreground = theme.foreground.as_hex()
    muted = secondary_text(theme_id)
    tint = {
        "done": "#DCEEE8" if light else "#25382F",
        "running": "#DCE6F6" if light else "#28324A",
        "caution": "#F3ECCF" if light else "#38321D",
        "failed": "#F8DEDC" if light else "#43262A",
    }
    bars = {"done": DONE, "running": current, "caution": CAUTION, "failed": error}
    strips = "".join(
        f'QFrame[haiku="strip"][state="{state}"] '
        f"{{ background: {tint[state]}; border: none; border-left: 3px solid {bars[state]}; "
        "border-radius: 2px; }\n"
        for state in tint
    )
    caution_text = "#6B5200" if light else CAUTION
    return f"""
QLabel {{ background: transparent; }}
QLabel[haiku="heading"] {{ font-weight: 600; }}
QLabel[haiku="secondary"] {{ color: {muted}; }}
QLabel[haiku="caution"] {{ color: {caution_text}; }}
QLabel[haiku="failed"] {{ color: {error}; }}
QFrame[haiku="atlas-line"], QFrame[haiku="card"] {{ background: {foreground}; border: none;
  border-radius: 3px; }}
QPushButton {{ padding: 4px 10px; }}
QPushButton[haiku="small"] {{ padding: 2px 6px; }}
QPushButton[haiku="primary"] {{ background: {current}; color: white; font-weight: 600; }}
QPushButton[haiku="primary"]:disabled {{ background: {foreground}; color: {muted}; }}
QPushButton[haiku="segment"] {{ border-radius: 0; padding: 3px 4px; }}
QPushButton[haiku="segment"]:checked {{ background: {current}; color: white; }}
QPushButton[haiku="chip"] {{ border: 1px solid {theme.primary.as_hex()}; border-radius: 10px;
  padding: 2px 8px; }}
QPushButton[haiku="chip"]:checked {{ border-color: {current}; }}
QTableWidget {{ background: {theme.background.as_hex()};
  alternate-background-color: {foreground}; border: none; }}
QTableWidget::indicator:unchecked {{ width: 11px; height: 11px; border: 1px solid {muted};
  border-radius: 2px; }}
QHeaderView::section {{ background: {theme.background.as_hex()}; border: none;
  border-bottom: 1px solid {theme.primary.as_hex()}; color: {muted}; padding: 2px; }}
*[missing="true"] {{ border: 1px solid {error}; }}
*[changed="true"] {{ border: 1px solid {CHANGED}; }}
{strips}"""
