"""A value that does not fit its type: what was expected, what was given, and where it is."""

from __future__ import annotations

import sys
from typing import Any

from astrum.data_transport.types.class_fields import type_name

_MAX_SHOWN = 40
_PLAIN = (bool, int, float, complex, str, bytes)


class Misfit(Exception):
    """A value or a part of it that does not fit; ``place`` is built from the inside out."""

    def __init__(self, expected: str, got: str, place: str = "") -> None:
        super().__init__(expected, got, place)
        self.expected = expected
        self.got = got
        self.place = place

    def inside(self, step: object) -> Misfit:
        """Return this misfit as seen from the value that contains this one."""
        return Misfit(self.expected, self.got, f"[{_shown_step(step)}]{self.place}")


def misfit_of(value: object, expected: Any) -> Misfit:
    """Return the misfit of a whole value."""
    return Misfit(type_name(expected), got(value, expected))


def got(value: object, expected: Any = None) -> str:
    """Describe a value in a few words, even if its own ``repr`` fails.

    >>> got("x"), got(10**5000), got([])
    ("str 'x'", 'int of about 5,001 digits', 'list')
    """
    if value is None:
        return "None"
    cls = type(value)
    if cls is int and value.bit_length() > 4 * _MAX_SHOWN:  # type: ignore[attr-defined]
        digits = int(value.bit_length() * 0.30103) + 1  # type: ignore[attr-defined]
        return f"int of about {digits:,} digits"
    if cls.__module__ == "numpy" and _is_numpy_scalar(value):
        way = f"{expected.__name__}(...)" if expected in _PLAIN else ".item()"
        return f"{cls.__name__} of NumPy, which {way} converts"
    text = repr(value) if cls in (str, int, float, bool) else ""
    return f"{cls.__name__} {text}" if text and len(text) <= _MAX_SHOWN else cls.__name__


def _is_numpy_scalar(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def _shown_step(step: object) -> str:
    if type(step) is int and step.bit_length() > 4 * _MAX_SHOWN:
        return got(step)
    try:
        return repr(step)
    except Exception:  # a key of the user's own type
        return f"a {type(step).__name__}"
