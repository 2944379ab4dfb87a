"""Shows values of types that this process does not have, with advice how to get the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

_SCRIPT = "__main__"
_PACKAGES = ("numpy", "pandas", "polars", "pyarrow")
"""Packages whose values Astrum itself reads if they are installed."""


class Opaque:
    """A value of a named type in a process that does not have that type.

    ``fields`` maps names to the parts of the value; an enum's member has ``name`` and ``value``.
    It is for display: it cannot be encoded again, and where the real value is needed its errors
    say how to get it.
    """

    __slots__ = ("fields", "is_member", "type_name")

    type_name: str
    fields: Mapping[str, Any]
    is_member: bool

    def __init__(self, type_name: str, fields: Mapping[str, Any], is_member: bool = False) -> None:
        object.__setattr__(self, "type_name", type_name)
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "is_member", is_member)

    def __getattr__(self, name: str) -> NoReturn:
        # Copying and unpickling ask for names before the object has its fields.
        if name in Opaque.__slots__ or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"{Opaque.__name__!r} object has no attribute {name!r}")
        raise AttributeError(f"{self._what}, so it has no attribute {name!r}: {self._how}")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{self._what} and cannot be changed: {self._how}")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self._what}, so it cannot be encoded or unpacked: {self._how}")

    def __getitem__(self, key: Any) -> NoReturn:
        raise TypeError(f"{self._what}, so it has no item {key!r}: {self._how}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Opaque, (self.type_name, self.fields, self.is_member)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return NotImplemented
        mine = (self.type_name, self.fields, self.is_member)
        return mine == (other.type_name, other.fields, other.is_member)

    def __hash__(self) -> int:
        member = self.fields.get("name") if self.is_member else None
        return hash((self.type_name, str(member), frozenset(self.fields)))

    def __repr__(self) -> str:
        return f"<{self._shown}, without its type: {_way_to(self.type_name)}>"

    @property
    def _what(self) -> str:
        return f"this is a value of the type {self.type_name}, which this process does not know"

    @property
    def _how(self) -> str:
        held = ", ".join(map(repr, self.fields)) or "none"
        return f"{_way_to(self.type_name)}; what it holds is in .fields: {held}"

    @property
    def _shown(self) -> str:
        short = self.type_name.rpartition(".")[2]
        if self.is_member:
            return f"{short}.{self.fields['name']}"
        held = ", ".join(f"{name}={plain_repr(value)}" for name, value in self.fields.items())
        return f"{short}({held})"


def plain_repr(value: Any) -> str:
    """Return the repr of a value, without the advice of those that lack their type."""
    kind = type(value)
    if kind is Opaque:
        return cast(Opaque, value)._shown
    if kind is list or kind is tuple:
        items = ", ".join(map(plain_repr, value))
        if kind is list:
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"
    if kind is dict:
        held = (f"{plain_repr(key)}: {plain_repr(item)}" for key, item in value.items())
        return f"{{{', '.join(held)}}}"
    return repr(value)


def _way_to(type_name: str) -> str:
    """Return how to get values of a type in place of this.

    >>> _way_to("shop.Order")
    'import shop before you ask for the result, or pass types=[Order] when you ask'
    """
    module, short = _module_of(type_name), type_name.rpartition(".")[2]
    if module.partition(".")[0] in _PACKAGES:
        return f"install {module.partition('.')[0]} here"
    asked = f"pass types=[{short}] when you ask"
    if not module or module.partition(".")[0] == _SCRIPT:
        return f"{asked} (its script is not a module that others can import)"
    return f"import {module} before you ask for the result, or {asked}"


def _module_of(type_name: str) -> str:
    """Return the module in a qualified name, which does not say where the module ends.

    >>> _module_of("shop.parts.Order.Line"), _module_of("shop.make.<locals>.Order")
    ('shop.parts', 'shop')
    """
    outer = type_name.partition(".<locals>")[0]
    path = outer.split(".")[:-1]
    while path and path[-1][:1].isupper():  # a class round it
        path.pop()
    return ".".join(path)
