"""A run as one HTML page that needs no server and makes no request.

The page has a template with marks (``static/report.html``), which are filled here: a policy that
allows its own script and style alone, by their digests, and the data as JSON. Without scripts it
shows tables of the most important part.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib import resources
from typing import Any

from astrum.view.report.chronicle import columns_text
from astrum.view.report.columns import RunColumns
from astrum.view.report.comparing import Comparison
from astrum_coordinator.display.compare_view import comparison_to_json, head_text
from astrum_coordinator.display.report_tables import plain_report

MAX_COMPARED = 500
_MARK = re.compile(r"%%(TITLE|CSP|STYLE|NOSCRIPT|DATA|COMPARED|SCRIPT)%%")
_IN_SCRIPT = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPED = re.compile("[<\u2028\u2029]")


def report_page(columns: RunColumns, found: Comparison | None = None) -> str:
    """Return the page of a run, with what changed since another one if that is given.

    A lone surrogate may be left in it: encode it with ``errors="backslashreplace"``.
    """
    style, script = _part("report.css"), _part("report.js")
    parts = {
        "TITLE": html.escape(_title(columns)),
        "CSP": policy(script, style),
        "STYLE": style,
        "NOSCRIPT": plain_report(columns, found),
        "DATA": json_for_script(columns),
        "COMPARED": "" if found is None else _compared(found),
        "SCRIPT": script,
    }
    # The template is split once: names and messages may look like a mark.
    pieces = _MARK.split(_part("report.html"))
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)


def policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy that allows this script and this style, and no request."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def json_for_script(data: dict[str, Any]) -> str:
    """Return columns, or other data, as JSON that can stand inside of a ``script`` element."""
    return _ESCAPED.sub(lambda found: _IN_SCRIPT[found[0]], columns_text(data))


def _compared(found: Comparison) -> str:
    """Return the element with a comparison, and the line that sums it up.

    Of each list the page has the first `MAX_COMPARED`, and ``counts`` says how many there are.
    """
    data = comparison_to_json(found)
    lists = {name: data[name] for name in ("changed", "new", "gone")}
    told = {
        **data,
        **{name: rows[:MAX_COMPARED] for name, rows in lists.items()},
        "counts": {name: len(rows) for name, rows in lists.items()},
        "text": head_text(found),
    }
    return f'<script type="application/json" id="compared">{json_for_script(told)}</script>'


def _title(columns: RunColumns) -> str:
    run = columns["run"]
    return f"{run['namespace']} · {run['run_id']} · {run['state']}"


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _part(name: str) -> str:
    folder = resources.files("astrum_coordinator.display") / "static"
    return (folder / name).read_text(encoding="utf-8")
