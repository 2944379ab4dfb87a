"""How modules and folders import each other; import-linter checks the order of the layers."""

from __future__ import annotations

import re
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module

import grimp

_SENTENCE = re.compile(r"\bMay import\b(.*?)\.(?:\s|$)", re.DOTALL)


@cache
def imported() -> dict[str, frozenset[str]]:
    """Return what each module imports, for type checkers only included."""
    graph = grimp.build_graph("astrum", "astrum_worker", "astrum_coordinator", cache_dir=None)
    found = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    found["astrum"].discard("astrum_coordinator")  # `astrum.Coordinator` is offered there too
    return {name: frozenset(names) for name, names in found.items()}


def folders() -> set[str]:
    return {name.rpartition(".")[0] for name in imported()} - {""}


def is_in(module: str, folder: str) -> bool:
    return module == folder or module.startswith(folder + ".")


def part_of(folder: str, module: str) -> str:
    """Return the file or folder directly inside of ``folder`` that ``module`` belongs to."""
    return module[len(folder) + 1 :].partition(".")[0]


def allowed(folder: str) -> set[str]:
    """Return what the docstring of a folder says that it may import, as full names."""
    sentence = _SENTENCE.search(import_module(folder).__doc__ or "")
    assert sentence, f"{folder} does not say what it may import"
    return {full_name(folder, name) for name in re.findall(r"`(\w+)`", sentence[1])}


def full_name(folder: str, name: str) -> str:
    parts = folder.split(".")
    places = [".".join([*parts[:depth], name]) for depth in range(len(parts) - 1, -1, -1)]
    found = next((place for place in places if place in imported()), None)
    assert found, f"{folder} says that it may import {name}, which does not exist"
    return found


def test_no_module_imports_in_a_circle_not_even_for_types() -> None:
    assert len(imported()) > 200
    TopologicalSorter(imported()).prepare()  # raises CycleError, which names the circle


def test_no_folder_imports_in_a_circle() -> None:
    for folder in folders():
        inside = {name for name in imported() if name != folder and is_in(name, folder)}
        parts: dict[str, set[str]] = {part_of(folder, name): set() for name in inside}
        for name in inside:
            parts[part_of(folder, name)] |= {part_of(folder, n) for n in imported()[name] & inside}
        for part, others in parts.items():
            others.discard(part)
        TopologicalSorter(parts).prepare()


def test_each_folder_imports_only_what_it_says() -> None:
    surprises = [
        f"{name} imports {other}, which {folder} does not name"
        for folder in folders()
        for name, others in imported().items()
        if is_in(name, folder)
        for other in others
        if not is_in(other, folder) and not any(is_in(other, one) for one in allowed(folder))
    ]
    assert surprises == []


def test_no_folder_names_what_it_does_not_import() -> None:
    unused = [
        f"{folder} names {one}"
        for folder in folders() - {"astrum"}
        for one in allowed(folder)
        if not any(
            is_in(other, one)
            for name, others in imported().items()
            if is_in(name, folder)
            for other in others
        )
    ]
    assert unused == []
