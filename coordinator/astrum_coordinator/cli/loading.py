"""Imports the user's modules and finds the workflows that they declare."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from astrum.config import AstrumConfig
from astrum.errors import FlowImportError, TaskRegistrationError, nearest
from astrum.registry import SchedulerRegistry, all_registries
from astrum.scheduler import DynamicScheduler


@dataclass(frozen=True)
class Workflow:
    """Tasks that belong together: a namespace, a registry or a scheduler."""

    name: str
    source: SchedulerRegistry | DynamicScheduler

    def scheduler(self, targets: list[str] | None, config: AstrumConfig) -> DynamicScheduler:
        """Return the scheduler of the targets; raises `SchedulerError`.

        A ready-made scheduler keeps its own settings; choosing targets in it is refused.
        """
        if isinstance(self.source, SchedulerRegistry):
            return self.source.build_scheduler(targets, config=config)
        if targets:
            raise TaskRegistrationError(
                f"{self.name!r} is a DynamicScheduler, which runs as a whole: drop the targets"
            )
        if config.skip_type_check:
            self.source.config = replace(self.source.config, skip_type_check=True)
        return self.source


def load_workflows(modules: Sequence[str]) -> list[Workflow]:
    """Import modules (``package.module`` or ``path.py``) and return what they declare.

    ``:attr`` behind one names a registry or scheduler in it. Without that, all registries and
    schedulers at module level count, and all namespaces that the imports filled. Raises
    `FlowImportError`.
    """
    before = {name: len(found.get_all_tasks()) for name, found in all_registries().items()}
    found: list[Workflow] = []
    for module in modules:
        found += _in_module(module)
    if any(not _attribute(module) for module in modules):
        found += _namespaces(before)
    unique = {id(workflow.source): workflow for workflow in found}
    return list(unique.values())


def _in_module(spec: str) -> Iterator[Workflow]:
    attribute = _attribute(spec)
    module = _import(spec.removesuffix(f":{attribute}") if attribute else spec)
    if attribute:
        yield _workflow(attribute, _attribute_of(module, attribute))
        return
    for name, value in vars(module).items():
        if isinstance(value, (SchedulerRegistry, DynamicScheduler)):
            yield _workflow(name, value)


def _workflow(attribute: str, value: object) -> Workflow:
    if isinstance(value, SchedulerRegistry):
        return Workflow(value.name, value)
    if isinstance(value, DynamicScheduler):
        return Workflow(value.namespace if value.namespace != "default" else attribute, value)
    raise FlowImportError(
        f"{attribute!r} is a {type(value).__name__}, not a SchedulerRegistry or DynamicScheduler"
    )


def _namespaces(before: dict[str, int]) -> Iterator[Workflow]:
    for name, registry in all_registries().items():
        count = len(registry.get_all_tasks())
        if count and count != before.get(name, 0):
            yield Workflow(name, registry)


def _attribute(spec: str) -> str:
    head, _, attribute = spec.rpartition(":")
    return attribute if head and attribute.isidentifier() else ""


def _attribute_of(module: ModuleType, attribute: str) -> object:
    if not hasattr(module, attribute):
        hint = nearest(attribute, vars(module))
        raise FlowImportError(f"{module.__name__} has no {attribute!r}{hint}")
    value: object = getattr(module, attribute)
    return value


def _import(name: str) -> ModuleType:
    try:
        return _import_file(Path(name)) if name.endswith(".py") else _import_dotted(name)
    except FlowImportError:
        raise
    except Exception as error:
        text = f"{name} cannot be imported: {type(error).__name__}: {error}"
        raise FlowImportError(text, user_traceback=_users_traceback(error)) from None


def _users_traceback(error: Exception) -> str:
    """The traceback from the user's first line on: the machinery of importing helps nobody."""
    first = trace = error.__traceback__
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or first)
    return "".join(lines)


def _is_machinery(filename: str) -> bool:
    return filename in (__file__, importlib.__file__) or filename.startswith("<frozen importlib")


def _import_dotted(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        missing = importlib.util.find_spec(name) is None
    except ModuleNotFoundError as error:
        missing = error.name is not None and name.startswith(error.name)
        if not missing:
            raise
    if missing:
        raise FlowImportError(f"there is no module {name!r} (searched from {Path.cwd()})")
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FlowImportError(f"there is no file {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FlowImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
