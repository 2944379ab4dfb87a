"""The relations that a function's annotations declare, read but not yet tied to tasks."""

from __future__ import annotations

import typing
from typing import Any, NamedTuple

from astrum.data_transport.annotations import Each, From, Input, Resource, To
from astrum.data_transport.declared.fast_paths import is_class, plain_mark
from astrum.data_transport.declared.mark_checks import (
    check_from,
    check_locator,
    checked_each,
    checked_input,
)
from astrum.data_transport.declared.marks import whole_marks
from astrum.data_transport.declared.signatures import Declaration, Parameter

_FROM_SIZES = (1, 2)
_TO_SIZES = (3,)
Source = From | Input | Each | Resource
"""Where the value of a parameter comes from."""


class Relations(NamedTuple):
    """All relations of one function: the sources of its parameters, the targets of its result."""

    inputs: tuple[tuple[Parameter, Source], ...] = ()
    output: To | None = None


def relations_of(declaration: Declaration) -> Relations:
    """Return what the annotations declare; ``ValueError`` for an invalid one.

    The message names the parameter, not the task: a function may be several tasks.
    """
    inputs: list[tuple[Parameter, Source]] = []
    for parameter in (*declaration.parameters.values(), declaration.rest, declaration.named_rest):
        if parameter is None:
            continue
        mark: Source | None = plain_mark(parameter.annotation)
        if mark is None or parameter is declaration.named_rest:
            mark = mark_of(parameter, declaration)
        if mark is not None:
            inputs.append((parameter, mark))
    sent = _mark_in(declaration.returns, None)
    return Relations(tuple(inputs), None if sent is None else _as_to(sent))


def place_of(relation: Parameter | To | None) -> str:
    """Return how a message names the place of a relation; "" for none in particular."""
    if relation is None:
        return ""
    return "the return value" if isinstance(relation, To) else f"parameter {relation.name!r}"


def mark_of(parameter: Parameter, declaration: Declaration) -> Source | None:
    """Return the relation of a parameter; ``ValueError`` for one that is not valid."""
    mark = _mark_in(parameter.annotation, parameter)
    return None if mark is None else _as_from(mark, parameter, declaration)


def _mark_in(annotation: Any, parameter: Parameter | None) -> Any:
    if is_class(annotation):
        return None
    place = "the return value" if parameter is None else place_of(parameter)
    try:
        marks = whole_marks(annotation)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    if len(marks) > 1:
        raise ValueError(f"{place} has more than one relation: {marks!r}")
    return marks[0] if marks else None


def _as_from(mark: Any, parameter: Parameter, declaration: Declaration) -> Source:
    place = place_of(parameter)
    if isinstance(mark, To):
        raise ValueError(f"{place} has {mark!r}: To belongs on a return annotation, use From")
    if parameter is declaration.named_rest:
        raise ValueError(f"{place} collects any names, so no single value can fill it")
    if isinstance(mark, Each):
        return checked_each(mark, parameter.name, place)
    if isinstance(mark, Input):
        return checked_input(mark, parameter.name, place)
    if isinstance(mark, Resource):
        return _checked_resource(mark, parameter)
    if not isinstance(mark, From):
        mark = From(*_of_size(mark, _FROM_SIZES, '("source", "key")', place))
    check_from(mark, place)
    return typing.cast(From, mark)


def _checked_resource(mark: Resource, parameter: Parameter) -> Resource:
    name = parameter.name if mark.name is None else mark.name
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"{place_of(parameter)} names the resource {name!r}: the name of a resource is a "
            "string that is not empty"
        )
    return Resource(name)


def _as_to(mark: Any) -> To:
    place = "the return value"
    if isinstance(mark, (Input, Each, Resource)):
        raise ValueError(f"{place} has {mark!r}: {type(mark).__name__} belongs on a parameter")
    if isinstance(mark, From):
        raise ValueError(f"{place} has {mark!r}: From belongs on a parameter, use To")
    if not isinstance(mark, To):
        mark = To(*_of_size(mark, _TO_SIZES, '("target", "local", "remote")', place))
    check_locator(mark.local, place)
    check_locator(mark.target, place)
    return typing.cast(To, mark)


def _of_size(
    mark: tuple[Any, ...], sizes: tuple[int, ...], example: str, place: str
) -> tuple[Any, ...]:
    if len(mark) not in sizes:
        wanted = " or ".join(map(str, sizes))
        raise ValueError(
            f"{place} has the relation {mark!r} of {len(mark)} parts; "
            f"a tuple there has {wanted}, like {example}"
        )
    return mark
