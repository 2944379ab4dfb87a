"""Shortens the tracebacks of tasks to what their authors wrote."""

from __future__ import annotations

import re

MAX_TRACEBACKS = 3
_FRAME = re.compile(r'^(?=  File "|\S)', re.MULTILINE)
_OURS = re.compile(r'  File "[^"]*[/\\]astrum[/\\](?:execution|runtime)[/\\]\w+\.py"')


def users_traceback(text: str) -> str:
    """Return a task's traceback without the frames of Astrum.

    It is empty if no frame is left: then it adds nothing to the error itself.
    """
    theirs = "".join(part for part in _FRAME.split(text) if not _OURS.match(part))
    return theirs if 'File "' in theirs else ""
