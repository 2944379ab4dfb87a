"""Durations and ages as people read them; pure."""

from __future__ import annotations


def age_text(seconds: float) -> str:
    """Return an age with a suitable unit, never a negative one.

    >>> [age_text(s) for s in (-3, 4.2, 65, 7380)]
    ['0 s', '4 s', '1 min 05 s', '2 h 03 min']
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def duration_text(seconds: float) -> str:
    """Return a duration with the unit that suits it.

    >>> [duration_text(s) for s in (0.0042, 3.14159, 65, 7380)]
    ['4 ms', '3.1 s', '1 min 05 s', '2 h 03 min']
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
