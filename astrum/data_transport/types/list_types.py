"""The types of lists whose elements tasks go through, and of gathered results."""

from __future__ import annotations

import collections.abc
import typing
from typing import Any

from astrum.data_transport.bindings import PLAIN, Binding, Path, TaskInputs
from astrum.data_transport.task_failure import TaskFailure
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.check_value import fitted
from astrum.data_transport.types.class_fields import is_unknown, members, shape_of, type_name
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.errors import InjectionError, TaskRegistrationError

_NO_LISTS = (
    *(str, bytes, bytearray, memoryview, range),
    *(collections.abc.Mapping, collections.abc.Set, collections.abc.Iterator),
)
_MAY_BE_LISTS = (list, tuple)
_KEYS = (str, int)


def whole_path(binding: Binding) -> Path:
    """Return the path from the result to what a binding reads; of elements to the first one."""
    return binding.path if binding.item is None else (*binding.path, 0, *binding.item)


def part_read(result: Any, binding: Binding) -> Any:
    """Return the type of what is read of one result; raises `NoSuchPart`."""
    part = type_at(result, binding.path)
    return part if binding.item is None else type_at(element_type(part), binding.item)


def element_type(annotation: Any) -> Any:
    """Return the type of the elements of a list or tuple; `NoSuchPart` for what cannot be one.

    >>> element_type(list[int]), element_type(tuple[str, ...])
    (<class 'int'>, <class 'str'>)
    """
    found: list[Any] = []
    for member in members(annotation):
        origin = typing.get_origin(member) or member
        if is_unknown(member) or not isinstance(origin, type):
            return Any
        if _may_be_list(origin):
            found += _arguments(member, origin)
    if not found:
        raise NoSuchPart(f"{type_name(annotation)}, which is not a list: {_advice(annotation)}")
    return Any if any(map(is_unknown, found)) else typing.Union[tuple(found)]  # noqa: UP007


def _may_be_list(cls: type) -> bool:
    if getattr(cls, "_is_protocol", False):
        return True  # most cannot be tested
    if issubclass(cls, _NO_LISTS) or shape_of(cls) is not None:
        return False
    return issubclass(cls, _MAY_BE_LISTS) or any(issubclass(one, cls) for one in _MAY_BE_LISTS)


def _arguments(member: Any, origin: type) -> list[Any]:
    arguments = typing.get_args(member)
    if not arguments:
        return [Any]
    if issubclass(origin, tuple):
        return [one for one in arguments if one is not Ellipsis]
    return [arguments[0]]


def _advice(annotation: Any) -> str:
    origin = typing.get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
        return "return list(the_dict.items())"
    if isinstance(origin, type) and issubclass(origin, collections.abc.Set):
        return "return sorted(the_set), which has an order"
    return "return a list or a tuple"


def nested(element: Any, depth: int) -> Any:
    """Return the type of lists of an element, ``depth`` deep.

    >>> nested(int, 2)
    list[list[int]]
    """
    for _ in range(depth):
        element = list[element]
    return element


def check_key(task_id: str, slot: str | int, element: Any, key: Path) -> None:
    """Raise `TaskRegistrationError` if that part of an element cannot name a child."""
    shown = repr(key[0]) if key else "True"
    try:
        part = type_at(element, key)
    except NoSuchPart as error:
        why = f"each element is {error}"
    else:
        if part is not bool and any(could_fit(part, kind) for kind in _KEYS):
            return
        why = f"that is {type_name(part)}, and only a str or an int names a child"
    raise TaskRegistrationError(f"task {task_id!r}, parameter {slot!r} has key={shown}: {why}")


def check_holes(task_id: str, binding: Binding, inputs: TaskInputs) -> None:
    """Check that what replaces a result that did not come fits the parameter.

    Raises `TaskRegistrationError`.
    """
    slot = binding.parameter
    expected = inputs.expected.get(slot, Any)
    depth = inputs.depths.get(slot, 0)
    tolerance = inputs.reads.get(slot, PLAIN).tolerance
    if tolerance == "failure" and not could_fit(nested(TaskFailure, depth), expected):
        wanted = f"{'list[' * depth}{type_name(_inner(expected, depth))} | TaskFailure{']' * depth}"
        raise TaskRegistrationError(
            f"task {task_id!r}, parameter {slot!r} has failures=True, so a TaskFailure stands "
            f"where {binding.source!r} has no result: annotate it with {wanted}"
        )
    if tolerance == "default":
        fill = inputs.fills.get(slot)
        default = inputs.defaults[slot] if fill is None else fill.default
        _check_default(task_id, binding, default, _inner(expected, depth), depth)


def _inner(expected: Any, depth: int) -> Any:
    try:
        return type_at(expected, (0,) * depth)
    except NoSuchPart:
        return Any  # the check of the whole reports it


def _check_default(task_id: str, binding: Binding, default: Any, expected: Any, depth: int) -> None:
    try:
        fitted(default, expected)
    except InjectionError as error:
        advice = ""
        if default is None:
            wanted = f"{'list[' * depth}{type_name(expected)} | None{']' * depth}"
            advice = f"annotate it with {wanted}, or "
        each = ", which stands for each result that is missing," if depth else ""
        raise TaskRegistrationError(
            f"task {task_id!r}, parameter {binding.parameter!r}: the default of "
            f"F({binding.source!r}){each} does not fit, {error}: {advice}write a default of that "
            "type"
        ) from None
