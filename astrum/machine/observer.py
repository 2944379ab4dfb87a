"""Observers of runs, such as a progress display or a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from astrum.machine.events import Command, Event
from astrum.machine.state import RunState


class RunObserver(Protocol):
    """Called with every event that a run handles and the commands it produced. Must not raise."""

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Handle one event; it is `None` for the commands of the run's start."""


class Observers:
    """Several observers, called in order."""

    def __init__(self, observers: Iterable[RunObserver]) -> None:
        self._observers = tuple(observers)

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Call them all."""
        for observer in self._observers:
            observer.observe(state, event, commands)
