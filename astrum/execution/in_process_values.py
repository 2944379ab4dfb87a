"""The results of a run in this process, and the arguments that tasks get from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from astrum.data_transport.absent import ABSENT
from astrum.data_transport.bindings import Binding
from astrum.data_transport.locate import binding_error, locate, shown_path
from astrum.errors import LocateError
from astrum.execution.encoded_results import EncodedResults
from astrum.execution.gathering import Fetching, Result, too_early
from astrum.execution.invoke import Flow
from astrum.execution.observing import keys_of, observe
from astrum.execution.readings import Numbers, Reading, Readings, failure_of
from astrum.machine.state import RunState
from astrum.machine.task_state import SUCCEEDED
from astrum.planning.axes import ListSource
from astrum.planning.plan import TaskSpec
from astrum.values.arguments import unpack_arguments
from astrum.values.codec import Codec
from astrum.values.compression import inflate
from astrum.values.payload import MAX_ARGUMENT_BYTES, EncodedResult, pack_result
from astrum.values.projection import project
from astrum.values.read_once import check_read_often
from astrum.values.references import Blob, BlobRef, reference_of
from astrum.values.unsent import encode_or_leave_out, unsent_of

_LEFT_OUT: Final = object()
"""Replaces what is absent and may be: the attempt takes the default, or a list has one less."""


class LiveValues:
    """Results as the live objects that tasks returned: all readers and retries share them.

    ``results`` are by task number.
    """

    def __init__(self, state: RunState, results: dict[int, Any], inputs: Mapping[str, Any]) -> None:
        self._state = state
        self._tasks = state.tasks
        self._plan = state.plan
        self._is_plain = self._plan.is_plain
        self._index = self._plan.index
        self._results = results
        self._live_inputs = inputs
        self._readings = Readings(self._plan)
        self._name_elements_of_inputs()

    def keep(self, task: int, spec: TaskSpec, value: Any) -> tuple[int, ...]:
        """Keep the result of a task, and return what is seen of it.

        Raises kinds of `TransportError`.
        """
        if not spec.watches:
            self._results[task] = self._kept(task, spec, value)
            return ()
        seen = observe(value, spec.watches, self._tasks.name(task))
        self._results[task] = self._kept(task, spec, value)
        self._name_elements(task, spec, value)
        return seen

    def arguments(self, task: int, spec: TaskSpec) -> dict[str | int, Any]:
        """Return the arguments of a task whose needs have ended; raises `TransportError`."""
        found: dict[str | int, Any] = {}
        if self._is_plain:
            inputs, results, index = self._live_inputs, self._results, self._index
            for binding in spec.bindings:
                source = binding.source
                value = inputs[source] if binding.origin == "input" else results[index[source]]
                found[binding.parameter] = (
                    self._part(spec, binding, value) if binding.path else value
                )
        else:
            place = self._tasks.index(task)
            found = {
                reading.binding.parameter: self._read(spec, reading, place)
                for reading in self._readings.of(self._tasks.template(task))
            }
        if spec.optional:
            return {parameter: part for parameter, part in found.items() if part is not _LEFT_OUT}
        return found

    def key(self, task: int) -> str:
        """Return what names a child in the brackets of its name if that is not its index."""
        is_named = not self._is_plain and self._readings.keyed(self._tasks.template(task))
        return self._tasks.key(task) if is_named else ""

    def _kept(self, task: int, spec: TaskSpec, value: Any) -> Any:
        """Return the result in the form to keep."""
        check_read_often(value)
        return value

    # --- names of children --------------------------------------------------------------

    def _name_elements(self, task: int, spec: TaskSpec, value: Any) -> None:
        for watch in spec.watches:
            if watch.key is not None:
                items = locate(value, watch.path)
                source = ListSource(spec.task_id, watch.path)
                keys = keys_of(items, watch.key, self._tasks.name(task))
                self._tasks.set_keys(source, self._tasks.index(task), keys)

    def _name_elements_of_inputs(self) -> None:
        for template in self._tasks.roots:
            for one, owner, key in self._readings.keyed(template):
                if owner is None:
                    items = locate(self._live_inputs[one.source], one.path)
                    keys = keys_of(items, key, f"the input {one.source!r}")
                    self._tasks.set_keys(one, (), keys)

    # --- reading ------------------------------------------------------------------------

    def _read(self, spec: TaskSpec, reading: Reading, index: tuple[int, ...]) -> Any:
        binding = reading.binding
        if reading.axis is not None:
            return self._element(spec, reading, index)
        if binding.origin == "input":
            value = self._live_inputs[binding.source]
        else:
            numbers = reading.numbers(self._tasks, index)
            if reading.is_list:
                return self._list(spec, binding, numbers)
            if not self._has(numbers):
                return self._without_single(spec, binding, numbers)
            value = self._results[numbers]
        return self._part(spec, binding, value) if binding.path else value

    def _has(self, number: int | None) -> TypeGuard[int]:
        """Return whether a task has a result: one that failed because of it has none."""
        return number in self._results and self._state.states[number] == SUCCEEDED

    def _part(self, spec: TaskSpec, binding: Binding, value: Any) -> Any:
        try:
            part = locate(value, binding.path)
        except LocateError as error:
            if error.is_absent and binding.parameter in spec.optional:
                return _LEFT_OUT
            raise binding_error(spec.task_id, binding, error) from None
        check_read_often(part, _shown(binding))
        return part

    def _element(self, spec: TaskSpec, reading: Reading, index: tuple[int, ...]) -> Any:
        binding, axis = reading.binding, reading.axis
        assert axis is not None
        if not reading.sources:
            value = self._live_inputs[binding.source]
        else:
            owner = reading.sources[0]
            number = self._tasks.find(owner.template, owner.index_for(index))
            if number is None or not self._has(number):
                raise too_early(spec, binding.source)
            value = self._results[number]
        try:
            part = locate(value, (*binding.path, index[axis], *(binding.item or ())))
        except LocateError as error:
            if error.is_absent and binding.parameter in spec.optional:
                return _LEFT_OUT
            raise binding_error(spec.task_id, binding, error) from None
        check_read_often(part, f"{_shown(binding)}[{index[axis]}]")
        return part

    def _list(self, spec: TaskSpec, binding: Binding, numbers: Numbers) -> list[Any]:
        found = []
        for number in numbers:
            if isinstance(number, list):
                found.append(self._list(spec, binding, number))
                continue
            item = self._item(spec, binding, number)
            if item is not _LEFT_OUT:
                found.append(item)
        return found

    def _item(self, spec: TaskSpec, binding: Binding, number: int | None) -> Any:
        if number is None or not self._has(number):
            return self._without(spec, binding, number)
        value = self._results[number]
        if not binding.path:
            return value
        try:
            part = locate(value, binding.path)
        except LocateError as error:
            if error.is_absent and binding.holes in ("fill", "drop"):
                return self._without(spec, binding, number)
            raise binding_error(spec.task_id, binding, error) from None
        check_read_often(part, _shown(binding))
        return part

    def _without(self, spec: TaskSpec, binding: Binding, number: int | None) -> Any:
        """Return what replaces, in a list, the result of a task that has none."""
        if binding.holes == "fill":
            return ABSENT
        if binding.holes == "drop":
            return _LEFT_OUT
        if binding.holes == "failure":
            return failure_of(self._state, number)
        raise too_early(spec, binding.source)

    def _without_single(self, spec: TaskSpec, binding: Binding, number: int | None) -> Any:
        if binding.holes == "failure":
            return failure_of(self._state, number)
        if binding.parameter in spec.optional:
            return _LEFT_OUT
        raise too_early(spec, binding.source)


class WireValues(LiveValues):
    """Results as the bytes that are sent, decoded for every reader, as if each ran in another
    process.
    """

    def __init__(
        self,
        state: RunState,
        results: dict[int, Any],
        inputs: Mapping[str, Any],
        flow: Flow,
        encoded: Mapping[str, EncodedResult],
    ) -> None:
        super().__init__(state, results, inputs)
        self._codec = Codec(flow.types)
        self._wanted = flow.plan.wanted_results
        self._sent = EncodedResults(state.tasks, MAX_ARGUMENT_BYTES, state)
        self._sent.keep_inputs({name: one.value for name, one in encoded.items()})
        self._blobs: dict[str, bytes] = {}
        self._store(*(one.blob for one in encoded.values()))

    def arguments(self, task: int, spec: TaskSpec) -> dict[str | int, Any]:
        # To join the arguments only checks their size: all of them travel in one message.
        data = self._sent.arguments_at_hand(task)
        if data is None:
            data = self._fetched(self._sent.fetching_arguments(task))
        self._store(*self._sent.take_unstored())
        received = [
            (parameter, self._receive(spec, parameter, part))
            for parameter, part in unpack_arguments(data).items()
        ]
        return {parameter: part for parameter, part in received if part is not _LEFT_OUT}

    def _kept(self, task: int, spec: TaskSpec, value: Any) -> Any:
        is_wanted = spec.task_id in self._wanted
        data = encode_or_leave_out(self._codec.encode, value, is_wanted=is_wanted)
        sent = pack_result(self._tasks.name(task), data)
        self._store(sent.blob)
        self._sent.keep(task, sent.value)
        unsent = unsent_of(data)
        return self._codec.decode(data) if unsent is None else unsent

    def _store(self, *blobs: Blob | None) -> None:
        self._blobs.update((blob.digest, blob.data) for blob in blobs if blob is not None)

    def _fetched(self, fetching: Fetching[Result]) -> Result:
        """Return what comes of a generator that asks for big values and for work."""
        answer: Any = None
        try:
            while True:
                asked = fetching.send(answer)
                if isinstance(asked, BlobRef):
                    answer = inflate(self._blobs[asked.digest])
                else:
                    answer = asked()
        except StopIteration as end:
            done: Result = end.value
            return done

    def _receive(self, spec: TaskSpec, parameter: str | int, part: bytes) -> Any:
        reference = reference_of(part)
        if reference is None:
            return self._codec.decode(part)
        try:
            data = project(self._blobs[reference.digest], reference.path)
        except LocateError as error:
            if error.is_absent and parameter in spec.optional:
                return _LEFT_OUT
            binding = next(b for b in spec.bindings if b.parameter == parameter)
            raise binding_error(spec.task_id, binding, error) from None
        return self._codec.decode(data)


def _shown(binding: Binding) -> str:
    whole = "the input" if binding.origin == "input" else "the result of"
    return shown_path(binding.path, f"{whole} {binding.source!r}")
