"""The results of a run as the bytes its workers sent, and the arguments cut from them.

Nothing is decoded: a whole result is spliced into the next message, a field is cut out of its
bytes, and of a result kept apart (a blob) only the reference travels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import binding_error
from astrum.errors import LocateError, TransportError
from astrum.machine.task_table import TaskTable
from astrum.planning.plan import TaskSpec
from astrum.values.payload import pack_task_arguments, part_of_result
from astrum.values.projector import Projector

NIL = b"\xc0"
"""The encoded `None`."""


class Results:
    """Encoded results by task number, and the encoded inputs of the run by name."""

    def __init__(self, tasks: TaskTable, max_argument_bytes: int) -> None:
        self.tasks = tasks
        self._index = tasks.plan.index
        self._values: list[bytes | None] = []
        self._inputs: Mapping[str, bytes] = {}
        self._max_argument_bytes = max_argument_bytes
        self._projector = Projector()

    def keep(self, task: int, value: bytes) -> None:
        """Hold the encoded result of a task, or the reference to it."""
        if task >= len(self._values):  # the table has grown, or this is the first result
            self._values += [None] * (len(self.tasks) - len(self._values))
        self._values[task] = value

    def keep_inputs(self, values: Mapping[str, bytes]) -> None:
        """Hold the encoded inputs of the run, or the references to them."""
        self._inputs = values

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Give the encoded results by task number, in its order."""
        return ((task, data) for task, data in enumerate(self._values) if data is not None)

    def arguments(self, spec: TaskSpec) -> bytes:
        """Return the encoded arguments of a task whose needs have all succeeded.

        An optional one whose part is absent is left out: the worker has its default value.
        Raises `TransportError` for a field that an upstream's result does not have, and
        `PayloadTooLargeError`; both name task and parameter.
        """
        parts = (
            (binding.parameter, part)
            for binding in spec.bindings
            if (part := self._part(spec, binding)) is not None
        )
        return pack_task_arguments(spec.task_id, parts, self._max_argument_bytes)

    def _part(self, spec: TaskSpec, binding: Binding) -> bytes | None:
        parameter, source, path, origin = binding[:4]
        data = self._result(spec, source) if origin == "task" else self._input(spec, source)
        try:
            return part_of_result(data, path, self._projector, (source, origin))
        except LocateError as error:
            if error.is_absent and parameter in spec.optional:
                return None
            raise binding_error(spec.task_id, binding, error) from None

    def _result(self, spec: TaskSpec, source: str) -> bytes:
        number = self._index[source]
        data = self._values[number] if number < len(self._values) else None
        if data is None:
            raise LookupError(f"task {spec.task_id!r} was dispatched before {source!r} succeeded")
        return data

    def _input(self, spec: TaskSpec, name: str) -> bytes:
        data = self._inputs.get(name)
        if data is None:
            raise TransportError(
                f"task {spec.task_id!r} reads the input {name!r}, which the run was created "
                "without; start a new run"
            )
        return data
