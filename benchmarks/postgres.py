"""A private PostgreSQL, for peers that recommend one: a normal process in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.systems import SystemFailedError

START_S = 30.0
USER = "postgres"


@contextmanager
def private_postgres() -> Iterator[str]:
    """Give the URL of a server with its default settings; raises `SystemFailedError`."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    process = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        made = [
            *_as_user(),
            str(binaries / "initdb"),
            "-A",
            "trust",
            "-U",
            USER,
            "-D",
            f"{folder}/d",
        ]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        port = _free_port()
        options = ["-D", f"{folder}/d", "-p", str(port), "-k", str(folder)]
        command = [*_as_user(), str(binaries / "postgres"), *options]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(port)
        yield f"postgresql://{USER}@127.0.0.1:{port}/{USER}"
    except (subprocess.CalledProcessError, LookupError) as error:
        raise SystemFailedError(f"PostgreSQL does not start: {error}") from None
    finally:
        if process is not None:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise SystemFailedError("PostgreSQL is not installed")


def _as_user() -> list[str]:
    # It refuses to run as root. setpriv replaces itself, so that a signal reaches the server.
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemFailedError(f"PostgreSQL does not listen after {START_S:g} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
