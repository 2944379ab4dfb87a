"""The page about `why` names every code, and no other."""

import re
from pathlib import Path

from astrum.view import Code

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "why.md"


def test_the_page_has_a_row_for_each_code() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(Code)
