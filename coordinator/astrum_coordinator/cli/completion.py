"""What a shell offers for names on the server: runs, their tasks, queues, workers.

A person waits while a shell completes a word. So the server has two seconds to answer, an answer
is kept for a few more, and whatever goes wrong offers nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from astrum.runtime.cli.options import ServerOptions
from astrum.runtime.visible_text import visible_name

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator

    Offers = dict[str, str]
    """What is offered, with what is said about it."""

KEPT_S = 5.0
LONGEST_S = 2.0
_MOST_RUNS = 200
_MOST_CHILDREN = 100
_PLAIN = frozenset("._@+:,=/-")
_NOT_FIRST = ("", "-", "=")


def run_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the latest runs, and the words for runs."""

    async def question(coordinator: Coordinator) -> Offers:
        from astrum.view.run_names import WORDS

        found = await coordinator.list_runs(limit=_MOST_RUNS)
        rows = {run.info.run_id: _about(run.info.details, run.shown_status) for run in found}
        return rows | (WORDS if rows else {})

    return _offered(ctx, "runs", question, incomplete)


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tasks of the run that is named before; behind a bracket, the children of one."""
    name = ctx.params.get("run_id")
    if not isinstance(name, str):
        return []
    if "[" in incomplete:
        return _child_names(ctx, name, incomplete)

    async def question(coordinator: Coordinator) -> Offers:
        run_id = await coordinator.find_run(name)
        return dict.fromkeys(await coordinator.task_ids(run_id), "")

    return _offered(ctx, f"tasks {name}", question, incomplete)


def _child_names(ctx: click.Context, run: str, incomplete: str) -> list[CompletionItem]:
    """Offer children, those first that failed or are held: a task may have 100,000."""

    async def question(coordinator: Coordinator) -> Offers:
        run_id = await coordinator.find_run(run)
        return await coordinator.children_named(run_id, incomplete, _MOST_CHILDREN)

    return _offered(ctx, f"children {run} {incomplete}", question, incomplete, _child_word)


def queue_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the queues that are in use."""

    async def question(coordinator: Coordinator) -> Offers:
        return {one.queue: f"{one.backlog:,} wait" for one in await coordinator.queues()}

    return _offered(ctx, "queues", question, incomplete)


def worker_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the live workers."""

    async def question(coordinator: Coordinator) -> Offers:
        found = await coordinator.workers()
        return {one.worker_id: one.details.get("queues", "") for one in found}

    return _offered(ctx, "workers", question, incomplete)


def module_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def _about(details: Mapping[str, str], status: str) -> str:
    namespace = details.get("namespace", "")
    return f"{status}, {namespace}" if namespace else status


def _offered(
    ctx: click.Context,
    kind: str,
    question: Callable[[Coordinator], Awaitable[Offers]],
    incomplete: str,
    word: Callable[[str], str] = lambda name: name if _is_plain_word(name) else "",
) -> list[CompletionItem]:
    """Offer what begins as the word that is to be completed.

    ``word`` returns a name as it may stand on the command line, "" for one that may not.
    """
    try:
        offers = _answer(ctx, kind, question)
    except Exception:  # an error message would stand in the middle of the command line
        return []
    return [
        CompletionItem(shown, help=visible_name(about) or None)
        for name, about in offers.items()
        if name.startswith(incomplete) and (shown := word(name))
    ]


def _is_plain_word(name: str) -> bool:
    """Return whether every shell takes a name as it stands for one argument.

    Bash puts what is offered on its command line without quotes: ``;`` or ``$(...)`` in a name
    would begin a command there, and ``[`` or ``*`` would match files. A name that begins with
    ``-`` would be an option.
    """
    return name[:1] not in _NOT_FIRST and all(one.isalnum() or one in _PLAIN for one in name)


def _child_word(name: str) -> str:
    """Return the name of a child as a word; with a bracket that a shell does not take for its own.

    Zsh and fish quote what they are offered. Bash does not, so the name is quoted here, unless the
    word has begun with a quote: then bash ends it so.
    """
    task_id, _, label = name.partition("[")
    if not (label.endswith("]") and _is_plain_word(task_id) and _is_plain_word(f"x{label[:-1]}")):
        return ""
    words = os.environ.get("COMP_WORDS", "")
    is_bash = any(one == "bash_complete" for one in _instructions())
    if is_bash and not _is_in_quotes(words):
        return f"'{name}'"
    return name


def _instructions() -> Iterator[str]:
    """Yield what shells ask for: the variable is named after the command."""
    return (value for name, value in os.environ.items() if name.endswith("_COMPLETE"))


def _is_in_quotes(words: str) -> bool:
    r"""Return whether a command line ends inside of quotes.

    >>> _is_in_quotes("show r 'pa"), _is_in_quotes("show 'r' pa"), _is_in_quotes(r"show it\'s")
    (True, False, False)
    """
    quote, is_escaped = "", False
    for character in words:
        if is_escaped:
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return bool(quote)


def _answer(
    ctx: click.Context, kind: str, question: Callable[[Coordinator], Awaitable[Offers]]
) -> Offers:
    server = _server(ctx)
    if not server.url:
        return {}
    kept = _file_of(server, kind)
    known = _read(kept)
    if known is None:
        known = asyncio.run(_ask(server, question))
        _write(kept, known)
    return known


def _server(ctx: click.Context) -> ServerOptions:
    names = ("redis_url", "prefix", "redis_ca", "redis_cert", "redis_key")
    return ServerOptions(*(ctx.params.get(name) for name in names))


async def _ask(
    server: ServerOptions, question: Callable[[Coordinator], Awaitable[Offers]]
) -> Offers:
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.cli.options import redis_settings

    async with asyncio.timeout(LONGEST_S), Coordinator(redis_settings(server)) as coordinator:
        return await question(coordinator)


# --- answers that are kept --------------------------------------------------------------------


def _file_of(server: ServerOptions, kind: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(repr((*server, kind)).encode()).hexdigest()[:32]
    return Path(base, "astrum", f"offered-{name}.json")


def _read(kept: Path) -> Offers | None:
    try:
        if abs(time.time() - kept.stat().st_mtime) > KEPT_S:
            return None
        found = json.loads(kept.read_text())
    except (OSError, ValueError):
        return None
    is_right = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if is_right else None


def _write(kept: Path, offers: Offers) -> None:
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in kept.parent.glob("offered-*"):
            if time.time() - old.stat().st_mtime > KEPT_S:
                old.unlink(missing_ok=True)
        new = kept.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(json.dumps(offers))
        new.replace(kept)
