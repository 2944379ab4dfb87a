"""Reads the fence of a run: what stands in it for each task."""

from __future__ import annotations

import re
from collections.abc import Mapping

from astrum.protocol.keys import LATE_FIELD, OUTSTANDING_FIELD, Keys
from astrum.protocol.records import Outstanding, damaged

_TASK = re.compile(rb"[0-9]{1,9}")
_OUTSTANDING = re.compile(rb"([0-9]{1,18}):([0-9]{1,20}-[0-9]{1,20})/(.+)", re.DOTALL)
_SETTLED = re.compile(rb"[0-9]+[=!]")
_COUNTS = {OUTSTANDING_FIELD.encode(), LATE_FIELD.encode()}


def outstanding_in(
    run_id: str, fields: Mapping[bytes, bytes], keys: Keys
) -> dict[int, Outstanding]:
    """Return the outstanding attempts by task number; `StoreError` if it holds something else."""
    found = {}
    for task, state in fields.items():
        if task in _COUNTS or b":" not in state or _SETTLED.match(state):
            continue
        mark = _OUTSTANDING.fullmatch(state)
        if mark is None or not _TASK.fullmatch(task):
            raise damaged(run_id, f"the fence of task {task!r} holds {state!r}")
        try:
            stream = keys.stream_of(keys.stream_named(mark[3].decode()))
        except ValueError as error:
            raise damaged(run_id, error) from None
        found[int(task)] = Outstanding(int(mark[1]), mark[2].decode(), stream)
    return found
