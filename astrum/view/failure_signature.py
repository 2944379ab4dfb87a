"""What failures with the same cause have in common."""

from __future__ import annotations

import re

from astrum.machine.failure import Failure

_CHANGING = re.compile(
    r"""'[^'\n]{0,200}'|"[^"\n]{0,200}"|0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}\b|\d+(?:\.\d+)?"""
)
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)
_OURS = re.compile(r"[/\\]astrum[/\\](?:execution|runtime)[/\\]\w+\.py$")


def signature(failure: Failure) -> tuple[str, str, str]:
    """Return what two failures with the same cause have in common.

    That is the type, the message but for numbers, ids and quoted text, and the last line of the
    users' code that they passed.

    >>> one = Failure(("builtins.KeyError",), "no row 17 in 'a'")
    >>> signature(one) == signature(one._replace(message="no row 4 in 'b'"))
    True
    """
    return type_name(failure), _CHANGING.sub("*", failure.message), _last_line(failure.traceback)


def type_name(failure: Failure) -> str:
    """Return the name of the exception's class as people write it, "Error" if it has none."""
    return failure.types[0].removeprefix("builtins.") if failure.types else "Error"


def _last_line(traceback: str) -> str:
    """Return the last line of users' code in a traceback, "" if there is none."""
    frames = [frame for frame in _FRAME.findall(traceback) if not _OURS.search(frame[0])]
    return ":".join(frames[-1]) if frames else ""
