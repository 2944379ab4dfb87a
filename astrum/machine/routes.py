"""The routes of a run: to which streams the attempts of each task may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_STREAM = 0
"""The stream of all attempts as long as a host has given no routes."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a run, and the route of each of its tasks.

    A stream is a number that the host gives; it never means another stream during the run. There
    is at least one route. ``choices`` holds for each the streams that an attempt may go to, in the
    order of preference; nothing is dispatched on a route without any. ``alone`` holds the same for
    exclusive attempts. ``of`` holds for each task of the plan the number of its route; it may be
    empty if all tasks have route 0. A child has the route of its template.
    """

    choices: Sequence[tuple[int, ...]] = ((FIRST_STREAM,),)
    alone: Sequence[tuple[int, ...]] = ((FIRST_STREAM,),)
    of: Sequence[int] = ()
