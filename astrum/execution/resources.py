"""The open resources of a process, or of a run in process: each is opened once and closed once.

A resource is opened when the first attempt needs it, after those that it needs itself. All that
belongs to one resource runs in one asyncio task, or in one thread: libraries expect that what was
entered in a task is left in the same.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from astrum.errors import ResourceError
from astrum.execution.resource_steps import Steps, steps_of
from astrum.planning.resources import ResourceSource, ResourceUse
from astrum.runtime.loops import hide_like_caller, leave_behind

logger = logging.getLogger("astrum.resources")

_FOLDER = str(Path(__file__).parent)
CLOSE_S = 5.0
"""The seconds that one resource may take to close; then the others are closed without it."""


class OpenResources:
    """Opens resources on first need, and closes all of them in the reverse order.

    ``on_failure`` is called, once, with the error of the first resource that cannot be opened or
    that breaks while it is open.
    """

    def __init__(self, on_failure: Callable[[ResourceError], None]) -> None:
        self._on_failure = on_failure
        self._held: dict[ResourceSource, _Held] = {}
        self._opened: list[_Held] = []
        self._has_failed = False
        self._is_closed = False

    async def values(self, uses: Sequence[ResourceUse]) -> dict[str | int, Any]:
        """Return the resources by parameter, opened. Raises `ResourceError`.

        If the caller is cancelled, the opening goes on for others.
        """
        return {use.parameter: await self._value(use.source) for use in uses}

    async def close(self) -> None:
        """Close what is open, the latest first; errors are logged. Safe to call twice.

        A resource that takes longer than `CLOSE_S` is left behind. If the caller is cancelled,
        what is left to close is cancelled too, and not waited for.
        """
        self._is_closed = True
        waiting = [held for held in self._held.values() if not held.is_settled.is_set()]
        for held in waiting:  # nothing needs them any more
            held.keeper.cancel()
        try:
            for held in (*waiting, *reversed(self._opened)):
                held.closing.set()
                await _ended(held)
        finally:
            for held in self._held.values():
                held.keeper.cancel()
            self._held.clear()
            self._opened.clear()

    async def _value(self, source: ResourceSource) -> Any:
        held = self._held.get(source)
        if held is None:
            if self._is_closed:
                raise ResourceError(
                    f"resource {source.name!r} is not opened: this process closes its resources",
                    resource=source.name,
                )
            held = self._held[source] = self._start(source)
        if not held.is_settled.is_set():
            await held.is_settled.wait()
        if held.failure is not None:
            raise held.failure.again()
        return held.value

    def _start(self, source: ResourceSource) -> _Held:
        held = _Held(source)
        held.keeper = asyncio.get_running_loop().create_task(
            self._keep(held), name=f"resource {source.name}"
        )
        hide_like_caller(held.keeper)
        return held

    async def _keep(self, held: _Held) -> None:
        """Open a resource, hold it until it is to be closed, and close it."""
        steps = await self._open(held)
        if steps is None:
            return
        try:
            await held.closing.wait()
        except asyncio.CancelledError as error:
            await self._broke(held, steps, error)
            raise
        await _close(held, steps)

    async def _open(self, held: _Held) -> Steps | None:
        """Return the steps of a resource that is open; `None` if it could not be opened."""
        source = held.source
        try:
            arguments = await self.values(source.needs)
            steps = steps_of(source.name, source.function, arguments)
            value = await steps.open()
        except ResourceError as error:  # of one that it needs: it is known already
            held.fail(_Failure(str(error), error.__cause__, error.resource))
            return None
        except BaseException as error:
            self._fail(held, f"could not be opened: {_text(error)}", error)
            if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
                raise
            return None
        self._opened.append(held)
        held.settle(value)
        return steps

    async def _broke(self, held: _Held, steps: Steps, cancelled: BaseException) -> None:
        """Let the function of a resource handle a cancellation, which its own code has caused.

        A task group inside it does so if one of its tasks fails; the loop does so at its end.
        """
        error: BaseException = cancelled
        try:
            await steps.throw(cancelled)
        except BaseException as raised:
            error = raised
        if held in self._opened:
            self._opened.remove(held)
        self._fail(held, f"broke while it was open: {_text(error)}", error)

    def _fail(self, held: _Held, what: str, error: BaseException) -> None:
        name = held.source.name
        error.__traceback__ = _of_users(error.__traceback__)
        held.fail(_Failure(f"resource {name!r} {what}", error, name))
        if held.failure is not None and not (self._has_failed or self._is_closed):
            self._has_failed = True
            self._on_failure(held.failure.again())


class _Failure:
    """Why a resource cannot be used; each reader gets an error of its own."""

    def __init__(self, text: str, cause: BaseException | None, resource: str) -> None:
        self._text = text
        self._cause = cause
        self._resource = resource
        self._traceback = "" if cause is None else "".join(traceback.format_exception(cause))

    def again(self) -> ResourceError:
        error = ResourceError(self._text, resource=self._resource, user_traceback=self._traceback)
        error.__cause__ = self._cause
        return error


class _Held:
    """One resource: ``keeper`` is the task that opens, holds and closes it."""

    keeper: asyncio.Task[None]

    def __init__(self, source: ResourceSource) -> None:
        self.source = source
        self.value: Any = None
        self.failure: _Failure | None = None
        self.is_settled = asyncio.Event()
        self.closing = asyncio.Event()

    def settle(self, value: Any) -> None:
        self.value = value
        self.is_settled.set()

    def fail(self, failure: _Failure) -> None:
        self.value, self.failure = None, failure
        self.is_settled.set()


async def _close(held: _Held, steps: Steps) -> None:
    try:
        await steps.close()
    except asyncio.CancelledError:
        raise
    except Exception:
        logger.exception(
            "resource %r could not be closed; the others are closed as usual", held.source.name
        )


async def _ended(held: _Held) -> None:
    """Wait until a resource is closed, for a limited time."""
    await asyncio.wait([held.keeper], timeout=CLOSE_S)
    if not held.keeper.done():
        logger.error(
            "resource %r did not close within %g s and is left open; the others are closed",
            *(held.source.name, CLOSE_S),
        )
        held.keeper.cancel()
        leave_behind(held.keeper)


def _of_users(found: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package that it begins with."""
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_FOLDER):
        found = found.tb_next
    return found


def _text(error: BaseException) -> str:
    kind, message = type(error).__name__, str(error)
    return f"{kind}: {message}" if message else kind
