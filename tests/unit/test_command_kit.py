"""The kit of both commands: server options, stop signals, and errors that become exit codes."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from astrum.errors import AstrumError, FlowImportError, StoreConfigurationError
from astrum.redis.settings import RedisSettings
from astrum.runtime.cli.commands import SteadyCommand
from astrum.runtime.cli.options import ServerOptions, server_options
from astrum.runtime.cli.signals import SAME_FOR_S, StopSignals
from astrum_coordinator.cli import main as coordinator


class Clock:
    """Stands for the module ``time``."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def parsed(*arguments: str, **variables: str) -> ServerOptions:
    found: list[ServerOptions] = []

    @click.command()
    @server_options
    def command(server: ServerOptions) -> None:
        found.append(server)

    done = CliRunner().invoke(command, arguments, env=variables)
    assert done.exit_code == 0, done.output
    return found[0]


def test_all_server_options_arrive_as_one_value() -> None:
    server = parsed("--redis", "rediss://host", "--redis-ca", "ca.pem", ASTRUM_PREFIX="jobs")
    assert server == ServerOptions("rediss://host", "jobs", tls_ca_file="ca.pem")
    assert RedisSettings.from_env(**server._asdict()).tls_ca_file == "ca.pem"


def test_server_options_as_arguments_are_read_as_the_same_but_for_the_url() -> None:
    server = ServerOptions("rediss://:secret@host", "jobs", "ca.pem", "cert.pem", "key.pem")
    assert parsed(*server.arguments()) == server._replace(url=None)


def test_a_signal_that_comes_twice_at_once_is_one_and_a_later_one_is_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("astrum.runtime.cli.signals.time", clock)
    taken: list[tuple[str, int]] = []
    signals = StopSignals(
        lambda number: taken.append(("first", number)),
        lambda number: taken.append(("again", number)),
    )
    signals.take(signal.SIGINT)
    clock.now += SAME_FOR_S - 0.01
    signals.take(signal.SIGTERM)
    assert taken == [("first", signal.SIGINT)]
    clock.now += 0.02
    signals.take(signal.SIGTERM)
    assert taken == [("first", signal.SIGINT), ("again", signal.SIGTERM)]
    assert signals.received == signal.SIGINT


class WithoutOutputs(SteadyCommand):
    process = "tester"

    def main(self, *args: Any, **extra: Any) -> Any:
        """Leave the outputs to the runner."""
        return click.Command.main(self, *args, **extra)


def ended(error: BaseException) -> SimpleNamespace:
    @click.command(cls=WithoutOutputs)
    def command() -> None:
        raise error

    done = CliRunner().invoke(command)
    return SimpleNamespace(code=done.exit_code, said=done.output, error=done.exception)


def test_an_error_becomes_a_sentence_and_its_exit_code() -> None:
    done = ended(StoreConfigurationError("wrong password \x1b[2J"))
    assert (done.code, done.said) == (2, "error: wrong password \\x1b[2J\n")
    assert ended(AstrumError("away")).code == 1
    interrupted = ended(KeyboardInterrupt())
    assert (interrupted.code, interrupted.said) == (130, "interrupted\n")


def test_an_interrupt_while_the_command_line_is_read_has_the_same_end() -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    @click.command(cls=WithoutOutputs)
    @click.option("--queue", callback=interrupted)
    def command(queue: str) -> None:
        """Is not reached."""

    done = CliRunner().invoke(command)
    assert (done.exit_code, done.output) == (130, "interrupted\n")


def test_a_module_that_cannot_be_loaded_is_shown_with_its_traceback_and_the_process() -> None:
    done = ended(FlowImportError("flow.py cannot be loaded", user_traceback="NameError: x\n"))
    said = "NameError: x\n\nerror: flow.py cannot be loaded (in this process, the tester)\n"
    assert (done.code, done.said) == (2, said)


def test_a_fault_of_astrum_keeps_its_traceback() -> None:
    fault = ZeroDivisionError("a bug")
    assert ended(fault).error is fault


def test_a_file_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        done = CliRunner().invoke(coordinator, ["run", "flow.py", "--report", str(path)])
        assert done.exit_code == 2
        return " ".join(done.output.split())

    assert f"cannot be written: there is no directory {tmp_path}/none" in refused(
        tmp_path / "none" / "run.json"
    )
    if Path("/proc").exists():  # it takes no files
        assert "cannot be written: No such file or directory" in refused(Path("/proc/run.json"))
    assert "cannot be written: it is a directory" in refused(tmp_path)
    assert "cannot be written: File name too long" in refused(tmp_path / ("x" * 300))
