"""Types with a name of their own: the user's enums, dataclasses, NamedTuples, models, extensions.

A value is taken apart to parts that travel with the type's name and is put together again by the
process that declares a type of that name. No type is ever looked up or imported by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from enum import Enum, Flag
from typing import Any, Protocol

from pydantic import BaseModel

from astrum.errors import DecodeError
from astrum.planning.retry_policy import qualified_name
from astrum.values.codes import Code
from astrum.values.objects import DataclassType, ModelType, Travels, check_complete, check_known
from astrum.values.opaque import Opaque
from astrum.values.refusals import Refusal

_HEAP_TYPE = 1 << 9
"""The bit of ``type.__flags__`` that classes written in Python have."""


_SHOWN_PARTS: Mapping[Code, Sequence[int]] = {
    Code.DATACLASS: (0, 1),
    Code.NAMED_TUPLE: (0,),
    Code.MODEL: (0, 2),
}
"""The parts of a named value that its repr shows: a model's private attributes are not."""


class NamedType(Protocol):
    """Takes the values of one named type apart and puts them together.

    ``travels`` is asked about parts that the reader can compute again.
    """

    code: Code
    name: str

    def take_apart(self, value: Any, travels: Travels) -> list[Any]: ...
    def put_together(self, parts: Sequence[Any]) -> Any: ...


@dataclass(frozen=True)
class Extension:
    """A type that the user adds to the codec; ``name`` travels, so it must never change.

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
    shown = [parts[place] for place in _SHOWN_PARTS[code] if place < len(parts)]
    held = {str(name): part for fields in shown for name, part in fields.items()}
    return Opaque(str(type_name), held)


class EnumType:
    """An enum's member travels by its name, a flag by its value.

    If its value is a plain string or number, that travels too, for reports. So does whether the
    member equals it (as those of a StrEnum do), for look-ups of keys. A member that ``_missing_``
    made travels by its value, if ``_missing_`` makes an equal one again.
    """

    code = Code.ENUM

    def __init__(self, cls: type[Enum]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)

    def take_apart(self, value: Enum, travels: Travels) -> list[Any]:
        held = value.value
        is_member = self.cls.__members__.get(str(value.name)) is value
        if not is_member and not self._comes_back(value):
            raise Refusal(value, "its enum would not make it again; send its value")
        by_value = not is_member or issubclass(self.cls, Flag)
        plain = held if by_value or type(held) in (int, str) else None
        return [value.name, plain, isinstance(value, (int, str))]

    def put_together(self, parts: Sequence[Any]) -> Enum:
        name, value, _ = parts
        if issubclass(self.cls, Flag):
            return self.cls(value)
        member = self.cls.__members__.get(name)
        if member is not None:
            return member
        made = self.cls(value)
        if made.name != name:
            raise DecodeError(
                f"a {self.name} arrived with the member {name!r}, which the enum of that name here "
                "does not have: run the same code on all hosts"
            )
        return made

    def _comes_back(self, value: Enum) -> bool:
        try:
            again = self.cls(value.value)
        except Exception:  # the user's _missing_ may raise anything
            return False
        same_value = type(again.value) is type(value.value) and again.value == value.value
        return same_value and again == value and vars(again) == vars(value)


class NamedTupleType:
    """A NamedTuple travels as a map from field to value, in order."""

    code = Code.NAMED_TUPLE

    def __init__(self, cls: type[tuple[Any, ...]]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)
        self._fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
        self._defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})

    def take_apart(self, value: Any, travels: Travels) -> list[Any]:
        if len(value) != len(self._fields) or getattr(value, "__dict__", None):
            raise Refusal(value, "it holds more or less than its fields; use a dataclass")
        return [dict(zip(self._fields, value, strict=True))]

    def put_together(self, parts: Sequence[Any]) -> Any:
        (held,) = parts
        check_known(self.name, held, self._fields)
        missing = [name for name in self._fields if name not in held | self._defaults]
        check_complete(self.name, missing)
        values = [held[n] if n in held else self._defaults[n] for n in self._fields]
        return tuple.__new__(self.cls, values)


class ExtensionType:
    """A type that the user registered with its own two functions."""

    code = Code.EXTENSION

    def __init__(self, extension: Extension) -> None:
        self.cls = extension.cls
        self.name = extension.name
        self._extension = extension

    def take_apart(self, value: Any, travels: Travels) -> list[Any]:
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
