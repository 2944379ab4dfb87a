"""How the modules of the project import each other; the layers are checked by import-linter."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_in_a_circle_not_even_for_types() -> None:
    graph = grimp.build_graph("astrum", "astrum_worker", "astrum_coordinator", cache_dir=None)
    assert len(graph.modules) > 200
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    imported["astrum"].discard("astrum_coordinator")  # `astrum.Coordinator` is offered there too
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the circle
