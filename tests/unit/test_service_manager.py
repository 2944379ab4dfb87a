"""What a service manager gets, and that the environment is left without its address."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrum.runtime.service_manager import READY, Seldom, ServiceManager, take_service_manager


@pytest.fixture
def told() -> Iterator[socket.socket]:
    """The socket of a service manager; a path of the tests' own folder may be too long for one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        listening.bind(str(Path(folder, "notify")))
        listening.settimeout(5.0)
        yield listening


def test_each_message_is_lines_of_assignments(told: socket.socket) -> None:
    manager = ServiceManager(told.getsockname())
    manager.tell_status("serves 2 tasks\nREADY=0 \x1b", READY)
    assert told.recv(1000) == b"READY=1\nSTATUS=serves 2 tasks\\nREADY=0 \\x1b"
    manager.tell_alive()
    assert told.recv(1000) == b"WATCHDOG=1"


@pytest.mark.skipif(not Path("/proc").exists(), reason="addresses without a file are Linux's")
def test_an_address_without_a_file_begins_with_an_at_sign() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0astrum-{os.getpid()}")
        ServiceManager(f"@astrum-{os.getpid()}").tell(READY)
        assert listening.recv(1000) == b"READY=1"


def test_the_environment_names_it_once(told: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "30000000", "A": "b"}
    manager = take_service_manager(environment)
    assert environment == {"A": "b"}
    assert manager.every_s == 10.0
    manager.tell(READY)
    assert told.recv(1000) == b"READY=1"
    assert take_service_manager(environment).every_s is None


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    other = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    assert take_service_manager(other).every_s is None


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_where_no_one_listens_nothing_happens(address: str) -> None:
    take_service_manager({"NOTIFY_SOCKET": address}).tell(READY)


def test_calls_that_come_too_often_are_dropped() -> None:
    calls: list[int] = []
    seldom = Seldom(3600.0, lambda: calls.append(1))
    seldom.call()
    seldom.call()
    assert calls == [1]
