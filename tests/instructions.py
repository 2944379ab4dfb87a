"""Counts the instructions of bytecode that code executes.

The count is the same on any machine, however busy it is; each Python version has one of its own.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


def instructions(action: Callable[[], object]) -> Counter[str]:
    """Call ``action`` and return how many instructions each function executed, by its name."""
    counted: Counter[CodeType] = Counter()
    _count(action, counted)
    by_name: Counter[str] = Counter()
    for code, number in counted.items():
        by_name[code.co_qualname] += number
    return by_name


def shown(counted: Counter[str], per: int) -> str:
    """Return a line for each function, with its instructions divided by ``per``."""
    return "\n".join(f"{number / per:7.1f}  {name}" for name, number in counted.most_common(40))


if sys.version_info >= (3, 12):  # `sys.settrace` misses what is called for the first time there

    def _count(action: Callable[[], object], counted: Counter[CodeType]) -> None:
        def take_in(code: CodeType, _: int) -> None:
            counted[code] += 1

        tool, event = sys.monitoring.PROFILER_ID, sys.monitoring.events.INSTRUCTION
        sys.monitoring.use_tool_id(tool, "instructions")
        sys.monitoring.register_callback(tool, event, take_in)
        sys.monitoring.set_events(tool, event)
        try:
            action()
        finally:
            sys.monitoring.free_tool_id(tool)

else:

    def _count(action: Callable[[], object], counted: Counter[CodeType]) -> None:
        def called(frame: FrameType, _: str, __: Any) -> Any:
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            return executed

        def executed(frame: FrameType, event: str, _: Any) -> Any:
            if event == "opcode":
                counted[frame.f_code] += 1
            return executed

        before = sys.gettrace()
        sys.settrace(called)
        try:
            action()
        finally:
            sys.settrace(before)
