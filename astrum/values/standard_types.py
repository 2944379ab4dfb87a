"""Types of the standard library and of pydantic that travel as their parts under a fixed name.

All of them share one extension number. The payload is the type's name, then its constructor's
arguments. A name that is not in the table is refused: nothing is imported by name.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pydantic
import pydantic_core
from pydantic import networks

from astrum.data_transport.task_failure import TaskFailure
from astrum.errors import DecodeError
from astrum.values.builtin_types import Carrier, Pack, Unpack, zone_from, zone_parts
from astrum.values.codes import Code
from astrum.values.refusals import Refusal


class Recipe(NamedTuple):
    """Takes values of one exact type apart and makes them again.

    ``kinds`` are the types of the parts, () for any: a value with parts of other types is refused.
    ``is_checked``: the writer makes the value again and compares, since the constructor
    normalizes its arguments.
    """

    cls: type
    take: Callable[[Any], Sequence[Any]]
    make: Callable[..., Any]
    kinds: tuple[type, ...] = (str,)
    is_checked: bool = False


_ADDRESSES = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
_ANY_ZONE = (str, list, int)


def _url_types() -> dict[str, type]:
    """Return the URL classes of the pydantic that is installed, which differ by its version."""
    found: dict[str, type] = {
        "core.Url": pydantic_core.Url,
        "core.MultiHostUrl": pydantic_core.MultiHostUrl,
    }
    for name in networks.__all__:
        member = getattr(networks, name, None)
        if isinstance(member, type) and name.endswith(("Url", "Dsn")):
            found[name] = member
    return found


def _take_pattern(value: re.Pattern[Any]) -> Sequence[Any]:
    return value.pattern, int(value.flags & ~re.DEBUG)


def _take_deque(value: deque[Any]) -> Sequence[Any]:
    return list(value), value.maxlen


def _take_failure(value: TaskFailure) -> Sequence[Any]:
    return value.task, value.status, value.message, list(value.types)


def _make_failure(task: str, status: Any, message: str, types: list[str]) -> TaskFailure:
    return TaskFailure(task, status, message, tuple(types))


RECIPES: Mapping[str, Recipe] = {
    "Fraction": Recipe(
        Fraction, lambda value: (value.numerator, value.denominator), Fraction, (int,)
    ),
    "deque": Recipe(deque, _take_deque, deque, (list, int, type(None))),
    "Pattern": Recipe(re.Pattern, _take_pattern, re.compile, (str, bytes, int), is_checked=True),
    **{cls.__name__: Recipe(cls, lambda value: (str(value),), cls) for cls in _ADDRESSES},
    "ZoneInfo": Recipe(ZoneInfo, lambda value: (zone_parts(value),), zone_from, _ANY_ZONE),
    "timezone": Recipe(timezone, lambda value: (zone_parts(value),), zone_from, _ANY_ZONE),
    "core.TzInfo": Recipe(
        pydantic_core.TzInfo, lambda value: (zone_parts(value),), zone_from, _ANY_ZONE
    ),
    "SecretStr": Recipe(
        pydantic.SecretStr, lambda value: (value.get_secret_value(),), pydantic.SecretStr
    ),
    "SecretBytes": Recipe(
        pydantic.SecretBytes,
        lambda value: (value.get_secret_value(),),
        pydantic.SecretBytes,
        (bytes,),
    ),
    # What a Secret holds is encoded like any value, so it may be of any type.
    "Secret": Recipe(
        pydantic.Secret, lambda value: (value.get_secret_value(),), pydantic.Secret, kinds=()
    ),
    "ByteSize": Recipe(pydantic.ByteSize, lambda value: (int(value),), pydantic.ByteSize, (int,)),
    "NameEmail": Recipe(
        pydantic.NameEmail, lambda value: (value.name, value.email), pydantic.NameEmail
    ),
    "TaskFailure": Recipe(TaskFailure, _take_failure, _make_failure, (str, list)),
    **{
        name: Recipe(cls, lambda value: (str(value),), cls, is_checked=True)
        for name, cls in _url_types().items()
    },
}


def _writer(name: str, recipe: Recipe) -> Callable[[Any, Pack], bytes]:
    def write(value: Any, pack: Pack) -> bytes:
        try:
            parts = recipe.take(value)
        except ValueError as error:
            raise Refusal(value, str(error)) from None
        if recipe.is_checked and not _is_same(recipe.make(*parts), value):
            raise Refusal(value, "reading it again would change it; send str(...) of it")
        return pack([name, *parts])

    return write


def _is_same(again: Any, value: Any) -> bool:
    return bool(again == value) and str(again) == str(value)


def _read(payload: bytes, unpack: Unpack) -> Any:
    name, *parts = unpack(payload)
    recipe = RECIPES.get(name)
    if recipe is None:
        raise DecodeError(
            f"the value holds the type {name!r}, which this process does not know: run the same "
            "Astrum version everywhere"
        )
    if recipe.kinds and any(type(part) not in recipe.kinds for part in parts):
        raise DecodeError(f"a {name} arrived with parts of the wrong type")
    return recipe.make(*parts)


STANDARD_TYPES: Mapping[type, Carrier] = {
    recipe.cls: Carrier(Code.STANDARD, _writer(name, recipe), _read)
    for name, recipe in RECIPES.items()
}
