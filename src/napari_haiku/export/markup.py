"""HTML and SVG built as trees, so that every text and attribute is escaped by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable

Element = ET.Element


def element(tag: str, *children: Element | str, **attributes: object) -> Element:
    """Make an element.

    Parameters
    ----------
    tag : str
        Its name.
    *children : Element or str
        What it holds, in order; strings become text.
    **attributes : object
        Its attributes; `_` in a name stands for `-`, a trailing `_` is dropped.
    """
    made = ET.Element(
        tag, {name.rstrip("_").replace("_", "-"): _text(v) for name, v in attributes.items()}
    )
    add(made, children)
    return made


def add(parent: Element, children: Iterable[Element | str]) -> None:
    """Append elements and text to an element."""
    for child in children:
        if isinstance(child, str):
            _append_text(parent, child)
        else:
            parent.append(child)


def page(title: str, style: str, *children: Element | str) -> str:
    """Write a whole self-contained HTML page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    tree = element("html", head, element("body", *children), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(tree, encoding="unicode", method="html") + "\n"


def _append_text(parent: Element, text: str) -> None:
    text = _printable(text)
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _printable(str(value))


def _printable(text: str) -> str:
    """Drop control characters, which no HTML page may hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")
