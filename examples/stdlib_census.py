"""A census of the Python standard library: every module is parsed, in parallel.

    astrum-coordinator run examples/stdlib_census.py             # a private server, local workers
    astrum-coordinator run --local examples/stdlib_census.py     # all in one process
    astrum-coordinator run --redis URL examples/stdlib_census.py # the workers of a real server

    input shards ──▶ find_files ──▶ parse[0] ... parse[31] ──▶ merge ──▶ write_report

Each way gives the same report, and so does another number of shards: ``--input shards=8``. It is
printed and written to ``census.md``, or to the file that ``CENSUS_OUT`` names.
"""

import ast
import os
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from astrum import Each, F, Input, Ref, RetryPolicy, task

LISTED = 10  # lines in each table of the report
NOT_COUNTED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}

# Python 3.11 counts the depth of the tree that it builds in one place for all threads, and a
# garbage collection in the middle may let another thread in.
ONE_AT_A_TIME = threading.Lock()

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Branch = (
    *(ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler),
    *(ast.match_case, ast.comprehension, ast.Assert),
)


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its full name, its length in lines, its number of branches."""

    name: str
    lines: int
    branches: int


@dataclass(slots=True)
class Census:
    """What was counted in some modules; two counts of different modules can be added."""

    modules: int = 0
    lines: int = 0
    classes: int = 0
    functions: int = 0
    longest: list[Function] = field(default_factory=list)
    most_branching: list[Function] = field(default_factory=list)
    importers: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Census") -> "Census":
        return Census(
            modules=self.modules + other.modules,
            lines=self.lines + other.lines,
            classes=self.classes + other.classes,
            functions=self.functions + other.functions,
            longest=longest(self.longest + other.longest),
            most_branching=most_branching(self.most_branching + other.most_branching),
            importers=dict(Counter(self.importers) + Counter(other.importers)),
        )


def longest(functions: Iterable[Function]) -> list[Function]:
    return sorted(functions, key=lambda each: (-each.lines, each.name))[:LISTED]


def most_branching(functions: Iterable[Function]) -> list[Function]:
    return sorted(functions, key=lambda each: (-each.branches, each.name))[:LISTED]


# --- the tasks ----------------------------------------------------------------------------------


def standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


@task("find_files", retry=1)
def find_files(shards: Ref[int, Input()] = 32) -> list[list[str]]:
    """Deal the library's files out to the shards, the large ones first, so that all are alike."""
    sizes = dict(measured_files(standard_library()))
    by_size = sorted(sizes, key=lambda name: (-sizes[name], name))
    return [by_size[shard::shards] for shard in range(shards)]


@task("parse", retry=RetryPolicy(max_retries=2, delay=0.2, retry_on=(OSError,)))
def parse(files: Ref[list[str], Each("find_files")]) -> Census:
    """Count what is in the files of one shard."""
    return sum((count_module(name) for name in files), Census())


@task("merge")
def merge(shards: Ref[list[Census], F("parse")]) -> Census:
    return sum(shards, Census())


@task("write_report")
def write_report(
    census: Ref[Census, F("merge")],
    importers: Ref[dict[str, int], F("merge", "importers")],
) -> str:
    report = "\n".join(render(census, importers)) + "\n"
    Path(os.environ.get("CENSUS_OUT", "census.md")).write_text(report, encoding="utf-8")
    print(report)
    return report


# --- counting -----------------------------------------------------------------------------------


def measured_files(root: Path) -> Iterator[tuple[str, int]]:
    """Yield the name, relative to the library, and the size in bytes of each file to count."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = set(subfolders) - NOT_COUNTED
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            yield path.relative_to(root).as_posix(), path.stat().st_size


def count_module(file: str) -> Census:
    """Parse one file, named relative to the library, and count what is in it."""
    source = (standard_library() / file).read_bytes()
    with ONE_AT_A_TIME:
        tree = ast.parse(source)
    scopes = [node for node in ast.walk(tree) if isinstance(node, Scope)]
    functions = list(functions_in(tree, module_name(file)))
    return Census(
        modules=1,
        lines=len(source.splitlines()),
        classes=len(scopes) - len(functions),
        functions=len(functions),
        longest=longest(functions),
        most_branching=most_branching(functions),
        importers=dict.fromkeys(sorted(imported_modules(tree)), 1),
    )


def module_name(file: str) -> str:
    """Return the dotted name: ``json`` for ``json/__init__.py``."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def functions_in(node: ast.AST, prefix: str) -> Iterator[Function]:
    """Yield the functions at any depth under a node; each is named by all that encloses it."""
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}.{child.name}" if isinstance(child, Scope) else prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (child.end_lineno or child.lineno) - child.lineno + 1
            yield Function(name, lines, branches_in(child))
        yield from functions_in(child, name)


def branches_in(node: ast.AST) -> int:
    """Count the branches of a function without those of the functions and classes inside it."""
    own = [child for child in ast.iter_child_nodes(node) if not isinstance(child, Scope)]
    return sum(isinstance(child, Branch) + branches_in(child) for child in own)


def imported_modules(tree: ast.AST) -> set[str]:
    """Return the top-level names of what a module imports anywhere, relative imports left out."""
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.partition(".")[0])
    return imported


# --- the report ---------------------------------------------------------------------------------


def render(census: Census, importers: dict[str, int]) -> Iterator[str]:
    popular = sorted(importers.items(), key=lambda item: (-item[1], item[0]))[:LISTED]
    yield f"# The standard library of Python {sys.version_info.major}.{sys.version_info.minor}"
    yield ""
    yield f"{census.modules:,} modules and {census.lines:,} lines hold"
    yield f"{census.classes:,} classes and {census.functions:,} functions."
    yield from table("Longest functions", "lines", ((f.name, f.lines) for f in census.longest))
    branching = ((f.name, f.branches) for f in census.most_branching)
    yield from table("Most branching functions", "branches", branching)
    yield from table("Most imported modules", "importing modules", popular)


def table(title: str, unit: str, rows: Iterable[tuple[str, int]]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| | {unit} |", "|---|---:|")
    yield from (f"| `{name}` | {count:,} |" for name, count in rows)
