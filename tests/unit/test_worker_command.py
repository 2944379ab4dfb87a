"""Options that `astrum-worker` refuses at once."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from astrum_worker.cli import main


@pytest.mark.parametrize("queue", ["", "cpu,gpu"])
def test_a_queue_without_a_name_or_with_two_is_refused(queue: str) -> None:
    done = CliRunner().invoke(main, ["flow.py", "--queue", "default", "--queue", queue])
    assert done.exit_code == 2
    assert f"{queue!r} is not a queue name; repeat the option to serve several" in done.output


def test_several_processes_without_a_supervisor_are_refused() -> None:
    done = CliRunner().invoke(main, ["flow.py", "--processes", "2", "--no-supervisor"])
    assert done.exit_code == 2
    assert "--processes needs the supervisor; drop --no-supervisor" in done.output
