"""The caption with the change struck out and written in."""

from __future__ import annotations

import difflib
import html
import re
from dataclasses import dataclass
from typing import Literal

_CONTEXT_WORDS = 4
CHANGED_COLOUR = "#F0A04B"


@dataclass(frozen=True)
class CaptionPart:
    """A stretch of a caption.

    Parameters
    ----------
    text : str
        The words.
    kind : {"same", "removed", "added"}
        Whether both captions say it.
    """

    text: str
    kind: Literal["same", "removed", "added"]


def caption_parts(baseline: str, edited: str) -> list[CaptionPart]:
    """Compare two captions word by word.

    Joining the parts that are not "added" gives the baseline, those that are
    not "removed" the edited caption.
    """
    before = re.findall(r"\w+|\s+|[^\w\s]", baseline)
    after = re.findall(r"\w+|\s+|[^\w\s]", edited)
    parts: list[CaptionPart] = []
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for operation, a0, a1, b0, b1 in matcher.get_opcodes():
        if operation == "equal":
            parts.append(CaptionPart("".join(before[a0:a1]), "same"))
            continue
        if a1 > a0:
            parts.append(CaptionPart("".join(before[a0:a1]), "removed"))
        if b1 > b0:
            parts.append(CaptionPart("".join(after[b0:b1]), "added"))
    return parts


def caption_html(baseline: str, edited: str) -> str:
    """Show a caption as rich text: long unchanged stretches cut, the change struck and coloured.

    Parameters
    ----------
    baseline, edited : str
        Captions of the record as it reads and as edited.
    """
    if baseline == edited:
        return html.escape(edited)
    parts = caption_parts(baseline, edited)
    written = []
    for index, part in enumerate(parts):
        if part.kind == "removed":
            written.append(f"<s>{html.escape(part.text)}</s> ")
        elif part.kind == "added":
            written.append(f'<b style="color:{CHANGED_COLOUR}">{html.escape(part.text)}</b>')
        else:
            written.append(
                html.escape(_shortened(part.text, first=index == 0, last=index == len(parts) - 1))
            )
    return "".join(written)


def _shortened(text: str, *, first: bool, last: bool) -> str:
    words = re.findall(r"\S+\s*|\s+", text)
    if first and last:
        return text
    if first:
        return text if len(words) <= _CONTEXT_WORDS else "… " + "".join(words[-_CONTEXT_WORDS:])
    if last:
        if len(words) <= _CONTEXT_WORDS:
            return text
        return "".join(words[:_CONTEXT_WORDS]).rstrip() + " …"
    if len(words) <= 2 * _CONTEXT_WORDS:
        return text
    return "".join(words[:_CONTEXT_WORDS]).rstrip() + " … " + "".join(words[-_CONTEXT_WORDS:])
