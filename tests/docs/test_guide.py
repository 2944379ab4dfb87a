"""Every snippet of the README and of the guide runs as it stands, and prints what the page says."""

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
    import re

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
