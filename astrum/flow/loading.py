"""Imports the user's modules and finds the flows that they declare.

A file is imported under the dotted name that it has in its package, so that its types have the
same names in every process, no matter how each one was given the file.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from astrum.config import AstrumConfig
from astrum.errors import FlowImportError, SchedulerError, TaskRegistrationError, nearest
from astrum.execution.invoke import Flow
from astrum.flow.import_paths import put_first, reserved_files, working_directory
from astrum.flow.methods import MethodBinder, underlying
from astrum.flow.registry import SchedulerRegistry, all_registries
from astrum.flow.scheduler import DynamicScheduler
from astrum.planning.offer import namespace_version

_SERVING = AstrumConfig(skip_type_check=True, silence_warnings=True)
_PACKAGE = str(Path(__file__).parents[1] / "_").removesuffix("_")


@dataclass(frozen=True)
class Workflow:
    """Tasks that belong together: a namespace, a registry or a scheduler.

    ``name`` is what a user calls it; ``namespace`` is what its tasks are addressed by. They
    differ only for a `DynamicScheduler` without a namespace, which has its variable's name.
    """

    name: str
    source: SchedulerRegistry | DynamicScheduler

    @property
    def namespace(self) -> str:
        """The first half of its tasks' addresses."""
        source = self.source
        return source.name if isinstance(source, SchedulerRegistry) else source.namespace

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
        changes: dict[str, Any] = {}
        if config.skip_type_check:
            changes["skip_type_check"] = True
        if config.on_failure != "stop":
            changes["on_failure"] = config.on_failure
        return self.source.with_settings(**changes) if changes else self.source

    def servable(self) -> tuple[Flow, list[str]]:
        """Return the flow of all tasks, with fingerprints, and the ids of tasks that only another
        process can run: instance methods whose instance is in that process.

        Raises `FlowImportError`, which names the files, for a flow that is not valid.
        """
        try:
            return self._servable()
        except SchedulerError as error:
            raise FlowImportError(f"{self._place} cannot be served: {error}") from error

    def _servable(self) -> tuple[Flow, list[str]]:
        if isinstance(self.source, DynamicScheduler):
            return self.source.flow(fingerprints=True), []
        unbound = _unbound(self.source)
        flow = self.source.scheduler_to_serve(_SERVING).flow(fingerprints=True)
        flow = _without_lacking(flow)
        bound = {task_id: task for task_id, task in flow.tasks.items() if task_id not in unbound}
        return replace(flow, tasks=bound), unbound

    @property
    def _place(self) -> str:
        kind = "namespace" if isinstance(self.source, SchedulerRegistry) else "scheduler"
        files = dict.fromkeys(map(_file_of, _functions(self.source).values()))
        return f"{kind} {self.name!r} of {', '.join(files)}"


def _without_lacking(flow: Flow) -> Flow:
    """Return a flow without the tasks that lack a resource here, with an offer that tells so."""
    if not flow.lacking:
        return flow
    specs = [spec for spec in flow.plan.tasks if spec.task_id not in flow.lacking]
    version = namespace_version(
        flow.plan.namespace, {spec.task_id: spec.fingerprint for spec in specs}
    )
    tasks = {spec.task_id: flow.tasks[spec.task_id] for spec in specs}
    return replace(flow, plan=replace(flow.plan, **version._asdict()), tasks=tasks)


def load_workflows(modules: Sequence[str]) -> list[Workflow]:
    """Import modules (``package.module`` or ``path.py``) and return what they declare.

    ``:attr`` after a module names a registry or scheduler in it. Without it all registries and
    schedulers at module level count, and all namespaces with tasks. Raises `FlowImportError`,
    and `TaskRegistrationError` if one address (namespace and task id) means two functions.
    """
    found: list[Workflow] = []
    folder = working_directory()  # a module may change it
    for module in modules:
        found += _in_module(module, folder)
    if any(not _split(module)[1] for module in modules):
        found += [Workflow(name, registry) for name, registry in all_registries().items()]
    unique = list({id(workflow.source): workflow for workflow in found}.values())
    workflows = [workflow for workflow in unique if _functions(workflow.source)]
    _check_addresses(workflows)
    return workflows


def flows(modules: Sequence[str]) -> dict[str, Workflow]:
    """Return what `load_workflows` finds, by name."""
    return {workflow.name: workflow for workflow in load_workflows(modules)}


# --- what a module declares ------------------------------------------------------------------


def _in_module(spec: str, folder: Path | None) -> Iterator[Workflow]:
    name, attribute = _split(spec)
    module = _import(name, folder)
    if attribute:
        yield _workflow(name, attribute, _attribute_of(module, attribute))
        return
    for variable, value in list(vars(module).items()):
        if isinstance(value, (SchedulerRegistry, DynamicScheduler)):
            yield _workflow(name, variable, value)


def _split(spec: str) -> tuple[str, str]:
    name, _, attribute = spec.rpartition(":")
    return (name, attribute) if name and attribute.isidentifier() else (spec, "")


def _workflow(module: str, variable: str, value: object) -> Workflow:
    if isinstance(value, SchedulerRegistry):
        return Workflow(value.name, value)
    if isinstance(value, DynamicScheduler):
        return Workflow(value.namespace if value.namespace != "default" else variable, value)
    raise FlowImportError(
        f"{module}: {variable!r} is a {type(value).__name__}, not a SchedulerRegistry or "
        "DynamicScheduler"
    )


def _attribute_of(module: ModuleType, attribute: str) -> object:
    if not hasattr(module, attribute):
        kinds = (SchedulerRegistry, DynamicScheduler)
        known = [name for name, value in vars(module).items() if isinstance(value, kinds)]
        hint = nearest(attribute, known or vars(module))
        raise FlowImportError(f"module {module.__name__!r} has no {attribute!r}{hint}")
    value: object = getattr(module, attribute)
    return value


def _functions(source: SchedulerRegistry | DynamicScheduler) -> dict[str, Callable[..., Any]]:
    if isinstance(source, DynamicScheduler):
        return {task_id: source.find_task_by_name(task_id) for task_id in source.task_retries}
    return {task_id: task.function for task_id, task in source.get_all_tasks().items()}


def _file_of(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None) or "an unknown module"
    return getattr(sys.modules.get(module), "__file__", None) or module


def _check_addresses(workflows: Sequence[Workflow]) -> None:
    owners: dict[tuple[str, str], tuple[Workflow, Any]] = {}
    for workflow in workflows:
        for task_id, function in _functions(workflow.source).items():
            address = (workflow.namespace, task_id)
            owner, known = owners.setdefault(address, (workflow, function))
            # A scheduler built from a registry has the registry's own functions.
            if underlying(known) is not underlying(function):
                raise TaskRegistrationError(
                    f"task {task_id!r} of namespace {workflow.namespace!r} is declared by two "
                    f"workflows, {owner.name!r} and {workflow.name!r}, with different functions: "
                    "give one of them another namespace"
                )


def _unbound(registry: SchedulerRegistry) -> list[str]:
    binder = MethodBinder()
    unbound = []
    for task_id, task in registry.get_all_tasks().items():
        try:
            binder.bind(task_id, task.function)
        except TaskRegistrationError:
            unbound.append(task_id)
    return unbound


# --- importing -------------------------------------------------------------------------------


def _import(name: str, folder: Path | None) -> ModuleType:
    if folder is not None:
        put_first(folder)
    is_file = name.endswith(".py") or "/" in name
    try:
        return _import_file(Path(name), folder) if is_file else _import_dotted(name, folder)
    except (FlowImportError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a module may raise anything, SystemExit included
        text = f"{name} cannot be imported: {type(error).__name__}: {error}{_shadow_hint(error)}"
        raise FlowImportError(text, user_traceback=_user_traceback(error)) from None


def _shadow_hint(error: BaseException) -> str:
    """Return advice that names the user's files in whose place another module is imported."""
    if not isinstance(error, (ImportError, AttributeError)):
        return ""
    files = [file for file in reserved_files() if Path(file).stem in str(error)]
    if not files:
        return ""
    return (
        f"; {', '.join(files)} is not what is imported by that name, which belongs to Python or to "
        "a package that Astrum needs: rename the file"
    )


def _import_dotted(name: str, folder: Path | None) -> ModuleType:
    try:
        is_missing = importlib.util.find_spec(name) is None
    except ModuleNotFoundError as error:
        is_missing = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        if not is_missing:
            raise
    except ValueError:  # a name such as "a..b"
        is_missing = True
    if is_missing:
        hint = nearest(name, _modules_near(name, folder))
        where = folder or "a folder that was removed"
        raise FlowImportError(f"there is no module {name!r} (searched from {where}){hint}")
    return importlib.import_module(name)


def _modules_near(name: str, folder: Path | None) -> list[str]:
    package = name.rpartition(".")[0]
    parent = sys.modules.get(package)
    if parent is not None:
        return [f"{package}.{found.name}" for found in pkgutil.iter_modules(parent.__path__)]
    if folder is None:  # looking into a current folder that was removed is an error
        return []
    return [found.name for found in pkgutil.iter_modules([str(folder)])]


def _import_file(given: Path, folder: Path | None) -> ModuleType:
    path = given if folder is None else folder / given
    if path.is_dir():
        raise FlowImportError(f"{given} is a folder: name a Python file in it, or a module")
    if not path.is_file():
        known = [str(given.parent / found.name) for found in path.parent.glob("*.py")]
        raise FlowImportError(f"there is no file {given}{nearest(str(given), known)}")
    path = path.resolve()
    root, name = _place_of(path)
    put_first(root)
    if "." in path.stem:
        return _import_dotted_file(name, path)
    known_module = sys.modules.get(name)
    if known_module is not None and _is_of(known_module, path):
        return known_module
    spec = importlib.util.find_spec(name) if known_module is None else None
    if spec is not None and spec.origin and Path(spec.origin).resolve() == path:
        return importlib.import_module(name)
    return _import_under(_unique_name(name), path)


def _import_dotted_file(name: str, path: Path) -> ModuleType:
    """Import a file such as ``etl.v2.py``, which no import statement can name, as ``etl_v2``."""
    package = name.removesuffix(path.stem)
    name = package + path.stem.replace(".", "_")
    known_module = sys.modules.get(name)
    if known_module is not None and _is_of(known_module, path):
        return known_module
    if package:
        importlib.import_module(package.removesuffix("."))
    if known_module is not None or importlib.util.find_spec(name) is not None:
        name = _unique_name(name)
    return _import_under(name, path)


def _place_of(path: Path) -> tuple[Path, str]:
    """Return the folder to import a file from, and its dotted name there."""
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts) or path.stem


def _is_of(module: ModuleType, path: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == path


def _unique_name(name: str) -> str:
    """Return a free module name; the file's own name is taken, as by a standard module."""
    number = 2
    while f"{name}_{number}" in sys.modules:
        number += 1
    return f"{name}_{number}"


def _import_under(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FlowImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _user_traceback(error: BaseException) -> str:
    """Return the traceback without the frames of the import system and of this package."""
    _strip(error, set())
    return "".join(traceback.format_exception(error))


def _strip(error: BaseException, seen: set[int]) -> None:
    if id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_ours(error.__traceback__)
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            _strip(linked, seen)


def _without_ours(found: TracebackType | None) -> TracebackType | None:
    kept = []
    while found is not None:
        if not _is_ours(found.tb_frame.f_code.co_filename):
            kept.append(found)
        found = found.tb_next
    following = None
    for link in reversed(kept):
        following = TracebackType(following, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return following


def _is_ours(filename: str) -> bool:
    if filename.startswith(("<frozen importlib", "<frozen zipimport")):
        return True
    return filename.startswith(_PACKAGE) or filename == importlib.__file__
