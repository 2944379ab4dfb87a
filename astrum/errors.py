"""Every error that Astrum raises, in one tree.

::

    AstrumError
    ├── SchedulerError                    the flow is wrong: raised before anything runs
    │   ├── TaskRegistrationError         a declaration, a target or a binding that is not valid
    │   ├── TaskOrderLoopError            tasks that need each other (``errors``: the cycles)
    │   │   └── TaskOrderNoExitError      and no task that ends the graph
    │   ├── TaskDependencyError           a dependency that is unknown or named twice
    │   ├── TaskNotFoundError             a name that no task has
    │   ├── TaskDuplicateExecutionError   a scheduler that is already running
    │   └── FlowImportError               a module or attribute that cannot be loaded
    ├── RunError                          raised to code that awaits or asks for a run
    │   ├── RunNotFoundError
    │   │   └── RunExpiredError           an ended run of which only the chronicle is left
    │   ├── RunConflictError              one run id, two flows or two sets of inputs
    │   ├── FlowNotFoundError             a name under which no flow is published
    │   ├── TaskFailedError               a result that a handle waits for and that never comes
    │   ├── RunCancelledError             the same, because the run was cancelled
    │   ├── ResourceError                 a resource that could not be opened, or broke
    │   ├── LeadershipLostError           another coordinator leads the run now
    │   └── WorkerStartError              a local worker that ended before it served
    ├── RunInputError                     inputs that a run cannot have (``mistakes``: all of them)
    ├── NotInPoolError                    a queue, task, worker or letter that is not there
    ├── TransportError                    a value that cannot travel from task to task
    │   ├── EncodeError                   ``path`` and ``type_name`` of what cannot be encoded
    │   ├── DecodeError                   bytes that are not a message or value of Astrum's
    │   ├── LocateError                   a field or index that the result does not have
    │   ├── NotAListError                 a value that should be a list
    │   ├── ObservationError              a result without what its run depends on
    │   ├── InjectionError                an upstream value that does not fit the parameter
    │   └── PayloadTooLargeError          a value beyond the hard limit
    ├── Skip                              raised by a task that has nothing to do
    └── StoreError                        Redis or Valkey
        ├── StoreUnavailableError         cannot be reached now; trying again is sensible
        │   └── StoreRefusesWritesError   answers, but takes no writes: its memory is full, say
        └── StoreConfigurationError       will not serve until a setting is changed

How an *attempt* ended is data (`astrum.machine.Failure`), not an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class AstrumError(Exception):
    """The root of all errors of this package; survives pickle with its fields."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[AstrumError], args: tuple[Any, ...], state: dict[str, Any]) -> AstrumError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SchedulerError(AstrumError):
    """The flow is wrong: its tasks, their order or their data relations."""


class TaskRegistrationError(SchedulerError):
    """A declaration, a target or a binding that is not valid."""


class TaskOrderLoopError(SchedulerError):
    """Tasks that need each other.

    ``errors`` holds one string per cycle, written as ``a -> b -> a``.
    """

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        cycles = "; ".join(self.errors)
        super().__init__(f"the task graph has a cycle: {cycles}; remove one of these dependencies")


class TaskOrderNoExitError(TaskOrderLoopError):
    """Tasks that need each other, and no task that ends the graph: another waits for each."""


class TaskDependencyError(SchedulerError):
    """A dependency that no task has, or a task named twice."""


class TaskNotFoundError(SchedulerError):
    """A name that no task has."""


class TaskDuplicateExecutionError(SchedulerError):
    """A scheduler asked to execute while it is executing."""


class FlowImportError(SchedulerError):
    """A module or attribute that cannot be loaded; carries the user's traceback if there is one."""

    def __init__(self, message: str, *, user_traceback: str = "") -> None:
        self.user_traceback = user_traceback
        super().__init__(message)


class RunError(AstrumError):
    """Raised to code that awaits a run or asks for one."""


class RunNotFoundError(RunError):
    """No run has this id, or its record has expired."""


class RunExpiredError(RunNotFoundError):
    """The run has ended and its record has expired: only its chronicle is left."""


class PlanNotFoundError(RunNotFoundError):
    """The server has no plan of this digest: it was never sent, or has expired."""


class RunConflictError(RunError):
    """A run id that is taken by a run with another flow or other inputs."""


class FlowNotFoundError(RunError):
    """No flow is published under this name."""


class TaskFailedError(RunError):
    """The result of a task that has none: it failed, or was never run because another failed.

    ``run_id`` and ``task_id`` name it.
    """

    def __init__(self, message: str, *, run_id: str = "", task_id: str = "") -> None:
        self.run_id = run_id
        self.task_id = task_id
        super().__init__(message)


class RunCancelledError(RunError):
    """The result of a task that has none: its run was cancelled."""


class ResourceError(RunError):
    """A resource that could not be opened, or that broke while it was open.

    ``resource`` is its name; ``__cause__`` is the error of its function, and ``user_traceback``
    that error's traceback.
    """

    def __init__(self, message: str, *, resource: str = "", user_traceback: str = "") -> None:
        self.resource = resource
        self.user_traceback = user_traceback
        super().__init__(message)


class RunEndedError(RunError):
    """A run id that was given to be run and belongs to a run that ended."""


class RetryRefusedError(RunError):
    """A run, or a task of it, that cannot be tried again in its state."""


class ReleaseRefusedError(RunError):
    """A task about which nothing can be decided, since it is not held, or not in this way."""


class TakeOverRefusedError(RunError):
    """A run that a new one cannot take anything over from, or wishes that contradict each other."""


class LeadershipLostError(RunError):
    """Another coordinator leads the run now; this one may only read."""


class WorkerStartError(RunError):
    """A worker process on this machine that ended before it served; carries what it printed."""


class RunInputError(AstrumError):
    """Inputs that are missing, unknown, of another type or too large; there is no run.

    ``mistakes`` holds one sentence for each; the message is all of them, one per line.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class NotInPoolError(AstrumError):
    """The name of a queue, namespace, task, worker or dead letter that the pool does not have."""


class TransportError(AstrumError):
    """A value that cannot travel from one task to another."""


class EncodeError(TransportError):
    """A value that cannot be encoded: where it is, its type, and what to do."""

    def __init__(self, path: str, type_name: str, advice: str) -> None:
        self.path = path
        self.type_name = type_name
        self.advice = advice
        article = "an" if type_name[:1] in tuple("aeiouAEIOU") else "a"
        what = f"{path or 'the value'} is {article} {type_name}"
        super().__init__(f"{what}, which cannot travel: {advice}")


class DecodeError(TransportError):
    """Bytes that are not a message or value of Astrum's, or that name an undeclared type."""


class LocateError(TransportError):
    """A field or index that a result does not have.

    ``locator`` is what was asked for, ``available`` describes what the result had. ``is_absent``:
    the result is of a kind that may have such a part, so a default may replace it.
    """

    def __init__(self, locator: str | int, available: str, *, is_absent: bool = True) -> None:
        self.locator = locator
        self.available = available
        self.is_absent = is_absent
        super().__init__(self.about("the result"))

    def about(self, what: str) -> str:
        """Return the message with another name for the value.

        >>> LocateError("id", "a str").about("the input 'order'")
        "the input 'order' has no field 'id'; it is a str"
        """
        kind = "index" if isinstance(self.locator, int) else "field"
        return f"{what} has no {kind} {self.locator!r}; it is {self.available}"


class NotAListError(TransportError):
    """A value that should be a list or tuple and is something else: ``found``."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"it is {found}, not a list or tuple")


class ObservationError(TransportError):
    """A result that does not have what its run depends on; names the task that returned it."""


class InjectionError(TransportError):
    """An upstream value that is missing or does not fit the parameter it is meant for."""


class PayloadTooLargeError(TransportError):
    """A value beyond the hard limit; trying again would not help."""


class Skip(AstrumError):
    """Raised by a task that has nothing to do: it ends as skipped, for this reason.

    It is not tried again. Tasks that need its result are skipped too; one that reads it with a
    default gets that.

    >>> str(Skip("no new orders"))
    'no new orders'
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


class StoreError(AstrumError):
    """Redis or Valkey answered with an error, or did not answer."""


class StoreUnavailableError(StoreError):
    """The server cannot be reached now; trying again is sensible."""


class StoreRefusesWritesError(StoreUnavailableError):
    """The server answers but takes no writes: its memory or disk is full, or replicas are missing.

    Trying again is sensible; if it does not help, a person has to act at the server.
    """


class StoreConfigurationError(StoreError):
    """The server will not serve until someone changes a setting or a password."""


def encodable(text: str) -> str:
    """Return ``text`` with what UTF-8 cannot hold escaped: half of an emoji, an odd file name.

    >>> encodable("caf\\udce9")
    'caf\\\\udce9'
    """
    return str.encode(text, "utf-8", "backslashreplace").decode()


def nearest(name: str, known: Iterable[str], least: float = 0.5) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to ``name``, else ``""``.

    ``least`` is the share of the two names that must be alike.

    >>> nearest("lod", ["load", "extract"])
    "; did you mean 'load'?"
    """
    matches = get_close_matches(name, list(known), n=1, cutoff=least)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def nearest_choice(value: object, choices: Iterable[str]) -> str:
    """Return a hint as `nearest` does, if the value is very near: the message lists all choices.

    >>> nearest_choice("hodl", ["retry", "fail", "hold"])
    "; did you mean 'hold'?"
    >>> nearest_choice("wait", ["retry", "fail", "hold"]), nearest_choice(3, ["fail"])
    ('', '')
    """
    return nearest(value, choices, least=0.6) if isinstance(value, str) else ""


def listed(names: Sequence[str], most: int) -> str:
    """Return names in quotes, ``most`` of them at most; "nothing" for none.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(map(repr, names[:most])) or "nothing"
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")
