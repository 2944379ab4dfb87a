"""What a task reads in place of a result that did not come, if it asks for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TaskFailure:
    """Stands for a result that did not come, where it is read with ``failures=True``.

    ``task`` is the name of the task or child, ``status`` how it ended, ``message`` why. ``types``
    are the dotted names of the exception's class and of its bases, as far as they are known.
    """

    task: str
    status: Literal["failed", "skipped", "blocked", "cancelled"]
    message: str = ""
    types: tuple[str, ...] = ()
