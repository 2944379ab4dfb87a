"""The streams to which the attempts of a run's tasks may go, as its state machine takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from astrum.machine.routes import Routes
from astrum.planning.fingerprint import EXACT
from astrum.planning.plan import Plan, TaskSpec
from astrum.protocol.pauses import Pauses
from astrum.protocol.streams import Stream
from astrum_coordinator.scheduling.run_pool import RunPool

EXCLUSIVE = "exclusive"
Numbered = Callable[[Stream], int]
"""Gives the number of a stream."""
_Choice = tuple[Stream, ...]


class Router:
    """Finds the streams for the tasks of one plan.

    An attempt may go to every stream whose readers run its task. If there is none it may go to the
    home stream, where the workers would read that have exactly the plan's offer: the backlog shows
    there, and a worker that comes finds it. Runs with the version policy "exact" have streams of
    their own, and so have attempts whose priority, that of the run and the task together, is
    above 0: the same workers read those first.
    """

    def __init__(self, plan: Plan, versions: str, priority: int = 0) -> None:
        self._plan = plan
        self._priority = priority
        self._home_offer = f"{plan.offer}.{plan.code}" if versions == EXACT else plan.offer

    @cached_property
    def _places(self) -> list[tuple[str, str]]:
        """The queues and lanes of the plan."""
        return list(dict.fromkeys((spec.queue, spec.lane) for spec in self._plan.tasks))

    def is_home(self, stream: Stream) -> bool:
        """Return whether a stream is one of the plan's own."""
        return stream.offer == self._home_offer

    def signature(self, pool: RunPool) -> object:
        """Return a value that is another one when the pool's workers call for other routes."""
        found = [pool.candidates(*place) for place in self._places]
        return [[readers.stream for readers in candidates] for candidates in found]

    def routes(self, pool: RunPool, pauses: Pauses, numbered: Numbered) -> Routes:
        """Return the routes of all tasks, with the streams numbered by ``numbered``."""
        routes: dict[_Choice, int] = {}
        common = {place: self._common_choice(*place, pool) for place in self._places}
        is_paused = bool(pauses)
        of = []
        for spec in self._plan.tasks:
            if is_paused and pauses.holds(self._plan.namespace, spec.task_id, spec.queue):
                choice: _Choice = ()
            else:
                choice = common[spec.queue, spec.lane] or self._choice(spec, pool)
                if self._priority + spec.priority > 0:
                    choice = tuple(map(_urgent, choice))
            of.append(routes.setdefault(choice, len(routes)))
        choices = [tuple(map(numbered, choice)) for choice in routes]
        alone = [tuple(map(numbered, map(_alone, choice))) for choice in routes]
        return Routes(choices, alone, of if len(routes) > 1 else ())

    def _common_choice(self, queue: str, lane: str, pool: RunPool) -> _Choice:
        """Return the streams of all tasks of a queue and lane, `()` if they have to be looked at.

        An offer is the same only if all of its tasks are.
        """
        home = Stream(queue, lane, self._home_offer)
        found = [readers.stream for readers in pool.candidates(queue, lane)]
        is_known = bool(self._plan.offer) and set(found) <= {home}
        return (home,) if is_known or not found else ()

    def _choice(self, spec: TaskSpec, pool: RunPool) -> _Choice:
        found = tuple(readers.stream for readers in pool.readers(spec))
        return found or (Stream(spec.queue, spec.lane, self._home_offer),)


def _alone(stream: Stream) -> Stream:
    """Return the stream of the same workers for attempts that must run alone."""
    return stream._replace(lane=EXCLUSIVE, urgent=False)


def _urgent(stream: Stream) -> Stream:
    """Return the stream of the same workers for attempts with a priority above 0."""
    return stream._replace(urgent=True)
