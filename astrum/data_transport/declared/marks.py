"""Finds relations in annotations: `F` and `T` marks, including those behind aliases and new types.

A mark is followed where it belongs to the whole value: in `Annotated` itself, behind the name of
an alias or a new type, and in one member of a union. Anywhere else (for example in a list) it
would be ignored, so it is found here and refused.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from astrum.data_transport.annotations import MARKS, Case, Each, From, Input, Resource, To
from astrum.data_transport.declared.text_annotations import (
    ANNOTATED,
    Owner,
    class_hints,
    evaluate,
)
from astrum.data_transport.type_kinds import UNION_ORIGINS, is_alias

_WRITE = 'write Ref[type, F("task")]'
_WRITE_INPUT = "write Ref[type, Input()]"
_WRITE_EACH = 'write Ref[type, Each("task")]'
_WRITE_RESOURCE = 'write Ref[type, Resource("name")]'
_HOW_TO_WRITE: dict[type, str] = {
    Input: _WRITE_INPUT,
    Each: _WRITE_EACH,
    Resource: _WRITE_RESOURCE,
}
_MAX_ALIASES = 50
_MAX_NESTED = 8
"""The depth to which a default value is searched: it may be a container of itself."""


class Mark(NamedTuple):
    """A relation in an annotation; ``inside`` is the type it is nested in, "" if it is valid."""

    relation: Any
    inside: str = ""


def opened(annotation: Any) -> Any:
    """Return ``annotation`` with every alias that holds a relation replaced by its value.

    All other aliases keep their names, also those that cannot be evaluated.

    >>> opened(typing.NewType("OrderId", typing.Annotated[int, From("load")]))
    typing.Annotated[int, From(task='load', locator=None)]
    """
    if is_plain(annotation):
        return annotation
    try:
        return annotation if next(marks_in(annotation), None) is None else _opened(annotation)
    except ValueError:  # the code that reads the relations reports it
        return annotation


def is_plain(annotation: Any) -> bool:
    """Return whether an annotation is a class, or one relation on a class: most are."""
    kind = type(annotation)
    if kind is type:
        return annotation is not typing.Annotated
    if kind is not ANNOTATED or type(annotation.__origin__) is not type:
        return False
    extras = annotation.__metadata__
    return len(extras) == 1 and type(extras[0]) in MARKS


def marks_in(annotation: Any) -> Iterator[Mark]:
    """Yield every relation in ``annotation``, the nested ones too; aliases are opened."""
    return _marks(annotation, "", frozenset())


def whole_marks(annotation: Any) -> list[Any]:
    """Return the relations of ``annotation``; raises ``ValueError`` for one that is nested."""
    found = []
    for relation, inside in marks_in(annotation):
        if inside:
            raise ValueError(
                f"{relation!r} stands inside {inside}, where it would be ignored: a reference is "
                "for a whole parameter or result, so give each value a parameter of its own"
            )
        found.append(relation)
    return found


def is_relation(extra: object) -> bool:
    """Return whether an item of `Annotated` is a relation."""
    return isinstance(extra, MARKS) or type(extra) is tuple


def misplaced_in_default(default: object, depth: int = 0) -> bool:
    """Tell whether a parameter's default value is meant to be a reference, or holds one."""
    if isinstance(default, MARKS):
        return True
    if depth > _MAX_NESTED:
        return False
    if type(default) in (list, tuple, set, frozenset):
        parts = typing.cast(Iterable[Any], default)
        return any(misplaced_in_default(part, depth + 1) for part in parts)
    if type(default) is dict:
        return any(misplaced_in_default(part, depth + 1) for part in default.values())
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        held = getattr(default, "__dict__", {})
        return any(misplaced_in_default(part, depth + 1) for part in held.values())
    may_hold = type(default) is ANNOTATED or typing.get_origin(default) or is_alias(default)
    return bool(may_hold) and next(marks_in(default), None) is not None


def _opened(annotation: Any) -> Any:
    if _is_alias_of_any_kind(annotation):
        return _opened(_alias_value(annotation))
    if isinstance(annotation, typing.NewType):
        return _opened(annotation.__supertype__)
    if isinstance(annotation, dataclasses.InitVar):
        return _opened(annotation.type)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner = _opened(annotation.__origin__)
        return typing.Annotated[(inner, *annotation.__metadata__)]
    if origin in UNION_ORIGINS:
        # Only the members that hold one: another member may be an alias that contains itself.
        return typing.Union[tuple(opened(part) for part in typing.get_args(annotation))]  # noqa: UP007
    return annotation


def _as_written(mark: From | To | Input | Each | Resource) -> str:
    if isinstance(mark, (Input, Each, Resource)):
        return repr(mark)
    letter, part = ("F", mark.locator) if isinstance(mark, From) else ("T", mark.local)
    task = getattr(mark.task, "__name__", repr(mark.task))
    return f"{letter}({task})" if part is None else f"{letter}({task}, {part!r})"


def how_to_write(mark: From | To | Input | Each | Resource) -> str:
    """Return how an annotation with a mark of this kind is written."""
    return _HOW_TO_WRITE.get(type(mark), _WRITE)


_Seen = frozenset[tuple[int, str]]


def _marks(annotation: Any, inside: str, seen: _Seen) -> Iterator[Mark]:
    if isinstance(annotation, MARKS):
        write = how_to_write(annotation)
        raise ValueError(f"{_as_written(annotation)} stands where a type belongs: {write}")
    if annotation is typing.Annotated:
        raise ValueError(f"Ref stands alone: {_WRITE}")
    if type(annotation) is type:
        return
    if _is_alias_of_any_kind(annotation):
        # An alias may contain itself, each time with other arguments.
        key = (id(typing.get_origin(annotation) or annotation), repr(typing.get_args(annotation)))
        if key not in seen and len(seen) < _MAX_ALIASES:
            yield from _marks(_alias_value(annotation), inside, seen | {key})
    elif isinstance(annotation, typing.NewType):
        yield from _marks(annotation.__supertype__, inside, seen)
    elif isinstance(annotation, dataclasses.InitVar):
        yield from _marks(annotation.type, inside, seen)
    elif isinstance(annotation, typing.TypeVar):
        yield from _marks_of_all(_bounds(annotation), inside or repr(annotation), seen)
    else:
        yield from _marks_of_generic(annotation, inside, seen)


def _marks_of_generic(annotation: Any, inside: str, seen: _Seen) -> Iterator[Mark]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _marks(annotation.__origin__, inside, seen)
        for extra in annotation.__metadata__:
            _refuse_near_mark(extra, annotation)
            if is_relation(extra):
                yield Mark(extra, inside)
    elif origin in UNION_ORIGINS:
        yield from _marks_of_all(typing.get_args(annotation), inside, seen)
    elif origin is typing.Unpack:
        yield from _marks_of_all(_unpacked(annotation), inside or repr(annotation), seen)
    elif origin is not None and origin is not typing.Literal:
        yield from _marks_of_all(typing.get_args(annotation), inside or repr(annotation), seen)


def _refuse_near_mark(extra: object, annotation: Any) -> None:
    """Raise ``ValueError`` for what is not a mark and must be meant to be one."""
    if extra is From or extra is To:
        raise ValueError(f"the reference in {annotation!r} names no task: {_WRITE}")
    if extra is Input or extra is Resource:
        what, write = extra.__name__, _HOW_TO_WRITE[extra]
        raise ValueError(f"{what} in {annotation!r} is not called: {write}")
    if extra is Each:
        raise ValueError(f"Each in {annotation!r} names no list: {_WRITE_EACH}")
    if isinstance(extra, Case):
        raise ValueError(f"{extra!r} is a condition of the task: write @task(when={extra!r})")


def _marks_of_all(parts: Iterable[Any], inside: str, seen: _Seen) -> Iterator[Mark]:
    for part in parts:
        if isinstance(part, (list, tuple)):  # the parameters of a Callable
            yield from _marks_of_all(part, inside, seen)
        else:
            yield from _marks(part, inside, seen)


def _unpacked(annotation: Any) -> list[Any]:
    """Return the types of the keywords that an unpacked TypedDict stands for."""
    (packed,) = typing.get_args(annotation)
    if not typing.is_typeddict(packed):
        return [packed]
    return [part for part in class_hints(packed).values() if not isinstance(part, str)]


def _bounds(variable: typing.TypeVar) -> list[Any]:
    try:
        return [*variable.__constraints__, *filter(None, [variable.__bound__])]
    except NameError:  # evaluated late, and only type checkers know the name
        return []


def _is_alias_of_any_kind(annotation: Any) -> bool:
    return is_alias(annotation) or is_alias(typing.get_origin(annotation))


def _alias_value(annotation: Any) -> Any:
    """Return the value of an alias, with its type parameters replaced."""
    alias = annotation if is_alias(annotation) else typing.get_origin(annotation)
    try:
        value = _evaluated(alias, alias.__value__)
    except Exception as error:  # the value is user code, evaluated now
        raise ValueError(f"the alias {alias.__name__!r} cannot be evaluated: {error}") from error
    given = dict(zip(alias.__type_params__, typing.get_args(annotation), strict=False))
    if any(value is parameter for parameter in given):
        return given[value]
    wanted = getattr(value, "__parameters__", ()) if given else ()
    return value[tuple(given.get(p, p) for p in wanted)] if wanted else value


def _evaluated(alias: Any, value: Any) -> Any:
    if not isinstance(value, (str, typing.ForwardRef)):
        return value
    module = sys.modules.get(alias.__module__)
    owner = Owner(
        _AliasSubject(), alias.__module__, alias.__name__, getattr(module, "__dict__", {})
    )
    return evaluate({alias.__name__: value}, owner).hints[alias.__name__]


class _AliasSubject:
    """Stands for an alias where a function or class is asked for; nothing is kept about it."""

    __name__ = ""
