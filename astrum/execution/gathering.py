"""Joins the encoded results of several tasks to one list; nothing is decoded."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Protocol, TypeVar

from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import binding_error
from astrum.data_transport.task_failure import TaskFailure
from astrum.errors import LocateError, PayloadTooLargeError, TransportError
from astrum.execution.readings import Numbers
from astrum.machine.task_table import TaskTable
from astrum.planning.plan import TaskSpec
from astrum.runtime.loops import LARGE_BYTES
from astrum.values.codec import Codec
from astrum.values.lists import join
from astrum.values.payload import MAX_VALUE_BYTES
from astrum.values.projection import opened, part_of
from astrum.values.references import BlobRef, reference_of

Result = TypeVar("Result")
Fetching = Generator[BlobRef | Callable[[], Any], Any, Result]
"""Asks who runs it for big values, to be sent inflated, and to do work that takes long."""
_CODEC = Codec()
_EXT32 = b"\xc9"
"""The first byte of values that are compressed, stored elsewhere or left out."""
_DROPPED: Final = object()


class ResultReader(Protocol):
    """Where the results are."""

    tasks: TaskTable

    def value(self, task: int | None) -> bytes | None:
        """Return an encoded result, or the reference to it; `None` if there is none."""

    def failure(self, task: int | None) -> TaskFailure:
        """Return what stands for the result of a task that has none."""


def worked(work: Callable[[], Any], size: int) -> Fetching[Any]:
    """Do work on so many bytes: here, or, if they are many, where who runs this wants it done."""
    if size <= LARGE_BYTES:
        return work()
    return (yield work)


class Gather:
    """The results of several tasks on their way into one list."""

    def __init__(self, results: ResultReader, spec: TaskSpec, binding: Binding) -> None:
        self._results = results
        self._spec = spec
        self._binding = binding
        self.size = 0

    def items(self, numbers: Numbers) -> Fetching[list[Any]]:
        """Return the encoded items of a list, with a list for each list in it."""
        binding, value_of = self._binding, self._results.value
        found: list[Any] = []
        for number in numbers:
            if isinstance(number, list):
                found.append((yield from self.items(number)))
                continue
            data = value_of(number)
            if data is None:
                item = self._without(number)
            elif binding.path or data[:1] == _EXT32:
                item = yield from self._item(number, data)
            else:
                item = data
            if item is _DROPPED:
                continue
            self._count(len(item) if item is not None else 0)
            found.append(item)
        return found

    def _item(self, task: int, data: bytes) -> Fetching[Any]:
        """Return the part of a result that is read; `None` if it is absent and has a default."""
        binding, reference = self._binding, reference_of(data)
        path = binding.path
        if reference is not None:
            path = (*reference.path, *path)
            if not path:
                self._check(reference.size)
            data = yield BlobRef(reference.digest, reference.size)
        try:
            return part_of(opened(data), path)
        except LocateError as error:
            if error.is_absent and binding.holes in ("fill", "drop"):
                return self._without(task)
            raise binding_error(self._spec.task_id, binding, error) from None
        except TransportError as error:
            raise self._error(
                f"the result of {self._results.tasks.name(task)!r}: {error}"
            ) from None

    def _without(self, task: int | None) -> Any:
        """Return what replaces the result of a task that has none."""
        holes = self._binding.holes
        if holes == "fill":
            return None
        if holes == "drop":
            return _DROPPED
        if holes == "failure":
            return _CODEC.encode(self._results.failure(task))
        raise too_early(self._spec, self._binding.source)

    def _count(self, size: int) -> None:
        self._check(size)
        self.size += size

    def _check(self, more: int) -> None:
        if self.size + more > MAX_VALUE_BYTES:
            names = ", ".join(map(repr, self._binding.sources))
            raise PayloadTooLargeError(
                f"task {self._spec.task_id!r}, parameter {self._binding.parameter!r}: the results "
                f"of {names} are more than {MAX_VALUE_BYTES:,} bytes together: return less from "
                "each, or gather them in several tasks"
            )

    def join(self, items: list[Any]) -> bytes:
        """Return the encoded list; raises `TransportError`, naming task and parameter."""
        try:
            data = _joined(items)
        except TransportError as error:
            raise self._error(str(error)) from None
        self.size = 0
        self._check(len(data))  # compressed results are bigger now
        return data

    def _error(self, why: str) -> TransportError:
        place = f"task {self._spec.task_id!r}, parameter {self._binding.parameter!r}"
        return TransportError(f"{place}: {why}")


def _joined(items: list[Any]) -> bytes:
    return join([_joined(item) if isinstance(item, list) else item for item in items])


def too_early(spec: TaskSpec, source: str) -> LookupError:
    return LookupError(f"task {spec.task_id!r} was dispatched before {source!r} succeeded")
