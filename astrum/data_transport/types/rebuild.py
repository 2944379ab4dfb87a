"""Rebuilds dataclasses and NamedTuples from a dict of their fields, as ``asdict`` makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from astrum.data_transport.types.class_fields import Shape, type_name
from astrum.data_transport.types.misfit import Misfit


def rebuilt(cls: Any, shape: Shape, fields: Mapping[str, Any]) -> Any:
    """Return an instance of ``cls`` that holds ``fields``; raises `Misfit`.

    If it has a field that the constructor does not take (``init=False``), the dict can only come
    from an instance, so all fields are set to what was sent. Otherwise the constructor decides,
    unless it would change its own result again: then it is unknown whether it has run before.
    """
    unknown = [name for name in fields if not shape.knows(name)]
    if unknown:
        raise Misfit(type_name(cls), f"a dict with the unknown field {unknown[0]!r}")
    given = {name: part for name, part in fields.items() if name not in shape.computed}
    make = _maker(cls)
    made = make(given)
    if len(given) != len(fields):
        for name in fields:
            if name not in shape.inputs:
                object.__setattr__(made, name, fields[name])
    elif shape.kind == "dataclass" and not shape.inputs.keys() & given.keys():
        _refuse_second_run(cls, make, made, given)
    return made


def _maker(cls: Any) -> Callable[[dict[str, Any]], Any]:
    def make(given: dict[str, Any]) -> Any:
        try:
            return cls(**given)
        except (TypeError, ValueError) as error:
            raise Misfit(type_name(cls), f"a dict that it refuses ({error})") from error

    return make


def _refuse_second_run(
    cls: Any, make: Callable[[dict[str, Any]], Any], made: Any, given: dict[str, Any]
) -> None:
    changed = _changed(made, given, given)
    if not changed:
        return
    try:
        again = make(given | {name: getattr(made, name) for name in changed})
    except Misfit:
        return  # it does not take its own result, so it has not run before
    unsettled = _changed(again, {name: getattr(made, name) for name in changed}, changed)
    if unsettled:
        raise Misfit(
            type_name(cls),
            f"a dict, and its constructor changes {unsettled[0]!r} each time it runs (let the task "
            f"return the {type_name(cls)} itself)",
        )


def _changed(made: Any, wanted: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [name for name in names if not _is_same(getattr(made, name, None), wanted[name])]


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return bool(one == other) or (one != one and other != other)
    except Exception:  # arrays compare item by item
        return type(one) is type(other)
