"""Evaluates annotations that are strings.

Under ``from __future__ import annotations``, and for quoted annotations, a name may be a local
variable of a function that has long returned. Nothing here keeps a frame: `remember_names` keeps
the objects that an annotation names, and a live frame is read only during an evaluation.

A name is looked for in this order, which gives an annotation the meaning it would have had if
Python had evaluated it where it stands: what was remembered, closure variables, the frames of the
enclosing functions if they still run, other tasks that were defined in the same scope, globals.
"""

from __future__ import annotations

import ast
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import FrameType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

_MISSING = object()
ANNOTATED: Any = type(typing.Annotated[int, ""])
"""The class of what `typing.Annotated` makes."""
_remembered: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


class _UnresolvedMeta(type):
    def __getattr__(cls, name: str) -> type[Unresolved]:
        if name.startswith("__"):
            raise AttributeError(name)
        return unresolved(f"{cls.__name__}.{name}")

    def __getitem__(cls, item: object) -> type[Unresolved]:
        return typing.cast("type[Unresolved]", cls)

    def __call__(cls, *args: object, **kwargs: object) -> typing.NoReturn:
        raise NameError(f"name {cls.__name__!r} is not defined")


class Unresolved(metaclass=_UnresolvedMeta):
    """Replaces a name that is not defined, such as one imported for type checkers only."""


def unresolved(name: str) -> type[Unresolved]:
    """Return a class that replaces ``name`` in an evaluated annotation."""
    return typing.cast("type[Unresolved]", _UnresolvedMeta(name, (Unresolved,), {}))


def is_unresolved(annotation: object) -> bool:
    """Return whether ``annotation`` replaces a name that is not defined."""
    return isinstance(annotation, _UnresolvedMeta)


class Siblings:
    """Functions by where they were defined, for annotations written before the function existed."""

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        self._functions = functions

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], FunctionType | None]:
        by_place: dict[tuple[str, str], FunctionType | None] = {}
        for function in self._functions:
            place = (function.__module__, function.__qualname__)
            known = by_place.setdefault(place, function)
            if known is not function:
                # A factory that ran twice: it is unknown which of the two is meant.
                by_place[place] = None
        return by_place

    def find(self, name: str, owner: Owner) -> object:
        for scope in _enclosing_scopes(owner.qualname):
            for qualname in (f"{scope}.<locals>.{name}", f"{scope}.{name}"):
                found = self._by_place.get((owner.module, qualname))
                if found is not None:
                    return found
        return _MISSING


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an annotation: a function or a class, and the scopes it can see."""

    subject: Any
    module: str
    qualname: str
    global_names: dict[str, Any]
    closure: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_function(cls, function: FunctionType) -> Owner:
        return cls(
            function,
            function.__module__,
            function.__qualname__,
            function.__globals__,
            dict(_cells(function)),
        )

    @classmethod
    def of_class(cls, subject: type) -> Owner:
        module = sys.modules.get(subject.__module__)
        return cls(
            subject, subject.__module__, subject.__qualname__, getattr(module, "__dict__", {})
        )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Annotations as objects; not ``complete`` when some name stays unknown."""

    hints: dict[str, Any]
    complete: bool


def remember_names(function: Callable[..., Any], frame: FrameType) -> None:
    """Keep the objects that the string annotations of ``function`` name, as seen from ``frame``.

    Call it where a function is declared as a task, with the frame of that declaration. Keeps the
    named objects as long as the function exists, and no frame.
    """
    subject = getattr(function, "__func__", function)
    if isinstance(subject, FunctionType) and names_in(subject.__annotations__):
        _remember(Owner.of_function(subject), subject.__annotations__, frame)


def _remember(owner: Owner, annotations: Mapping[str, Any], frame: FrameType) -> None:
    # Its own name would keep the subject alive forever; `_look_up` knows it anyway.
    names = names_in(annotations) - {owner.subject.__name__}
    if not names or owner.subject in _remembered:
        return
    frames = list(_frames_of(owner, frame, with_module=True))
    found = {name: value for name in names if (value := _in_frames(name, frames)) is not _MISSING}
    _remembered[owner.subject] = found
    for value in found.values():
        if isinstance(value, type) and "<locals>" in value.__qualname__:
            _remember(Owner.of_class(value), vars(value).get("__annotations__", {}), frame)


def evaluate(
    annotations: Mapping[str, Any], owner: Owner, siblings: Siblings | None = None
) -> Evaluated:
    """Return ``annotations`` with every string in them evaluated, `Annotated` extras included.

    A name that is not defined becomes an `Unresolved`; a string that is not valid Python becomes
    ``typing.Any``. Raises ``ValueError`` for a relation that cannot be evaluated.
    """
    names = names_in(annotations)
    if not names:
        return Evaluated({k: _plain(v) for k, v in annotations.items()}, complete=True)
    frames = list(_frames_of(owner, sys._getframe(1), with_module=False))
    local_names: dict[str, Any] = {}
    for name in names:
        value = _look_up(name, owner, frames, siblings)
        if value is not _MISSING:
            local_names[name] = value
    known = len(local_names)
    hints = {k: _evaluate_one(k, v, owner, local_names) for k, v in annotations.items()}
    return Evaluated(hints, complete=len(local_names) == known)


def class_hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a class and its bases, evaluated as far as their names are known.

    A TypedDict keeps its bases' annotations itself.
    """
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        annotations = vars(base).get("__annotations__", {})
        if annotations and base.__module__ != "builtins":
            hints |= evaluate(annotations, Owner.of_class(base)).hints
    return hints


def _look_up(name: str, owner: Owner, frames: list[FrameType], siblings: Siblings | None) -> object:
    remembered = _remembered.get(owner.subject)
    if remembered is not None and name in remembered:
        return remembered[name]
    if name in owner.closure:
        return owner.closure[name]
    if name == owner.subject.__name__:
        return owner.subject
    found = _in_frames(name, frames)
    if found is _MISSING and siblings is not None:
        found = siblings.find(name, owner)
    return found


def _evaluate_one(key: str, value: object, owner: Owner, local_names: dict[str, Any]) -> Any:
    if not names_in_one(value):
        return Any if isinstance(value, str) else _plain(value)
    holder = types.SimpleNamespace(
        __annotations__={key: value},
        __type_params__=getattr(owner.subject, "__type_params__", ()),
    )
    while True:
        try:
            hint = _hints_of(holder, owner, local_names)[key]
            break
        except NameError as error:
            missing = getattr(error, "name", None)
            if not missing or missing in local_names:
                raise _bad_annotation(key, value, owner, error) from error
            local_names[missing] = unresolved(missing)
        except Exception as error:
            if _may_relate(value):
                raise _bad_annotation(key, value, owner, error) from error
            return Any
    if is_unresolved(hint) and _may_relate(value):
        raise _bad_annotation(key, value, owner, NameError(f"name {hint.__name__!r} is unknown"))
    return hint


def _hints_of(holder: Any, owner: Owner, local_names: dict[str, Any]) -> dict[str, Any]:
    return typing.get_type_hints(holder, owner.global_names, local_names, include_extras=True)


def _may_relate(annotation: object) -> bool:
    return not isinstance(annotation, str) or "(" in annotation


def _bad_annotation(key: str, value: object, owner: Owner, error: Exception) -> ValueError:
    return ValueError(f"the annotation {value!r} of {key!r} in {owner.qualname} fails: {error}")


def _plain(annotation: Any) -> Any:
    return type(None) if annotation is None else annotation


def names_in(annotations: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that the strings in ``annotations`` use; empty without strings."""
    names: frozenset[str] = frozenset()
    for annotation in annotations.values():
        kind = type(annotation)
        if kind is ANNOTATED:
            annotation = annotation.__origin__
            kind = type(annotation)
        if kind is not type:  # most are plain classes
            names |= names_in_one(annotation)
    return names


def names_in_one(annotation: object) -> frozenset[str]:
    """Return the names that a string annotation, or a forward reference inside one, uses."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return frozenset()
    if isinstance(annotation, str):
        return _names_in_text(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return _names_in_text(annotation.__forward_arg__)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return frozenset()
    if origin is typing.Annotated:
        return names_in_one(typing.get_args(annotation)[0])
    return frozenset().union(*map(names_in_one, _generic_args(annotation)))


def _generic_args(annotation: object) -> Iterator[object]:
    for argument in typing.get_args(annotation):
        if isinstance(argument, list):
            yield from argument
        else:
            yield argument


@lru_cache(maxsize=4096)
def _names_in_text(text: str) -> frozenset[str]:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return frozenset()
    return frozenset(_names_in_tree(tree))


def _names_in_tree(tree: ast.AST) -> Iterator[str]:
    if isinstance(tree, ast.Name):
        yield tree.id
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield from _names_in_text(tree.value)
    for child in ast.iter_child_nodes(tree):
        # The strings in a call are task ids and field names, never types.
        if not (isinstance(tree, ast.Call) and isinstance(child, ast.Constant)):
            yield from _names_in_tree(child)


def _cells(function: FunctionType) -> Iterator[tuple[str, Any]]:
    closure = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in closure:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue  # defined later than the function


@lru_cache(maxsize=4096)
def _enclosing_scopes(qualname: str) -> tuple[str, ...]:
    parts = qualname.split(".")
    ends = range(len(parts) - 1, 0, -1)
    return tuple(".".join(parts[:end]) for end in ends if parts[end - 1] != "<locals>")


def _frames_of(owner: Owner, start: FrameType, *, with_module: bool) -> Iterator[FrameType]:
    """Yield the running frames of the scopes around ``owner``, innermost first."""
    wanted = [*_enclosing_scopes(owner.qualname), *(["<module>"] if with_module else [])]
    frame: FrameType | None = start
    while frame is not None and wanted:
        if frame.f_globals is owner.global_names and frame.f_code.co_qualname in wanted:
            yield frame
            wanted = wanted[wanted.index(frame.f_code.co_qualname) + 1 :]
        frame = frame.f_back


def _in_frames(name: str, frames: Iterable[FrameType]) -> object:
    for frame in frames:
        found = frame.f_locals.get(name, _MISSING)
        if found is not _MISSING:
            return found
        if name in frame.f_code.co_varnames or name in frame.f_code.co_cellvars:
            # A local that is not bound yet hides any outer name.
            return _MISSING
    return _MISSING
