"""Text that comes from user code, made safe for a terminal."""

from __future__ import annotations

from unicodedata import category

_KEPT = "\n\t"
_HIDDEN = {number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0), 0xAD)}
# Line and paragraph separators, marks that change the direction of text, the byte order mark, and
# what has no width; but not the joiners of words and emojis.
_HIDDEN |= {
    number: f"\\u{number:04x}"
    for number in (
        *(0x061C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F)),
        *(*range(0x2060, 0x206A), 0xFEFF),
    )
}
_NO_MARK = ("Zs", "Zl", "Zp", "Cc", "Cf")
_ESCAPES = {number: text for number, text in _HIDDEN.items() if chr(number) not in _KEPT}


def visible_text(text: str) -> str:
    """Return ``text`` with its control characters as escapes; line ends and tabs stay.

    A message or an id with an escape sequence could otherwise clear the screen, change colours or
    hide what stands beside it.
    """
    return text.translate(_ESCAPES)


def can_be_seen(name: str) -> bool:
    """Return whether a name has a character that leaves a mark.

    >>> can_be_seen("a b"), can_be_seen(" \\t\\u200b"), can_be_seen("\\u200d")
    (True, False, False)
    """
    return any(category(one) not in _NO_MARK for one in name)


def visible_name(name: str) -> str:
    """Return a name on one line, as `visible_text` does."""
    return visible_text(name).replace("\n", "\\n").replace("\t", "\\t")
