"""Properties of types: their origin, their fields, their name in a message."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

from astrum.data_transport.declared.text_annotations import (
    ANNOTATED,
    class_hints,
    is_unresolved,
)
from astrum.data_transport.type_kinds import UNION_ORIGINS, is_alias, is_model

_WRAPPERS = (
    typing.Annotated,
    typing.Required,
    typing.NotRequired,
    typing.Final,
    typing.ClassVar,
    dataclasses.InitVar,
)
_NO_NAMES = ("builtins", "typing", "typing_extensions", "collections.abc", "types")

Kind = Literal["typed_dict", "dataclass", "named_tuple", "model"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The named fields of a class, in order; ``required`` ones have no default.

    Of a dataclass ``fields`` are those that its constructor takes, ``computed`` the others, and
    ``inputs`` what its constructor takes but does not keep. ``hidden`` are the types of what a
    value may have as well.
    """

    kind: Kind
    fields: Mapping[str, Any]
    required: frozenset[str]
    computed: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[Any, ...] = ()

    def knows(self, name: str) -> bool:
        """Return whether a dict of fields may hold ``name``."""
        return name in self.fields or name in self.computed or name in self.inputs

    @property
    def types(self) -> Iterator[Any]:
        """The types of all that a value may hold."""
        return chain(self.fields.values(), self.computed.values(), self.hidden)


def stripped(annotation: Any) -> Any:
    """Return the type in an annotation: no `Annotated`, `Required` or `NewType` round it.

    >>> stripped(typing.Annotated[int, "seconds"])
    <class 'int'>
    """
    while (kind := type(annotation)) is not type:
        if kind is ANNOTATED:
            annotation = annotation.__origin__
        elif isinstance(annotation, dataclasses.InitVar):
            annotation = annotation.type
        elif typing.get_origin(annotation) in _WRAPPERS:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return type(None) if annotation is None else annotation
    return annotation


def is_unknown(annotation: Any) -> bool:
    """Return whether every value fits ``annotation`` (stripped)."""
    if type(annotation) is type:
        return annotation is object
    if isinstance(annotation, type):
        return annotation is Any or annotation is object or is_unresolved(annotation)
    return isinstance(annotation, (typing.TypeVar, str, typing.ForwardRef)) or annotation is Any


def reduced(annotation: Any) -> type | None:
    """Return the class of ``annotation``, a generic's origin; None if it is not a class.

    >>> reduced(list[int]), reduced(typing.Any), reduced(int | None)
    (<class 'list'>, None, None)
    """
    plain = stripped(annotation)
    if type(plain) is type:
        return plain
    if is_unknown(plain):
        return None
    origin = typing.get_origin(plain)
    found = plain if origin is None else origin
    return found if isinstance(found, type) and found is not types.UnionType else None


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, stripped, or the type alone."""
    plain = stripped(annotation)
    if typing.get_origin(plain) in UNION_ORIGINS:
        return tuple(m for part in typing.get_args(plain) for m in members(part))
    return (plain,)


def shape_of(cls: Any) -> Shape | None:
    """Return the fields of a TypedDict, dataclass, NamedTuple or pydantic model, else None."""
    if not isinstance(cls, type) or cls.__module__ == "builtins":
        return None
    kind = _kind_of(cls)
    return None if kind is None else _shape(cls, kind)


def _kind_of(cls: type) -> Kind | None:
    if typing.is_typeddict(cls):
        return "typed_dict"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return "named_tuple"
    return "model" if is_model(cls) else None


def generic_origin(cls: Any) -> type | None:
    """Return the generic pydantic model that ``cls`` was made of by parameters, else None."""
    metadata = getattr(cls, "__pydantic_generic_metadata__", None)
    return metadata["origin"] if metadata else None


def generic_arguments(cls: Any) -> tuple[Any, ...]:
    """Return the parameters that a generic pydantic model was made with."""
    metadata = getattr(cls, "__pydantic_generic_metadata__", None)
    return metadata["args"] if metadata else ()


@lru_cache(maxsize=1024)
def _shape(cls: Any, kind: Kind) -> Shape:
    if kind == "model":
        return _model_shape(cls)
    hints = class_hints(cls)
    if kind == "typed_dict":
        return Shape(kind, hints, frozenset(_required_keys(cls, hints)))
    if kind == "dataclass":
        return _dataclass_shape(cls, hints)
    required = frozenset(cls._fields) - frozenset(cls._field_defaults)
    return Shape(kind, {name: hints.get(name, Any) for name in cls._fields}, required)


def _model_shape(cls: Any) -> Shape:
    fields = {name: info.annotation for name, info in cls.model_fields.items()}
    required = frozenset(n for n, info in cls.model_fields.items() if info.is_required())
    private = cls.__private_attributes__
    hints = class_hints(cls) if private else {}
    hidden = tuple(hints[name] for name in private if name in hints)
    return Shape("model", fields, required, hidden=hidden)


def _dataclass_shape(cls: Any, hints: Mapping[str, Any]) -> Shape:
    fields = dataclasses.fields(cls)
    absent = dataclasses.MISSING
    required = (f.name for f in fields if f.default is absent and f.default_factory is absent)
    names = {f.name for f in fields}
    others = {name: hint for name, hint in hints.items() if name not in names}
    inputs = {name: hint for name, hint in others.items() if isinstance(hint, dataclasses.InitVar)}
    return Shape(
        "dataclass",
        {f.name: hints.get(f.name, Any) for f in fields if f.init},
        frozenset(required) - {f.name for f in fields if not f.init},
        computed={f.name: hints.get(f.name, Any) for f in fields if not f.init},
        inputs=inputs,
        hidden=tuple(others[name] for name in others if name not in inputs),
    )


def _required_keys(cls: Any, hints: Mapping[str, Any]) -> Iterator[str]:
    # __required_keys__ is wrong for string annotations, so an explicit mark decides first.
    for name, hint in hints.items():
        origin = typing.get_origin(hint)
        if origin is typing.Required or (
            origin is not typing.NotRequired and name in cls.__required_keys__
        ):
            yield name


def named_types(annotation: Any, seen: set[Any] | None = None) -> Iterator[type]:
    """Yield every class named in ``annotation``, those of its fields included, each once.

    Built-in types and abstract collections are left out, and so are TypedDicts: their values
    are plain dicts.
    """
    seen = set() if seen is None else seen
    plain = stripped(annotation)
    if typing.get_origin(plain) is Literal:
        yield from _enums_in(plain, seen)
        return
    if is_alias(plain) and plain not in seen:
        seen.add(plain)
        yield from named_types(plain.__value__, seen)
    for part in (typing.get_origin(plain), *typing.get_args(plain)):
        if part is not None and part not in UNION_ORIGINS:
            yield from _named_parts(part, seen)
    if isinstance(plain, type) and not is_unknown(plain) and plain not in seen:
        seen.add(plain)
        yield from _named_class(plain, seen)


def _named_parts(part: Any, seen: set[Any]) -> Iterator[type]:
    for inner in part if isinstance(part, list) else [part]:
        yield from named_types(inner, seen)


def _named_class(cls: type, seen: set[Any]) -> Iterator[type]:
    shape = shape_of(cls)
    if cls.__module__ not in _NO_NAMES and not (shape and shape.kind == "typed_dict"):
        yield cls
    origin = generic_origin(cls)
    if origin is not None:  # its values may be made without parameters
        yield from named_types(origin, seen)
    for part in shape.types if shape else ():
        yield from named_types(part, seen)


def _enums_in(literal: Any, seen: set[Any]) -> Iterator[type]:
    for value in typing.get_args(literal):
        if isinstance(value, Enum) and type(value) not in seen:
            seen.add(type(value))
            yield type(value)


def type_name(annotation: Any) -> str:
    """Return a type as people write it.

    >>> type_name(int), type_name(typing.Optional[list[int]])
    ('int', 'list[int] | None')
    >>> type_name(dict[str, list[types.SimpleNamespace | None]]), type_name(tuple[int, ...])
    ('dict[str, list[SimpleNamespace | None]]', 'tuple[int, ...]')
    """
    plain = stripped(annotation)
    if plain is type(None):
        return "None"
    if plain is ...:
        return "..."
    origin, parts = typing.get_origin(plain), typing.get_args(plain)
    if origin in UNION_ORIGINS:
        return " | ".join(map(type_name, parts))
    # The parameters of a callable are a list, which has no name.
    if isinstance(origin, type) and parts and not isinstance(parts[0], list):
        return f"{origin.__name__}[{', '.join(map(type_name, parts))}]"
    if isinstance(plain, type) and not isinstance(plain, types.GenericAlias):
        return plain.__name__
    return str(plain).replace("typing.", "").replace("collections.abc.", "")
