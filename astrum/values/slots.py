"""Reads the slots of a class, which are not in the ``__dict__`` of its instances."""

from __future__ import annotations

from collections.abc import Iterable
from types import MemberDescriptorType
from typing import Any


def slots_of(cls: type) -> list[MemberDescriptorType]:
    """Return the slots that a class and its bases declare."""
    members = [member for base in cls.__mro__ for member in vars(base).values()]
    return [member for member in members if isinstance(member, MemberDescriptorType)]


def held_in(slots: Iterable[MemberDescriptorType], value: Any) -> dict[str, Any]:
    """Return what ``value`` holds in ``slots``, by name; a slot that was never set is left out."""
    held: dict[str, Any] = {}
    for slot in slots:
        try:
            held.setdefault(slot.__name__, slot.__get__(value))
        except AttributeError:
            continue
    return held
