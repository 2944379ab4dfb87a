"""The table of exit codes: the same in code and in the docs, and the code of each error."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from astrum.errors import (
    AstrumError,
    ReleaseRefusedError,
    RetryRefusedError,
    RunEndedError,
    RunNotFoundError,
    StoreConfigurationError,
    StoreRefusesWritesError,
    StoreUnavailableError,
    TaskNotFoundError,
)
from astrum.runtime.exit_codes import ExitCode, exit_code_of

TABLE = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_the_docs_and_the_code_have_the_same_table() -> None:
    rows = re.findall(r"^\| (\d+) \|", TABLE.read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TaskNotFoundError("no task"), ExitCode.WRONG_USAGE),
        (StoreConfigurationError("wrong password"), ExitCode.WRONG_USAGE),
        (StoreUnavailableError("refused"), ExitCode.FAILED),
        (StoreRefusesWritesError("full"), ExitCode.PERSON_NEEDED),
        (RunNotFoundError("no run"), ExitCode.WRONG_USAGE),
        (RunEndedError("ended"), ExitCode.WRONG_USAGE),
        (RetryRefusedError("it is under way"), ExitCode.WRONG_USAGE),
        (ReleaseRefusedError("it is not held"), ExitCode.WRONG_USAGE),
        (OSError(errno.ENOSPC, "full"), ExitCode.NOT_HANDED_OVER),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_every_error_of_Astrum_has_an_exit_code(error: BaseException, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_a_bug_has_no_exit_code() -> None:
    assert exit_code_of(ZeroDivisionError()) is None
    assert exit_code_of(AstrumError("any")) is ExitCode.FAILED
