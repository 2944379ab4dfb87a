"""Checks the declared types of a flow against each other, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import PLAIN, Binding, Path, TaskInputs
from astrum.data_transport.declared.fast_paths import has_only_classes_of, is_resource
from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.class_fields import named_types, stripped, type_name
from astrum.data_transport.types.list_types import (
    check_holes,
    check_key,
    element_type,
    nested,
    part_read,
    whole_path,
)
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.data_transport.types.result_types import ResultTypes
from astrum.data_transport.types.run_inputs import check_run_inputs, declarations_in
from astrum.data_transport.types.sendable import why_not_sendable
from astrum.errors import TaskRegistrationError


def check_types(
    inputs: Mapping[str, TaskInputs],
    functions: Mapping[str, Callable[..., Any]],
    config: AstrumConfig,
) -> None:
    """Check for every binding that its source's declared result fits the parameter's type.

    Raises `TaskRegistrationError`, naming both tasks, the parameter and both types, for a sure
    mismatch or a field that the source's type does not have, and for inputs of the run that are not
    declared in one way; with
    ``allow_no_dir_definition=False`` also for a source that declares no result, and with
    ``strict_topology=True`` for a relation that ``from_tasks`` or ``to_tasks`` leave out.
    ``skip_type_check`` leaves only the last.
    """
    if config.strict_topology:
        _check_topology(inputs)
    if config.skip_type_check:
        return
    checker = _Checker(functions, config)
    for task_id, task_inputs in inputs.items():
        expected = task_inputs.expected
        if task_inputs.reads or task_inputs.depths:
            checker.check_edges(task_id, task_inputs)
            continue
        for binding in task_inputs.bindings:
            if binding.origin == "task":
                checker.check(task_id, binding, expected.get(binding.parameter, Any))
    check_run_inputs(declarations_in(inputs, functions))
    if config.check_wire and (reason := why_local_only(inputs, functions, config)):
        raise TaskRegistrationError(reason)


def why_local_only(
    inputs: Mapping[str, TaskInputs],
    functions: Mapping[str, Callable[..., Any]],
    config: AstrumConfig,
) -> str:
    """Return which parameter reads a part that cannot leave its process (see `sendable`), or "".

    With ``skip_type_check`` this is found during the run only.
    """
    if config.skip_type_check:
        return ""
    checker = _Checker(functions, config)
    found = (
        reason
        for task_id, task_inputs in inputs.items()
        for binding in task_inputs.bindings
        if binding.path
        and binding.origin == "task"
        and (reason := checker.why_not_sendable(task_id, binding))
    )
    return next(found, "")


def declared_types(function: Callable[..., Any], seen: set[Any] | None = None) -> Iterator[type]:
    """Yield every named type in the annotations of ``function``, those of fields included.

    The types of resources are left out: no value of theirs travels.
    Functions with one ``seen`` in common yield each type once.
    """
    seen = set() if seen is None else seen
    if has_only_classes_of(function, seen):
        return
    declaration = declaration_of(function)
    parameters = (*declaration.parameters.values(), declaration.rest, declaration.named_rest)
    for annotation in (*(p.annotation for p in parameters if p), declaration.returns):
        if annotation is ABSENT or is_resource(annotation):
            continue
        plain = stripped(annotation)
        if type(plain) is not type or plain not in seen:
            yield from named_types(plain, seen)


def _check_topology(inputs: Mapping[str, TaskInputs]) -> None:
    for task_id, task_inputs in inputs.items():
        for binding in task_inputs.undeclared:
            raise TaskRegistrationError(
                f"task {task_id!r}, parameter {binding.parameter!r} reads the result of "
                f"{binding.source!r}, which no TaskData declares: strict_topology demands "
                f"{binding.source!r} in from_tasks of the task that reads, or {task_id!r} in "
                f"to_tasks of the task that sends"
            )


class _Checker:
    """Checks bindings; the same question about the same types is answered once."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], config: AstrumConfig) -> None:
        self._functions = functions
        self._config = config
        self._results = ResultTypes(functions, config)
        self._fine: set[tuple[int, Path, int]] = set()
        self._sent: set[tuple[int, object]] = set()

    def check(self, task_id: str, binding: Binding, expected: Any) -> None:
        function = self._functions.get(binding.source)
        if function is None:
            return
        result = self._results.of(function)
        question = (id(result), binding.path, id(expected))
        if question not in self._fine:
            self._check(task_id, binding, expected, result)
            self._fine.add(question)

    def _check(self, task_id: str, binding: Binding, expected: Any, result: Any) -> None:
        if result is ABSENT:
            if not self._config.allow_no_dir_definition:
                raise _mismatch(task_id, binding, expected, "declares no result type")
            return
        try:
            given = type_at(result, binding.path)
        except NoSuchPart as error:
            raise _mismatch(task_id, binding, expected, f"returns {error}") from None
        if not could_fit(given, expected):
            raise _mismatch(task_id, binding, expected, f"gives {type_name(given)}")

    def check_edges(self, task_id: str, inputs: TaskInputs) -> None:
        """Check the same where a task reads elements, lists of results, or what may not come."""
        for binding in inputs.bindings:
            if binding.item is not None or binding.parameter in inputs.depths:
                for source in binding.sources:
                    self._check_list(task_id, source, binding, inputs)
            elif binding.origin == "task":
                expected = inputs.expected.get(binding.parameter, Any)
                self.check(task_id, binding, expected)
            check_holes(task_id, binding, inputs)

    def _check_list(self, task_id: str, source: str, binding: Binding, inputs: TaskInputs) -> None:
        slot = binding.parameter
        depth, expected = inputs.depths.get(slot, 0), inputs.expected.get(slot, Any)
        key = inputs.reads.get(slot, PLAIN).key
        one = binding._replace(source=source)
        result = self._results.of(self._functions[source])
        if result is ABSENT:
            if not self._config.allow_no_dir_definition:
                raise _mismatch(task_id, one, expected, "declares no result type")
            return
        try:
            part = part_read(result, binding)
            if key is not None:
                whole = type_at(result, binding.path)
                check_key(task_id, binding.parameter, element_type(whole), key)
        except NoSuchPart as error:
            raise _mismatch(task_id, one, expected, f"returns {error}") from None
        given = nested(part, depth)
        if not could_fit(given, expected):
            raise _mismatch(task_id, one, expected, f"gives {type_name(given)}{_why(one, depth)}")

    def why_not_sendable(self, task_id: str, binding: Binding) -> str:
        function = self._functions.get(binding.source)
        if function is None or (id(function), whole_path(binding)) in self._sent:
            return ""
        result = self._results.of(function)
        reason = "" if result is ABSENT else why_not_sendable(result, whole_path(binding))
        if not reason:
            self._sent.add((id(function), whole_path(binding)))
            return ""
        return (
            f"task {task_id!r}, parameter {binding.parameter!r} reads the result"
            f"{_shown_path(binding)} of task {binding.source!r}: {reason}"
        )


def _why(binding: Binding, depth: int) -> str:
    if binding.others:
        return ", in the list of the results"
    if not depth:
        return " as each element"
    return f", one result per child (Each({binding.source!r}) reads them one by one)"


def _shown_path(binding: Binding) -> str:
    return "".join(f"[{step!r}]" for step in binding.path)


def _mismatch(task_id: str, binding: Binding, expected: Any, got: str) -> TaskRegistrationError:
    part = _shown_path(binding)
    wanted = "" if expected is Any else f" expects {type_name(expected)},"
    reads = f" reads the result{part} of task {binding.source!r}:" if part else ""
    return TaskRegistrationError(
        f"task {task_id!r}, parameter {binding.parameter!r}{reads}{wanted or ' it'} "
        f"but task {binding.source!r} {got}"
    )
