"""The answer to "why": one code, one sentence, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from astrum.machine.progress import Progress
from astrum.view.why.codes import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Several tasks with one code; ``example`` is the sentence of the first of them.

    ``tasks`` are the names of the first ones, ``count`` is how many there are. ``since`` is the
    earliest of their times, ``until`` too.
    """

    code: Code
    count: int
    tasks: tuple[str, ...]
    example: str
    since: float | None = None
    until: float | None = None
    advice: str = ""
    needs_person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a task, or a run as a whole (``task_id`` ""), is as it is.

    ``sentence`` is one line without a subject, such as "waits for 'load'", that was true at
    ``now``. ``since`` is when this
    began, ``until`` when it changes, in seconds since the epoch on the server's clock; `None`: not
    known. ``waits_for`` are tasks that have not ended, ``root`` is the task at the root of it, ""
    if that is the task itself. ``facts`` are the numbers of the sentence by name. ``advice`` is a
    command to type, "" if there is nothing to do. ``needs_person``: it does not go on before a
    person acts. ``groups`` are what a waiting task waits for in the end, for a run the tasks that
    have not ended, or that did not succeed; the largest first. ``tasks_left_out`` counts the tasks
    of further groups.

    ``position`` counts from 1 in its queue and is `None` where it is not known for sure.
    ``progress`` is what a running task told last. ``is_chronicle``: the run's record has expired,
    and its chronicle says this.
    """

    code: Code
    sentence: str
    run_id: str = ""
    task_id: str = ""
    now: float = 0.0
    since: float | None = None
    until: float | None = None
    waits_for: tuple[str, ...] = ()
    root: str = ""
    worker_id: str = ""
    position: int | None = None
    progress: Progress | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    needs_person: bool = False
    groups: tuple[Group, ...] = ()
    tasks_left_out: int = 0
    is_chronicle: bool = False

    def __post_init__(self) -> None:
        if "\n" in self.sentence:  # what a person or a task wrote may have several lines
            object.__setattr__(self, "sentence", " ".join(self.sentence.split()))


def first_line(text: str) -> str:
    """Return the first line of a string."""
    return text.partition("\n")[0]
