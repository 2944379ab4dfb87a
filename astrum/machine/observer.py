"""How others watch a run: a progress display, a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from astrum.machine.events import Command, Event
from astrum.machine.state import RunState


class RunObserver(Protocol):
    """Told of every fact that a run took in and of the orders that followed; may not raise."""

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Take notice; ``event`` is `None` for the orders of the run's start."""


class Observers:
    """Several observers, told one after the other."""

    def __init__(self, observers: Iterable[RunObserver]) -> None:
        self._observers = tuple(observers)

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Tell them all."""
        for observer in self._observers:
            observer.observe(state, event, commands)
