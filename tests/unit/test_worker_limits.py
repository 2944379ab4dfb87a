"""When a worker process is replaced; sizes and durations on the command line."""

from __future__ import annotations

import socket

import click
import pytest
from click.testing import CliRunner

from astrum.runtime.cli.options import Duration, Size
from astrum_coordinator.cli import main as coordinator
from astrum_worker.cli import main as worker
from astrum_worker.supervisor_link import LEAVES, REPLACED, ChildLink
from astrum_worker.upkeep.replacement import Limits

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 * GIB),
        ("2g", 2 * GIB),
        ("2 GB", 2 * 10**9),
        ("1.5GiB", 3 * GIB // 2),
        ("512MiB", GIB // 2),
        ("4096", 4096),
        ("4096b", 4096),
    ],
)
def test_sizes_have_the_usual_units(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "2 Gigs", "-1", "0", "2iB", "GiB", "1e9", "nan"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size"):
        Size().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5m", 90), ("12H", 43_200), ("7 d", 604_800), (5.0, 5)]
)
def test_durations_are_seconds_or_have_a_unit(text: str | float, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_a_duration_may_have_a_least_value() -> None:
    assert Duration(least=0).convert("0", None, None) == 0
    assert Duration(least=1).convert("1s", None, None) == 1
    with pytest.raises(click.BadParameter, match=r"'0\.5' is not a duration of 1 s or more: write"):
        Duration(least=1).convert("0.5", None, None)


@pytest.mark.parametrize("text", ["", "0", "-1", "7w", "inf", "nan", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (coordinator, ["wait", "july", "--timeout"]),
        (coordinator, ["run", "flow.py", "--timeout"]),
        (coordinator, ["submit", "flow.py", "--timeout"]),
        (worker, ["flow.py", "--grace"]),
        (worker, ["flow.py", "--lease"]),
        (worker, ["flow.py", "--blocked-limit"]),
    ],
)
def test_each_time_on_a_command_line_may_have_a_unit(
    command: click.Command, words: list[str]
) -> None:
    def refused(text: str) -> str:
        done = CliRunner().invoke(command, [*words, text, "--log-level", "no-level"])
        assert done.exit_code == 2
        return done.output

    assert "--log-level" in refused("10m")  # options are read in order: this one was good
    assert "'soon' is not a duration" in refused("soon")


def test_a_limit_of_attempts_is_never_exceeded_and_differs_among_processes() -> None:
    def first(limits: Limits) -> int:
        return next(n for n in range(2_000) if limits.reached(n, None))

    firsts = {first(Limits(1_000, None)) for _ in range(50)}
    assert all(900 <= number <= 1_000 for number in firsts)
    assert len(firsts) > 10
    assert first(Limits(1, None)) == 1


def test_memory_counts_only_after_an_attempt() -> None:
    limits = Limits(None, GIB)
    assert limits.reached(0, 2 * GIB) == ""
    assert limits.reached(1, GIB // 2) == ""
    assert limits.reached(1, 2 * GIB) == "it uses 2,048 MiB of memory"
    assert limits.reached(1, None) == ""


@pytest.mark.parametrize(
    ("said", "parting"),
    [
        ((REPLACED,), REPLACED),
        ((LEAVES, REPLACED), LEAVES),
        ((REPLACED, LEAVES), LEAVES),
        ((REPLACED, REPLACED), REPLACED),
    ],
)
def test_an_operator_s_drain_stands_if_the_process_reaches_a_limit_as_well(
    said: tuple[str, ...], parting: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = ChildLink(ours, lambda: None)
        theirs.sendall("".join(f"{line}\n" for line in said).encode())
        link.read_rest()
    assert link.parting == parting
