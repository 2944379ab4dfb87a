"""The resources that a worker lacks, as a detail of its registration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

LACKS = "lacks"
"""The detail of a worker that names the resources that tasks need and that it does not have."""

Missing = tuple[str, str]
"""The namespace and the name of a resource."""


def lacking_to_details(missing: Iterable[Missing]) -> dict[str, str]:
    """Return the details that say which resources a worker lacks; none if it lacks none.

    >>> lacking_to_details([("default", "db")])
    {'lacks': '[["default", "db"]]'}
    """
    rows = sorted(missing)
    return {LACKS: json.dumps(rows)} if rows else {}


def lacking_from_details(details: Mapping[str, str]) -> list[Missing]:
    """Return the resources that a worker lacks; what is not valid counts as none.

    >>> lacking_from_details({"lacks": '[["default", "db"], 3]'})
    [('default', 'db')]
    """
    try:
        rows = json.loads(details.get(LACKS, "[]"))
    except ValueError:
        return []
    found = rows if isinstance(rows, list) else []
    return [(row[0], row[1]) for row in found if _is_missing(row)]


def _is_missing(row: Any) -> bool:
    return isinstance(row, list) and [type(part) for part in row] == [str, str]
