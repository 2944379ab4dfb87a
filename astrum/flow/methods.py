"""Tasks that are methods: finds their ``self`` or ``cls`` when a flow is built.

A function decorated in a class body is registered before its class exists, so it is bound here,
late: instance methods to an instance the user supplies, class methods to their class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property, partial, partialmethod
from types import FunctionType
from typing import Any

from astrum.data_transport.declared.callables import CACHED
from astrum.errors import TaskRegistrationError


class MethodBinder:
    """Binds the functions of one flow; ``instances`` are the candidates for ``self``."""

    def __init__(self, instances: Iterable[Any] = ()) -> None:
        self._instances = list(instances)

    def bind(self, task_id: str, function: Any) -> Callable[..., Any]:
        """Return what to call for the task; most functions are returned unchanged.

        Raises `TaskRegistrationError` for an instance method without exactly one instance, and
        for a class method whose class cannot be found.
        """
        if isinstance(function, staticmethod):
            return function.__func__
        if isinstance(function, classmethod):
            return self._to_class(task_id, function.__func__)
        if isinstance(function, partialmethod):
            return self._partial(task_id, function)
        if not _stands_in_class(function):
            return function  # type: ignore[no-any-return]
        if _first_parameter(function) == "self":
            return self._to_instance(task_id, function)
        return self._by_owner(task_id, function)

    def _partial(self, task_id: str, method: partialmethod[Any]) -> Callable[..., Any]:
        return partial(self.bind(task_id, method.func), *method.args, **method.keywords)

    def _by_owner(self, task_id: str, function: Any) -> Callable[..., Any]:
        owner = self._owner(function)
        attribute = None if owner is None else vars(owner)[function.__name__]
        if isinstance(attribute, classmethod) or _first_parameter(function) == "cls":
            return self._to_class(task_id, function)
        if owner is None or isinstance(attribute, staticmethod):
            return function  # type: ignore[no-any-return]
        return self._to_instance(task_id, function)

    def _to_class(self, task_id: str, function: Any) -> Callable[..., Any]:
        owner = self._owner(function)
        if owner is None:
            raise TaskRegistrationError(
                f"task {task_id!r} is a class method, but no class {_class_name(function)!r} has it"
            )
        return function.__get__(owner)  # type: ignore[no-any-return]

    def _to_instance(self, task_id: str, function: Any) -> Callable[..., Any]:
        found = [obj for obj in self._instances if _has(type(obj).__mro__, function)]
        if len(found) > 1:
            found = [obj for obj in found if _has([type(obj)], function)] or found
        if len(found) != 1:
            name = _class_name(function)
            wrong = f"{len(found)} of them" if found else "none"
            raise TaskRegistrationError(
                f"task {task_id!r} is an instance method and needs one {name} instance in "
                f"AstrumConfig(class_instances=[...]), which has {wrong}"
            )
        return function.__get__(found[0])  # type: ignore[no-any-return]

    def _owner(self, function: Any) -> type | None:
        candidates = self._classes.get((function.__module__, _class_name(function)), ())
        return next((cls for cls in candidates if _has([cls], function)), None)

    @cached_property
    def _classes(self) -> dict[tuple[str, str], list[type]]:
        # Classes made inside functions are in no module, so all living classes are looked at.
        index: dict[tuple[str, str], list[type]] = {}
        seen: set[type] = {object}
        stack: list[type] = [object]
        while stack:
            below: list[type] = type.__subclasses__(stack.pop())
            for cls in below:
                if cls not in seen:
                    seen.add(cls)
                    stack.append(cls)
                    index.setdefault((cls.__module__, cls.__qualname__), []).append(cls)
        return index


def underlying(function: Any) -> Any:
    """Return the plain function of a method, class method or static method, else the argument."""
    if isinstance(function, partialmethod):
        return partial(underlying(function.func), *function.args, **function.keywords)
    return getattr(function, "__func__", function)


def _class_name(function: Any) -> str:
    name: str = getattr(function, "__qualname__", "")  # a cache of a partial has none
    return name.rpartition(".")[0]


def _stands_in_class(function: Any) -> bool:
    scope = _class_name(function) if isinstance(function, (FunctionType, CACHED)) else ""
    return bool(scope) and not scope.endswith("<locals>")


def _first_parameter(function: Any) -> str:
    code = inspect.unwrap(function).__code__
    return code.co_varnames[0] if code.co_argcount else ""


def _has(classes: Iterable[type], function: Any) -> bool:
    name, plain = function.__name__, inspect.unwrap(function)
    return any(inspect.unwrap(underlying(vars(cls).get(name))) is plain for cls in classes)
