"""Finds words that make plain text hard to read; ``make lint`` runs it.

Fails with the file and line of every word in `WORDS`. Write "no one", "someone" or "anyone who" for
people, and "again", "forever", "a string", "recently", "normally", "without effect", "by itself",
"ends", "counts as dead", "learns", "gets", "has", "happens", "is not a ..." instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

KINDS = ("*.py", "*.md", "*.lua", "*.sh")
HISTORY = ("CHANGELOG.md", "benchmarks/HISTORY.md")
"""They keep the words of their time."""
_GAP = r"\s+(?:(?:#|--)\s*)?"
"""Between two words, also across lines of a comment."""
PHRASES = (
    *("nobody", "somebody", "anybody", "whoever", "anew", "a text", "of late", "for ever"),
    *("once more", "in vain", "in good order", "as ever", "of its own accord", "comes to its end"),
    *("taken for dead", "taken for lost", "is told", "are told", "was told", "told of", "tells of"),
    *("befall", "befalls", "meddle", "meddles"),
)
WORDS = re.compile(
    rf"\b(?:{'|'.join(phrase.replace(' ', _GAP) for phrase in PHRASES)})\b"
    rf"|(?<!there )\bis{_GAP}no{_GAP}(?!longer\b|more{_GAP}than\b)\w+",
    re.IGNORECASE,
)

_NAME_OF_TEST = re.compile(r"(?<=\bdef )test_\w+")


def findings(text: str) -> list[tuple[int, str]]:
    """Return the line and the words of each place in ``text``.

    >>> findings("It ends.\\nWho" + "ever waits is no" + " longer there, is no" + " file.")
    [(2, 'Whoever'), (2, 'is no file')]
    >>> findings("def test_what_is" + "_no_file(): ...")
    [(1, 'is no file')]
    """
    text = _NAME_OF_TEST.sub(lambda name: name[0].replace("_", " "), text)
    return [
        (text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()))
        for found in WORDS.finditer(text)
    ]


def main() -> int:
    """Check all tracked files; return 1 if any has one of the words."""
    listed = subprocess.run(["git", "ls-files", *KINDS], capture_output=True, text=True, check=True)
    failed = False
    for name in listed.stdout.splitlines():
        if name in HISTORY or Path(name).name == Path(__file__).name or not Path(name).exists():
            continue
        for line, words in findings(Path(name).read_text(encoding="utf-8")):
            sys.stdout.write(
                f"{name}:{line}: {words!r} is hard to read; see scripts/check_words.py\n"
            )
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
