"""A process group that does not outlive the process that opened it.

The guard is a tiny process that leads the group and reads a pipe whose other end only the owner
has. When the owner dies, however that happens, the pipe ends: the guard then kills the whole group
and removes the directory it was given. This needs no signal handler in the owner, works for
``kill -9``, and also ends the children of the group's members. The guard lives as long as the
group is in use, so its id cannot be reused for other processes meanwhile.

The group is not the terminal's foreground group, so Ctrl-C reaches only the owner, which can
then stop the members in order.

The guard runs `guard_script`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from subprocess import SubprocessError

from astrum.runtime.loops import in_process_group

GUARD_SCRIPT = Path(__file__).with_name("guard_script.py")


class ProcessGuard:
    """Starts processes that end, at the latest, with this one.

    ``directory``, if given, is removed when the owner dies; on `close` it is the owner's to
    remove. Closing twice is safe.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._guard: Process | None = None

    async def open(self) -> None:
        """Start the guard itself."""
        arguments = [] if self._directory is None else [str(self._directory)]
        self._guard = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(GUARD_SCRIPT), *arguments),
            stdin=PIPE,
            stdout=DEVNULL,
            **in_process_group(0),
        )

    async def start(
        self,
        *command: str,
        stdout: int = DEVNULL,
        stderr: int = DEVNULL,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Process:
        """Start a member of the group, in ``folder``, without standard input.

        Raises `RuntimeError` for a guard that is not open and `OSError` for a command that cannot
        be executed.
        """
        if self._guard is None:
            raise RuntimeError("a closed guard starts no process")
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=folder,
                **in_process_group(self._guard.pid),
            )
        except SubprocessError as error:  # of uvloop, when there is no such group any more
            raise OSError(str(error)) from error

    async def close(self) -> None:
        """Kill all that is left of the group, including the guard."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        await guard.wait()
