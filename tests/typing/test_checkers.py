"""Type checkers know the public API: what is right passes, and each mistake is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ("tests/typing/public_api.py", "tests/typing/edges.py")


@pytest.mark.parametrize("checker", [["mypy"], ["pyright", "--pythonpath", sys.executable]])
def test_a_checker_agrees_with_what_the_samples_say(checker: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *checker, *SAMPLES], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
