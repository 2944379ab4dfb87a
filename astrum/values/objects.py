"""Encodes dataclasses and pydantic models as their state: no constructor runs again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cached_property
from types import MemberDescriptorType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import ModelPrivateAttr
from pydantic_core import PydanticUndefined

from astrum.errors import DecodeError
from astrum.planning.retry_policy import qualified_name
from astrum.values.codes import Code
from astrum.values.refusals import Refusal
from astrum.values.slots import held_in, slots_of

_TYPING_NAMES = ("__orig_class__",)
"""Attributes that typing sets on an instance and that say nothing about its value."""

Travels = Callable[[Any], bool]
"""Returns whether a part can be encoded."""


class DataclassType:
    """A dataclass is rebuilt from its fields and other attributes; no ``__init__`` runs.

    So fields with ``init=False``, values that ``__post_init__`` computed and the slots of its bases
    are restored. What `functools.cached_property` cached travels if it can; if not, the reader
    computes it again.
    """

    code = Code.DATACLASS

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)
        self._fields: dict[str, Field[Any]] = {item.name: item for item in fields(cls)}
        self._cached = _cached_names(cls)
        self._slots = [slot for slot in slots_of(cls) if slot.__name__ not in self._fields]
        self._set_by_code = [name for name in self._fields if _is_set_by_code(cls, name)]

    def take_apart(self, value: Any, travels: Travels) -> list[Any]:
        held = _held_fields(value, self._fields)
        if len(held) < len(self._fields):
            self._refuse_lacking(value, held)
        attributes = dict(_attribute(value, "__dict__", {}))
        others = {n: part for n, part in attributes.items() if self._is_other(n)}
        others |= held_in(self._slots, value)
        _refuse_special(value, others)
        cached = _cached_parts(attributes, self._cached, travels)
        parts = _trimmed([held, others, cached])
        if self._set_by_code:
            self._refuse_other_fields(value, parts)
        return parts

    def _refuse_lacking(self, value: Any, held: Mapping[str, Any]) -> None:
        """Refuse a value without a field that its reader would miss, or would give a default."""
        for name, item in self._fields.items():
            if name not in held and (item.init or _has_default(item)):
                raise Refusal(value, f"it lacks its field {name!r}; set it, to None for instance")

    def _refuse_other_fields(self, value: Any, parts: Sequence[Any]) -> None:
        """Refuse a value whose properties or descriptors would change a field when it is set."""
        again = self.put_together(parts)
        for name in self._set_by_code:
            one, other = _attribute(value, name), _attribute(again, name)
            if not (one is other or one == other):
                advice = f"setting its field {name!r} again changes it; send plain data"
                raise Refusal(value, advice)

    def put_together(self, parts: Sequence[Any]) -> Any:
        held, others, cached = _filled(parts, {}, [])
        check_known(self.name, held, self._fields)
        value = object.__new__(self.cls)
        for name, part in (self._defaults(held) | held).items():
            object.__setattr__(value, name, part)
        for name, part in others.items():
            _check_attribute(self.name, name)
            object.__setattr__(value, name, part)
        if cached:
            vars(value).update(_known_cached(self.name, cached, self._cached))
        return value

    def _is_other(self, name: str) -> bool:
        return not (name in self._fields or name in self._cached or name in _TYPING_NAMES)

    def _defaults(self, held: Mapping[str, Any]) -> dict[str, Any]:
        absent = [item for name, item in self._fields.items() if name not in held]
        found = {item.name: _default(item) for item in absent if _has_default(item)}
        check_complete(self.name, [i.name for i in absent if i.init and i.name not in found])
        return found


class ModelType:
    """A pydantic model is rebuilt in the state it had: fields, extras, private attributes, which
    fields were set.

    It is not validated again, since a validator that was made for raw input may refuse or change
    what it once returned, and ``model_post_init`` does not run again. Cached properties are as
    those of a dataclass.
    """

    code = Code.MODEL

    def __init__(self, cls: type[BaseModel]) -> None:
        self.cls = cls
        self.name = qualified_name(cls)
        self._cached = _cached_names(cls)
        self._slots = slots_of(cls)

    def take_apart(self, value: BaseModel, travels: Travels) -> list[Any]:
        names = self.cls.model_fields
        held = {name: part for name, part in value.__dict__.items() if name in names}
        self._refuse_partial(value, held)
        # As pairs: a locator could read the entries of a map, and these are not fields.
        private = [[name, part] for name, part in (value.__pydantic_private__ or {}).items()]
        extra = value.__pydantic_extra__ or {}
        cached = _cached_parts(value.__dict__, self._cached, travels)
        parts = [held, sorted(value.model_fields_set), extra, private, cached]
        is_whole = value.model_fields_set == held.keys()
        return [held] if is_whole and not (extra or private or cached) else _trimmed(parts, 2)

    def put_together(self, parts: Sequence[Any]) -> BaseModel:
        held, given, extra, private, cached = _filled(parts, None, {}, [], [])
        known = self.cls.model_fields
        check_known(self.name, held, known)
        absent = [name for name in known if name not in held]
        check_complete(self.name, [name for name in absent if known[name].is_required()])
        given = set(held if given is None else given)
        held |= {n: known[n].get_default(call_default_factory=True) for n in absent}
        allows_extra = self.cls.model_config.get("extra") == "allow"
        check_known(self.name, {} if allows_extra else extra, ())
        value = self._restore(held, given, extra if allows_extra else None, dict(private))
        value.__dict__.update(_known_cached(self.name, cached, self._cached))
        return value

    def _refuse_partial(self, value: BaseModel, held: Mapping[str, Any]) -> None:
        absent = self.cls.model_fields.keys() - held.keys()
        if absent:
            names = ", ".join(sorted(absent))
            raise Refusal(value, f"it was built without validation and lacks {names}")
        others = value.__dict__.keys() - held.keys() - self._cached
        others |= held_in(self._slots, value).keys()
        # pydantic keeps its own data in slots, but that of a RootModel among the attributes.
        others = {name for name in others if not name.startswith("__pydantic_")} - {"__dict__"}
        if others:
            advice = f"its attribute {min(others)!r} would be lost; make it a field or PrivateAttr"
            raise Refusal(value, advice)
        private = value.__pydantic_private__ or {}
        for name, attribute in self.cls.__private_attributes__.items():
            if name not in private and _has_private_default(attribute):
                raise Refusal(value, f"its private attribute {name!r} was deleted; set it to None")

    def _restore(
        self, held: dict[str, Any], given: set[str], extra: Any, private: Mapping[str, Any]
    ) -> BaseModel:
        declared = self.cls.__private_attributes__
        check_known(self.name, private, declared)
        lacking = [
            name
            for name in declared
            if name not in private and _has_private_default(declared[name])
        ]
        absent = {name: _private_default(declared[name], held) for name in lacking}
        value = self.cls.__new__(self.cls)
        state = {
            "__dict__": held,
            "__pydantic_fields_set__": given,
            "__pydantic_extra__": extra,
            "__pydantic_private__": None,
        }
        BaseModel.__setstate__(value, state)
        if declared:  # afterwards, since a RootModel keeps them where its fields are
            object.__setattr__(value, "__pydantic_private__", {**absent, **private})
        return value


def _attribute(value: Any, name: str, absent: Any = None) -> Any:
    """Return the stored attribute of ``value``; ignores a ``__getattribute__`` of its class."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return absent


def _held_fields(value: Any, names: Iterable[str]) -> dict[str, Any]:
    found = ((name, _attribute(value, name, MISSING)) for name in names)
    return {name: part for name, part in found if part is not MISSING}


def _is_set_by_code(cls: type, name: str) -> bool:
    found = inspect.getattr_static(cls, name, None)
    return hasattr(type(found), "__set__") and not isinstance(found, MemberDescriptorType)


def _cached_names(cls: type) -> frozenset[str]:
    return frozenset(
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, cached_property)
    )


def _cached_parts(
    attributes: Mapping[str, Any], cached: frozenset[str], travels: Travels
) -> list[list[Any]]:
    """Return computed values as pairs of name and value, so that locators cannot read them."""
    found = ([name, attributes[name]] for name in sorted(cached) if name in attributes)
    return [pair for pair in found if travels(pair)] if cached else []


def _known_cached(type_name: str, pairs: Any, cached: frozenset[str]) -> dict[str, Any]:
    held = dict(pairs)
    check_known(type_name, held, cached)
    return held


def _refuse_special(value: Any, others: Mapping[str, Any]) -> None:
    special = next((name for name in others if name.startswith("__")), None)
    if special is not None:
        advice = f"its attribute {special!r} would be lost; name it without two leading underscores"
        raise Refusal(value, advice)


def _trimmed(parts: list[Any], least: int = 1) -> list[Any]:
    """Return ``parts`` without the empty ones at the end."""
    while len(parts) > least and not parts[-1]:
        parts.pop()
    return parts


def _filled(parts: Sequence[Any], *absent: Any) -> list[Any]:
    """Return ``parts``, with ``absent`` for those that are missing at the end."""
    return [*parts, *absent[len(parts) - 1 :]]


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _has_private_default(attribute: ModelPrivateAttr) -> bool:
    has_factory = attribute.default_factory is not None
    return has_factory or attribute.default is not PydanticUndefined


def _private_default(attribute: ModelPrivateAttr, held: dict[str, Any]) -> Any:
    factory: Callable[..., Any] | None = attribute.default_factory
    if factory is None:
        return attribute.get_default()
    takes_data = getattr(attribute, "default_factory_takes_validated_data", False)
    return factory(held) if takes_data else factory()


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def check_known(type_name: str, held: Any, known: Any) -> None:
    """Raise `DecodeError` for a name that the class here does not have."""
    if not isinstance(held, dict):
        raise DecodeError(f"a {type_name} must hold a map of fields")
    for name in held:
        if name not in known:
            raise DecodeError(
                f"a {type_name} arrived with {name!r}, which the class of that name here does "
                "not have: run the same code on all hosts"
            )


def check_complete(type_name: str, missing: Sequence[str]) -> None:
    """Raise `DecodeError` if anything is missing that the class here requires."""
    if missing:
        raise DecodeError(
            f"a {type_name} arrived without {', '.join(missing)}, which the class of that name "
            "here requires: run the same code on all hosts"
        )


def _check_attribute(type_name: str, name: Any) -> None:
    if not isinstance(name, str) or name.startswith("__"):
        raise DecodeError(
            f"a {type_name} arrived with the attribute {name!r}, which is not allowed"
        )
