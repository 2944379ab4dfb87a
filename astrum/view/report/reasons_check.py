"""Checks that what a chronicle says of the ends of tasks can be relied on, whatever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrum.errors import DecodeError
from astrum.view.report.columns import RunColumns
from astrum.view.report.columns_check import check_columns, check_fields
from astrum.view.report.kept_reasons import KeptReasons
from astrum.view.why.codes import Code

_TIME = (float, int, type(None))
_RUN: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("code", "sentence"), str),
    "since": _TIME,
    "facts": dict,
    "groups": list,
    "tasks_left_out": int,
}
_GROUP: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("code", "example"), str),
    **dict.fromkeys(("since", "until"), _TIME),
    "count": int,
    "tasks": list,
}
_ROW: dict[str, tuple[int, str | None]] = {
    **dict.fromkeys(("code", "sentence", "root"), (0, "texts")),
    "by_attempt": (0, None),
}


def checked_reasons(data: Any, columns: RunColumns, what: str) -> KeptReasons | None:
    """Return ``data`` if it says why the tasks of ``columns`` ended so.

    Returns `None` for `None`, and for reasons with a code that only a later version knows. Raises
    `DecodeError` that names ``what``.
    """
    if data is None:
        return None
    try:
        return _checked(data, columns)
    except (KeyError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DecodeError(f"{what} is damaged: why it ended so: {why}") from None


def _checked(data: Any, columns: RunColumns) -> KeptReasons | None:
    texts = data["texts"]
    if type(texts) is not list or not all(type(text) is str for text in texts):
        raise ValueError("texts is not a list of strings")
    sizes = {"texts": len(texts), "tasks": len(columns["tasks"]["name"])}
    _check_table("tasks", data["tasks"], "task", (0, "tasks"), sizes)
    _check_table("mapped", data["mapped"], "name", (0, "texts"), sizes)
    run = data["run"]
    check_fields("the run", run, _RUN)
    for group in run["groups"]:
        check_fields("a group", group, _GROUP)
        if not all(type(name) is str for name in group["tasks"]):
            raise ValueError("the tasks of a group are not strings")
    if not _are_known(data):
        return None
    groups = [{name: group[name] for name in _GROUP} for group in run["groups"]]
    known = {**{name: run[name] for name in _RUN}, "groups": groups}
    return {"run": known, **{name: data[name] for name in ("tasks", "mapped", "texts")}}


def _are_known(data: Any) -> bool:
    """Return whether this version knows all codes; raises ``ValueError`` for an empty one."""
    texts, run = data["texts"], data["run"]
    codes = {run["code"], *(group["code"] for group in run["groups"])}
    codes.update(texts[number] for name in ("tasks", "mapped") for number in data[name]["code"])
    if "" in codes:
        raise ValueError("a code is empty")
    return codes <= set(Code)


def _check_table(
    what: str,
    table: Mapping[str, Any],
    by: str,
    bound: tuple[int, str | None],
    sizes: Mapping[str, int],
) -> None:
    check_columns(what, table, {by: bound, **_ROW}, sizes, len(table[by]))
    if len(table["since"]) != len(table[by]):
        raise ValueError(f"{what}.since has another length than the other columns")
    for since in table["since"]:
        if not isinstance(since, _TIME):
            raise ValueError(f"{what}.since holds {str(since)[:40]}")
