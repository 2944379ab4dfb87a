"""Describes exceptions in plain, bounded, encodable text, even if their classes misbehave.

A user's class may raise anything from `__str__`, `__notes__` or any other attribute, and chains,
groups and tracebacks may be of any length. Nothing here raises, and nothing takes long: attributes
are read without the code of the class, and only a bounded part of them is formatted.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from astrum.errors import encodable
from astrum.planning.retry_policy import qualified_name

MAX_TRACEBACK_CHARS = 16_000
MAX_MESSAGE_CHARS = 4_000
MAX_NOTES = 20
_MOST_LINKED = 100
"""Up to this many exceptions in a chain or group are formatted as Python does; of more, a few."""
_MOST_FRAMES = 1_000
_FRAMES_SHOWN = 20
_LINKS_SHOWN = 10
_LEAVES_SHOWN = 3


def type_names(error: BaseException) -> tuple[str, ...]:
    """Return the qualified names of an exception's class and its bases, most derived first.

    Those that all exceptions of a group have in common follow the group's own, so that a retry
    policy that names them matches the group.
    """
    names = _names_of(type(error))
    leaves = list(islice(_leaves(error), _MOST_LINKED))
    if not leaves:
        return names
    common = [set(_names_of(type(leaf))) for leaf in leaves]
    shared = set.intersection(*common).difference(names)
    return (*names, *(name for name in _names_of(type(leaves[0])) if name in shared))


def message_of(error: BaseException) -> str:
    """Return an exception's message; of a group, also the messages of its first exceptions."""
    text = text_of(error)
    leaves = list(islice(_leaves(error), _LEAVES_SHOWN + 1))
    if not leaves:
        return text
    told = [_line(leaf) for leaf in leaves[:_LEAVES_SHOWN]]
    told += ["..."] if len(leaves) > _LEAVES_SHOWN else []
    return cut(f"{text}: {'; '.join(told)}", MAX_MESSAGE_CHARS)


def notes_of(error: BaseException) -> tuple[str, ...]:
    """Return the notes that were added to an exception."""
    notes = _safely(lambda: error.__notes__, ())
    if type(notes) not in (list, tuple):  # user code may set it to anything
        return ()
    return tuple(text_of(note) for note in notes[:MAX_NOTES])


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an exception and of its causes."""
    linked = list(islice(_linked(error), _MOST_LINKED + 1))
    is_long = len(linked) > _MOST_LINKED or any(_has_many_frames(each) for each in linked)
    lines = None if is_long else _safely(lambda: traceback.format_exception(error), None)
    text = _short_text(error) if lines is None else "".join(lines)
    return cut(encodable(text), MAX_TRACEBACK_CHARS)


def text_of(value: object) -> str:
    """Return ``str(value)`` as text that can be encoded, or the error that its class raised.

    >>> text_of(OSError("caf\\udce9.txt"))
    'caf\\\\udce9.txt'
    """
    try:
        text = str(value)
    except BaseException as broken:  # the user's __str__ may raise anything
        return f"<its __str__ raised {_names_of(type(broken))[0].rpartition('.')[2]}>"
    return encodable(cut(str.__str__(text), MAX_MESSAGE_CHARS))


def cut(text: str, limit: int) -> str:
    """Shorten ``text`` to about ``limit`` characters, keeping its start and its end.

    >>> cut("abcdefghij", 4)
    'ab\\n... 6 characters left out ...\\nij'
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"


def _safely(call: Callable[[], Any], default: Any) -> Any:
    try:
        return call()
    except BaseException:  # the class is the user's: even SystemExit is only a fault of it
        return default


def _names_of(cls: type) -> tuple[str, ...]:
    mro = type.__dict__["__mro__"].__get__(cls)
    return tuple(_name_of(base) for base in mro[:-1])


def _name_of(cls: type) -> str:
    return encodable(_safely(lambda: qualified_name(cls), "?"))


def _line(error: BaseException) -> str:
    name = _names_of(type(error))[0].rpartition(".")[2]
    return cut(f"{name}: {text_of(error)}", MAX_MESSAGE_CHARS // (2 * _LEAVES_SHOWN))


def _members(error: BaseException) -> tuple[BaseException, ...]:
    # Not by isinstance and not by an attribute: both may run the user's code.
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    members: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(error)
    return members


def _causes(error: BaseException) -> tuple[BaseException | None, ...]:
    fields = BaseException.__dict__
    return fields["__cause__"].__get__(error), fields["__context__"].__get__(error)


def _linked(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes and the members of groups, each once."""
    known, waiting = {id(error)}, [error]
    while waiting:
        each = waiting.pop()
        yield each
        for other in (*_causes(each), *_members(each)[: _MOST_LINKED + 1]):
            if other is not None and id(other) not in known:
                known.add(id(other))
                waiting.append(other)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group that are not groups; nothing for any other exception."""
    waiting = list(reversed(_members(error)))
    while waiting:
        each = waiting.pop()
        members = _members(each)
        if members:
            waiting.extend(reversed(members))
        else:
            yield each


def _has_many_frames(error: BaseException) -> bool:
    return sum(1 for _ in islice(_frames(error), _MOST_FRAMES + 1)) > _MOST_FRAMES


def _frames(error: BaseException) -> Iterator[TracebackType]:
    at = BaseException.__dict__["__traceback__"].__get__(error)
    while at is not None:
        yield at
        at = at.tb_next


def _short_text(error: BaseException) -> str:
    """Describe an exception that is too large, or too broken, to be formatted as a whole."""
    parts = ["Traceback (most recent call last, in short):\n", *_frame_lines(error), _line(error)]
    for other in islice(_linked(error), 1, _LINKS_SHOWN):
        parts.append(f"\nbelongs to it: {_line(other)}")
    return "".join(parts)


def _frame_lines(error: BaseException) -> Iterator[str]:
    frames = list(islice(_frames(error), 1_000_000))
    left_out = len(frames) - 2 * _FRAMES_SHOWN
    shown = frames if left_out <= 0 else frames[:_FRAMES_SHOWN] + frames[-_FRAMES_SHOWN:]
    for index, at in enumerate(shown):
        if left_out > 0 and index == _FRAMES_SHOWN:
            yield f"  ... {left_out} frames left out ...\n"
        code = at.tb_frame.f_code
        yield f'  File "{code.co_filename}", line {at.tb_lineno}, in {code.co_name}\n'
