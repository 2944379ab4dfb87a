"""The types that tasks declare for their results."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from astrum.config import AstrumConfig
from astrum.data_transport.declared.callables import source_function
from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.types.class_fields import stripped
from astrum.data_transport.types.inference import inferred_result

_AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


class ResultTypes:
    """Looks up the type of each function's result once; `ABSENT` if it declares none."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], config: AstrumConfig) -> None:
        self._functions = functions
        self._config = config
        self._found: dict[int, Any] = {}

    def of(self, function: Callable[..., Any]) -> Any:
        """Return the declared type of what ``function`` returns, of what it awaits if async."""
        found = self._found.get(id(function))
        if found is None:
            found = self._found[id(function)] = self._declared(function)
        return found

    def of_task(self, task_id: str) -> Any:
        """Return the same of a task."""
        return self.of(self._functions[task_id])

    def _declared(self, function: Callable[..., Any]) -> Any:
        returns = declaration_of(function).returns
        if returns is ABSENT:
            return inferred_result(function) if self._config.infer_via_ast else ABSENT
        plain = stripped(returns)
        if type(plain) is type:
            return plain
        if typing.get_origin(plain) in _AWAITABLES and not _is_async(function):
            return typing.get_args(plain)[-1]
        return plain


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(source_function(function))
