"""Types with a name of their own: the user's enums, dataclasses, NamedTuples, models, extensions.

A value is taken apart to parts that travel with the type's name and is put together again by the
process that declares a type of that name. No type is ever looked up or imported by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum, Flag
from functools import cached_property
from typing import Any, Protocol

from pydantic import BaseModel

from astrum.errors import DecodeError
from astrum.planning.retry_policy import qualified_name
from astrum.wire.codes import Code
from astrum.wire.opaque import Opaque
from astrum.wire.refusals import Refusal

_HEAP_TYPE = 1 << 9
"""The bit of ``type.__flags__`` that classes written in Python have."""


class NamedType(Protocol):
    """How the values of one named type are taken apart and put together."""

    code: Code
    name: str

    def take_apart(self, value: Any) -> list[Any]: ...
    def put_together(self, parts: Sequence[Any]) -> Any: ...


@dataclass(frozen=True)
class Extension:
    """A type that the user teaches the codec; ``name`` is what travels, for ever.

    Only instances of exactly ``cls`` use it. All processes of an installation that meet such
    values must register it.
    """

    name: str
    cls: type
    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any]


def opaque(code: Code, type_name: str, parts: Sequence[Any]) -> Opaque:
    """Return the parts of a named value under the names that its repr shows."""
    if code is Code.ENUM:
        name, value, _ = parts
        return Opaque(str(type_name), {"name": name, "value": value}, is_member=True)
    if code is Code.EXTENSION:
        return Opaque(str(type_name), {"data": parts[0]})
    more = parts[-1] if isinstance(parts[-1], dict) else {}
    return Opaque(str(type_name), {str(name): part for name, part in (parts[0] | more).items()})


class EnumType:
    """An enum's member travels by its name, a flag by its value.

    A plain text or number as value goes along, for reports, with whether the member equals it (as
    those of a StrEnum do), for whoever looks up a key by it.
    """

    code = Code.ENUM

    def __init__(self, cls: type[Enum]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)

    def take_apart(self, value: Enum) -> list[Any]:
        plain = value.value if type(value.value) in (int, str) else None
        return [value.name, plain, isinstance(value, (int, str))]

    def put_together(self, parts: Sequence[Any]) -> Enum:
        name, value, _ = parts
        return self.cls(value) if issubclass(self.cls, Flag) else self.cls[name]


class NamedTupleType:
    """A NamedTuple travels as a map from field to value, in order."""

    code = Code.NAMED_TUPLE

    def __init__(self, cls: type[tuple[Any, ...]]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)
        self._fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
        self._defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})

    def take_apart(self, value: Any) -> list[Any]:
        if len(value) != len(self._fields) or getattr(value, "__dict__", None):
            raise Refusal(value, "it holds more or less than its fields; use a dataclass")
        return [dict(zip(self._fields, value, strict=True))]

    def put_together(self, parts: Sequence[Any]) -> Any:
        (held,) = parts
        _check_known(self.name, held, self._fields)
        missing = [name for name in self._fields if name not in held | self._defaults]
        _check_complete(self.name, missing)
        values = [held[n] if n in held else self._defaults[n] for n in self._fields]
        return tuple.__new__(self.cls, values)


class DataclassType:
    """A dataclass is rebuilt from its fields and other attributes; no ``__init__`` runs.

    So fields with ``init=False`` and what ``__post_init__`` computed come back as they were.
    Values that `functools.cached_property` cached do not travel.
    """

    code = Code.DATACLASS

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)
        self._fields: dict[str, Field[Any]] = {item.name: item for item in fields(cls)}
        self._skipped = frozenset(self._fields) | _cached_names(cls)

    def take_apart(self, value: Any) -> list[Any]:
        held = {name: getattr(value, name) for name in self._fields if hasattr(value, name)}
        others = {
            name: part
            for name, part in getattr(value, "__dict__", {}).items()
            if name not in self._skipped and not name.startswith("__")
        }
        return [held, others] if others else [held]

    def put_together(self, parts: Sequence[Any]) -> Any:
        held, *rest = parts
        _check_known(self.name, held, self._fields)
        value = object.__new__(self.cls)
        for name, part in (self._defaults(held) | held).items():
            object.__setattr__(value, name, part)
        for name, part in (rest[0] if rest else {}).items():
            _check_attribute(self.name, name)
            object.__setattr__(value, name, part)
        return value

    def _defaults(self, held: Mapping[str, Any]) -> dict[str, Any]:
        absent = [item for name, item in self._fields.items() if name not in held]
        found = {item.name: _default(item) for item in absent if _has_default(item)}
        _check_complete(self.name, [i.name for i in absent if i.init and i.name not in found])
        return found


class ModelType:
    """A pydantic model is rebuilt in the state it had: fields, extras, which fields were set.

    It is not validated again, since a validator that was made for raw input may refuse or change
    what it once returned. Private attributes are not carried: they get their defaults, and
    ``model_post_init`` runs.
    """

    code = Code.MODEL

    def __init__(self, cls: type[BaseModel]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)

    def take_apart(self, value: BaseModel) -> list[Any]:
        names = self.cls.model_fields
        held = {name: part for name, part in value.__dict__.items() if name in names}
        if len(held) != len(names):
            absent = ", ".join(sorted(names.keys() - held.keys()))
            raise Refusal(value, f"it was built without validation and lacks {absent}")
        given = value.model_fields_set
        extra = value.__pydantic_extra__
        if not extra and len(given) == len(names):
            return [held]
        return [held, sorted(given), extra] if extra else [held, sorted(given)]

    def put_together(self, parts: Sequence[Any]) -> BaseModel:
        held, *rest = parts
        known = self.cls.model_fields
        _check_known(self.name, held, known)
        absent = [name for name in known if name not in held]
        _check_complete(self.name, [name for name in absent if known[name].is_required()])
        held |= {n: known[n].get_default(call_default_factory=True) for n in absent}
        allows_extra = self.cls.model_config.get("extra") == "allow"
        extra = rest[1] if len(rest) > 1 else {}
        _check_known(self.name, {} if allows_extra else extra, ())
        return self._restore(held, set(rest[0] if rest else held), extra if allows_extra else None)

    def _restore(self, held: dict[str, Any], given: set[str], extra: Any) -> BaseModel:
        value = self.cls.__new__(self.cls)
        state = {
            "__dict__": held,
            "__pydantic_fields_set__": given,
            "__pydantic_extra__": extra,
            "__pydantic_private__": None,
        }
        BaseModel.__setstate__(value, state)
        if self.cls.__pydantic_post_init__:
            value.model_post_init(None)
        return value


class ExtensionType:
    """A type that the user registered with its own two functions."""

    code = Code.EXTENSION

    def __init__(self, extension: Extension) -> None:
        self.cls = extension.cls
        self.name = extension.name
        self._extension = extension

    def take_apart(self, value: Any) -> list[Any]:
        try:
            data = self._extension.to_bytes(value)
        except Exception as error:  # the user's code may raise anything
            advice = f"its extension raised {type(error).__name__}: {error}"
            raise Refusal(value, advice) from error
        if type(data) is not bytes:
            raise Refusal(value, f"its extension returned {type(data).__name__} instead of bytes")
        return [data]

    def put_together(self, parts: Sequence[Any]) -> Any:
        (data,) = parts
        return self._extension.from_bytes(data)


def named_type(cls: type) -> NamedType | None:
    """Return how a declared class travels; None for a class that has no such way."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, Enum):
        return EnumType(cls)
    if issubclass(cls, BaseModel):
        return ModelType(cls)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return NamedTupleType(cls)
    return DataclassType(cls) if is_dataclass(cls) and _is_plain_object(cls) else None


def _is_plain_object(cls: type) -> bool:
    return all(base is object or base.__flags__ & _HEAP_TYPE for base in cls.__mro__)


def _cached_names(cls: type) -> frozenset[str]:
    return frozenset(
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, cached_property)
    )


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _check_known(type_name: str, held: Any, known: Any) -> None:
    if not isinstance(held, dict):
        raise DecodeError(f"a {type_name} must hold a map of fields")
    for name in held:
        if name not in known:
            raise DecodeError(
                f"a {type_name} arrived with {name!r}, which the class of that name here does "
                "not have: run the same code on all hosts"
            )


def _check_complete(type_name: str, missing: Sequence[str]) -> None:
    if missing:
        raise DecodeError(
            f"a {type_name} arrived without {', '.join(missing)}, which the class of that name "
            "here requires: run the same code on all hosts"
        )


def _check_attribute(type_name: str, name: Any) -> None:
    if not isinstance(name, str) or name.startswith("__"):
        raise DecodeError(f"a {type_name} arrived with the attribute {name!r}, which is none")
