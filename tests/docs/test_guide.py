"""Every program and command of the guide runs as it stands, and prints what the page says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.page import Page, blocks, check_output
from tests.servers import Server

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_snippets_of_a_page_run(path: Path, tmp_path: Path, redis_server: Server) -> None:
    page = Page(path, tmp_path, redis_server.url)
    try:
        page.run()
    finally:
        page.close()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_links_of_a_page_lead_to_files_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_output_that_differs_is_found() -> None:
    check_output("run ... completed", "a line\nrun 17 completed\n")
    with pytest.raises(AssertionError, match="expected the line"):
        check_output("first\nsecond", "second\nfirst\n")


def test_a_program_that_fails_is_found(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("text\n\n```python\nraise ValueError('wrong')\n```\n")
    with pytest.raises(AssertionError, match=r"page.md, line 3: exit code 1"):
        Page(path, tmp_path, "unused").run()


def test_a_named_block_is_a_file() -> None:
    [block] = blocks("```python\n# flow.py\nx = 1\n```\n")
    assert block.file_name == "flow.py"


def test_the_messages_on_the_troubleshooting_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "guide" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    quoted = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    known = "\n".join(_strings_of_the_code())
    assert quoted
    assert [text for text in quoted if text not in known] == []


def _strings_of_the_code() -> Iterator[str]:
    """Yield every string constant of the three packages; adjacent literals count as one."""
    for package in ("astrum", "worker", "coordinator"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
