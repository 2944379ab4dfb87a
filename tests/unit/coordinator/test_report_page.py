"""The page of a report: filled safely, whatever names, messages and labels a run has."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

from astrum.machine import Failure, RunState
from astrum.planning import Plan, TaskSpec
from astrum.view.report.chronicle import encode_chronicle
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.comparing import compared
from astrum.view.report.redacting import without_messages
from astrum_coordinator.display import report_page as report_page_module
from astrum_coordinator.display.compare_view import head_text
from astrum_coordinator.display.report_page import json_for_script, report_page
from tests.made_runs import BEGIN, MadeRun, made_run
from tests.unit.machine.events_of import fails

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "%%DATA%%",
    "line\u2028break\u2029",
    "right\u202eleft",
    "\x1b[31mred",
    "--><!--",
    "half \ud800",
)


class Page(HTMLParser):
    """What a browser makes of a page: its elements and their texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.policy = ""
        self.title = ""
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = tag
        found = dict(attrs)
        if tag == "script":
            self.scripts.append((found, ""))
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        assert not any(name.startswith("on") for name in found), "an element has a handler"

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif self._open == "style":
            self.styles.append(data)
        elif self._open == "title":
            self.title += data


@cache
def made() -> RunColumns:
    run = made_run(100)
    return run_columns(run.state, run.head())


@cache
def hostile() -> RunColumns:
    state = RunState(Plan(HOSTILE[0], tuple(TaskSpec(name) for name in HOSTILE)))
    state.start()
    for task, text in enumerate(HOSTILE):
        event = fails(task, at=BEGIN + 1)
        state.handle(event._replace(failure=Failure((text,), text, f'  File "{text}", line 1\n')))
    labels = {text: text for text in HOSTILE}
    head = MadeRun(state.plan, children=0).head(
        state="failed", is_over=True, labels=labels, run_id="r", submitted_by=HOSTILE[1]
    )
    return run_columns(state, head)


def data_of(page: Page) -> RunColumns:
    [text] = [text for kind, text in page.scripts if kind.get("type") == "application/json"]
    found: RunColumns = json.loads(text)
    return found


def test_the_page_holds_the_columns() -> None:
    assert data_of(Page(report_page(made()))) == made()


def test_its_policy_allows_its_own_script_and_style_alone() -> None:
    page = Page(report_page(made()))
    codes = [text for kind, text in page.scripts if kind.get("type") != "application/json"]
    allowed = set(re.findall(r"'(sha256-[^']+)'", page.policy))
    own = {_digest(text) for text in (*codes, "".join(page.styles))}
    assert allowed == own
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    assert "http" not in page.policy


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_texts_of_a_run_make_no_element() -> None:
    plain, page = Page(report_page(made())), Page(report_page(hostile()))
    assert set(page.tags) <= {*plain.tags, "pre"}
    assert page.tags.count("script") == plain.tags.count("script")
    assert "img" not in page.tags
    found = data_of(page)
    names = [found["strings"][number] for number in found["tasks"]["name"]]
    assert names == list(HOSTILE)
    assert HOSTILE[0] in page.title


def test_nothing_in_the_data_can_end_its_element_or_a_line_of_it() -> None:
    text = json_for_script(hostile())
    assert not set("<\u2028\u2029") & set(text)
    assert json.loads(text)["run"]["labels"] == {name: name for name in HOSTILE}


def test_a_page_can_be_written_whatever_its_texts_are() -> None:
    written = report_page(hostile()).encode("utf-8", "backslashreplace")
    assert data_of(Page(written.decode())) == hostile()


def test_without_scripts_it_shows_stages_failures_and_slow_tasks() -> None:
    text = report_page(made())
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "nightly" in plain
    assert "Stages" in plain
    assert "ValueError" in plain
    assert "no column" in plain
    assert "Slowest attempts" in plain
    assert plain.count("<tr>") > 20
    assert "no column" not in report_page(without_messages(made()))


def compared_data(page: Page) -> dict[str, Any] | None:
    texts = [text for kind, text in page.scripts if kind.get("id") == "compared"]
    found: list[dict[str, Any]] = list(map(json.loads, texts))
    return found[0] if found else None


def test_a_page_has_what_changed_since_another_run_if_that_is_asked_for() -> None:
    assert compared_data(Page(report_page(made()))) is None
    found = compared(made(), hostile())
    text = report_page(hostile(), found)
    page = Page(text)
    assert set(page.tags) <= {*Page(report_page(made())).tags, "pre"}
    data = compared_data(page)
    assert data is not None
    assert (data["text"], data["counts"]["new"]) == (head_text(found), len(HOSTILE))
    assert {one["name"] for one in data["new"]} == set(HOSTILE)
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "than run 20260921-131320-made" in plain


def test_a_page_has_the_first_of_many_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page_module, "MAX_COMPARED", 3)
    data = compared_data(Page(report_page(hostile(), compared(made(), hostile()))))
    assert data is not None
    assert (len(data["new"]), data["counts"]["new"]) == (3, len(HOSTILE))


def test_marks_that_change_the_direction_of_text_are_shown_as_escapes() -> None:
    text = report_page(hostile())
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "\u202e" not in plain
    assert "right\\u202eleft" in plain
    assert "\x1b" not in plain


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("tasks", "most_bytes", "most_s", "most_kept"),
    [(10_000, 1_500_000, 1.5, 300_000), (100_000, 15_000_000, 15.0, 3_000_000)],
)
def test_big_runs_have_pages_of_a_bounded_size(
    tasks: int, most_bytes: int, most_s: float, most_kept: int
) -> None:
    run = made_run(tasks)
    began = time.process_time()
    columns = run_columns(run.state, run.head())
    page = report_page(columns).encode()
    took_s = time.process_time() - began
    kept = encode_chronicle(columns)
    print(f"{tasks} tasks: {len(page):,} bytes in {took_s:.2f} s, chronicle {len(kept):,} bytes")
    assert len(page) <= most_bytes
    assert took_s <= most_s
    assert len(kept) <= most_kept
