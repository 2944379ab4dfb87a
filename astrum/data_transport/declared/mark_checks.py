"""Checks one mark by itself, before it is known which tasks there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from astrum.data_transport.annotations import (
    DROP,
    NO_DEFAULT,
    Each,
    From,
    Input,
    Locator,
    TaskReference,
)
from astrum.data_transport.declared.marks import misplaced_in_default

_INPUT_NAME = re.compile(r"[^\W\d][\w.-]*")
_MAX_EACH = 2
_BETWEEN = "write a task in between that returns the inner list"


def check_from(mark: From, place: str) -> None:
    """Raise ``ValueError`` for a mark that is not valid; ``place`` is where it stands."""
    check_locator(mark.locator, place)
    if isinstance(mark.task, Sequence) and not isinstance(mark.task, str):
        _check_tasks(mark, mark.task, place)
    if type(mark.failures) is not bool:
        raise ValueError(f"{place} has failures={mark.failures!r}; use True or False")
    if mark.default is NO_DEFAULT:
        return
    if mark.failures:
        raise ValueError(
            f"{place} has default= and failures=True: a result that did not come is replaced "
            "either by the default or by a TaskFailure, so write one of them"
        )
    if mark.default is not DROP and misplaced_in_default(mark.default):
        raise ValueError(f"{place} has a reference as the default of another one: {mark!r}")


def _check_tasks(mark: From, tasks: Sequence[Any], place: str) -> None:
    if len(tasks) < 2:
        what = "no task" if not tasks else "one task"
        raise ValueError(
            f"{place} has {mark!r}, which names {what}: a list names two tasks or more, and "
            "F('task') reads the result of one"
        )
    for number, task in enumerate(tasks):
        if not isinstance(task, str) and not callable(task):
            raise ValueError(
                f"{place} has {task!r} in {mark!r}: name each task by its id or function"
            )
        if task in tasks[:number]:
            raise ValueError(f"{place} names {_shown(task)} twice in {mark!r}: name it once")


def checked_input(mark: Input, name: str, place: str) -> Input:
    """Return a mark with the name of its input; that of the parameter ``name`` is the default."""
    name = name if mark.name is None else mark.name
    check_input_name(name, place)
    check_locator(mark.locator, place)
    if type(mark.secret) is not bool:
        raise ValueError(f"{place} has an input with secret={mark.secret!r}; use True or False")
    return Input(name, mark.locator, secret=mark.secret)


def checked_each(mark: Each, name: str, place: str) -> Each:
    """Return a mark whose source, if it is an input, has a name; ``ValueError`` if not valid."""
    return _checked_each(mark, name, place, 1)


def _checked_each(mark: Each, name: str, place: str, depth: int) -> Each:
    check_locator(mark.locator, place)
    source = mark.source
    if isinstance(source, Each):
        if depth == _MAX_EACH:
            raise ValueError(f"{place} has an Each in an Each in an Each: {_BETWEEN}")
        if source.key is not None:
            raise ValueError(
                f"{place} has a key inside another Each: write key={source.key!r} in the task that "
                "reads the outer list"
            )
        source = _checked_each(source, name, place, depth + 1)
    elif isinstance(source, Input):
        source = checked_input(source, name, place)
    else:
        _check_list(mark, place)
    _check_key(mark.key, place)
    return Each(source, mark.locator, key=mark.key)


def _check_list(mark: Each, place: str) -> None:
    source: Any = mark.source
    if isinstance(source, From):
        check_from(source, place)
        if source.default is not NO_DEFAULT or source.failures:
            raise ValueError(
                f"{place} has default= or failures= inside Each, which needs the list: write them "
                "in F where the results are gathered"
            )
        source = source.task
    if isinstance(source, str) or (callable(source) and not isinstance(source, type(DROP))):
        return
    if isinstance(source, (list, tuple)):
        raise ValueError(
            f"{place} has Each over {source!r}: Each goes through one list that a task returns, so "
            "write a task that returns these values and Each of it"
        )
    raise ValueError(
        f"{place} has Each over {source!r}: name a task by its id or function, "
        'F("task", "part") or Input()'
    )


def _check_key(key: object, place: str) -> None:
    if key is not False and (key is None or type(key) in (str, int, bool)):
        return
    raise ValueError(
        f"{place} has key={key!r}: write the name or index of the part of an element that names "
        "its child, or key=True for the element itself"
    )


def check_input_name(name: object, place: str) -> None:
    """Raise ``ValueError`` for a name that no input can have; ``place`` is where it stands."""
    if not isinstance(name, str) or not _INPUT_NAME.fullmatch(name):
        raise ValueError(
            f"{place} names the input {name!r}: the name of an input begins with a letter or '_', "
            "and has letters, digits, '_', '-' and '.' only"
        )


def check_locator(locator: object, place: str) -> None:
    """Raise ``ValueError`` for what cannot take a part of a value."""
    if locator is None or isinstance(locator, str) or type(locator) is int:
        return
    raise ValueError(f"{place} has the locator {locator!r}; use a str, an int or None")


def _shown(task: TaskReference) -> str:
    return repr(task if isinstance(task, str) else getattr(task, "__name__", task))


def path_of(locator: Locator) -> tuple[str | int, ...]:
    """Return the path of a locator: no step for the whole value."""
    return () if locator is None else (locator,)
