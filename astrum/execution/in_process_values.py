"""The results of a run in this process, and the arguments that tasks get from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrum.data_transport.bindings import Binding, Origin
from astrum.data_transport.locate import binding_error, locate, shown_path
from astrum.errors import LocateError
from astrum.execution.invoke import Flow
from astrum.planning.plan import TaskSpec
from astrum.values.codec import Codec
from astrum.values.payload import EncodedResult, pack_result, pack_task_arguments, part_of_result
from astrum.values.projector import Projector
from astrum.values.read_once import check_read_often
from astrum.values.unsent import encode_or_leave_out, unsent_of

_ABSENT = object()
"""Replaces a part that may be absent and is: the attempt takes the reference's default."""


class LiveValues:
    """Results as the live objects that tasks returned: all readers and retries share them."""

    def __init__(self, results: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self._sources: dict[Origin, Mapping[str, Any]] = {"task": results, "input": inputs}

    def keep(self, spec: TaskSpec, value: Any) -> Any:
        """Return the result in the form to keep; raises kinds of `TransportError`."""
        check_read_often(value)
        return value

    def arguments(self, spec: TaskSpec) -> dict[str | int, Any]:
        """Return the arguments of a task whose needs have succeeded; raises `TransportError`."""
        sources = self._sources
        found = {
            binding.parameter: (
                self._located(spec, binding)
                if binding.path
                else sources[binding.origin][binding.source]
            )
            for binding in spec.bindings
        }
        if spec.optional:
            return {parameter: part for parameter, part in found.items() if part is not _ABSENT}
        return found

    def _located(self, spec: TaskSpec, binding: Binding) -> Any:
        parameter, source, path, origin = binding[:4]
        try:
            part = locate(self._sources[origin][source], path)
        except LocateError as error:
            if error.is_absent and parameter in spec.optional:
                return _ABSENT
            raise binding_error(spec.task_id, binding, error) from None
        whole = "the input" if origin == "input" else "the result of"
        check_read_often(part, shown_path(path, f"{whole} {source!r}"))
        return part


class WireValues(LiveValues):
    """Results as the bytes that are sent, decoded for every reader, as if each ran in another
    process.
    """

    def __init__(self, flow: Flow, inputs: Mapping[str, EncodedResult]) -> None:
        self._codec = Codec(flow.types)
        self._wanted = flow.plan.wanted_results
        self._sent: dict[str, EncodedResult] = {}
        self._inputs = inputs
        self._projector = Projector()

    def keep(self, spec: TaskSpec, value: Any) -> Any:
        is_wanted = spec.task_id in self._wanted
        data = encode_or_leave_out(self._codec.encode, value, is_wanted=is_wanted)
        self._sent[spec.task_id] = pack_result(spec.task_id, data)
        unsent = unsent_of(data)
        return self._codec.decode(data) if unsent is None else unsent

    def arguments(self, spec: TaskSpec) -> dict[str | int, Any]:
        cut = [(b, self._cut(spec, b, self._source(b).value)) for b in spec.bindings]
        sent = [(b, part) for b, part in cut if part is not None]
        # Only to check their size: all arguments travel in one message.
        pack_task_arguments(spec.task_id, [(b.parameter, part) for b, part in sent])
        received = [(b.parameter, self._receive(spec, b, part)) for b, part in sent]
        return {parameter: part for parameter, part in received if part is not _ABSENT}

    def _source(self, binding: Binding) -> EncodedResult:
        return (self._sent if binding.origin == "task" else self._inputs)[binding.source]

    def _receive(self, spec: TaskSpec, binding: Binding, part: bytes) -> Any:
        blob = self._source(binding).blob
        data = part if blob is None else self._cut(spec, binding, blob.data)
        return _ABSENT if data is None else self._codec.decode(data)

    def _cut(self, spec: TaskSpec, binding: Binding, value: bytes) -> bytes | None:
        try:
            return part_of_result(
                value, binding.path, self._projector, (binding.source, binding.origin)
            )
        except LocateError as error:
            if error.is_absent and binding.parameter in spec.optional:
                return None
            raise binding_error(spec.task_id, binding, error) from None
