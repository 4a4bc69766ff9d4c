"""The one exception that carries a sentence for the person at the screen."""

from __future__ import annotations


class HaikuError(Exception):
    """A problem the user can understand and act on.

    The text is one sentence that names what is wrong (file, field or channel)
    and what to do. It is shown as it stands in the dock and on the command
    line, so it carries no identifying field and no traceback.
    """
