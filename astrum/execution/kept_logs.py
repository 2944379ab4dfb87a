"""The logs of attempts of a run in this process: which are kept, and how many."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping

from astrum.execution.captured_log import CapturedLog
from astrum.machine.events import WITHOUT_FAILURE, Outcome
from astrum.machine.state import RunState
from astrum.machine.task_log import LogsLeftOut, TaskLog
from astrum.protocol.task_logs import (
    LOG_COSTS_BYTES,
    decode_log,
    encode_log,
    fingerprint_of_log,
    most_bytes,
)
from astrum.runtime.log_records import ALL_LOGS, NO_LOGS

logger = logging.getLogger("astrum.run")


def is_kept(outcome: Outcome, task_logs: str) -> bool:
    """Return whether the log of an attempt that ended so is to be kept."""
    if task_logs == NO_LOGS or outcome is Outcome.NEVER_BEGAN:
        return False
    return task_logs == ALL_LOGS or outcome not in WITHOUT_FAILURE


class KeptLogs(Mapping[tuple[int, int], TaskLog]):
    """The kept logs by task number and attempt, in the form in which workers store them.

    They have at most ``limit_bytes`` together, as on a server; what does not fit is left out and
    counted.
    """

    def __init__(self, run_id: str, task_logs: str, limit_bytes: int) -> None:
        self._run_id = run_id
        self._task_logs = task_logs
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: dict[tuple[int, int], bytes] = {}
        self.left_out = LogsLeftOut(limit_bytes=limit_bytes)

    def __getitem__(self, key: tuple[int, int]) -> TaskLog:
        return decode_log(self._kept[key])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, task: int, attempt: int, outcome: Outcome, log: CapturedLog) -> bytes:
        """Keep the log of an attempt that has ended, if it is to be kept.

        Returns what stands for it in the record of the end, ``b""`` if it is not kept. Never fails.
        """
        if not is_kept(outcome, self._task_logs):
            return b""
        try:
            log.end_line()
            data = encode_log(log.rows(), "", is_whole=True)
        except Exception:
            logger.exception("run %s: the log of an attempt cannot be kept", self._run_id)
            return b""
        size = self._bytes + len(data) + LOG_COSTS_BYTES
        if size > most_bytes(self._limit_bytes, is_failure=outcome not in WITHOUT_FAILURE):
            self._leave_out()
            return b""
        self._bytes = size
        self._kept[task, attempt] = data
        return fingerprint_of_log(data)

    def by_name(self, state: RunState) -> Mapping[tuple[str, int], TaskLog]:
        """Return the logs by the names of tasks and the numbers of attempts that reports have."""
        return _NamedLogs(
            {
                (state.tasks.name(task), attempt - state.skipped(task)): data
                for (task, attempt), data in self._kept.items()
            }
        )

    def _leave_out(self) -> None:
        count, since, limit = self.left_out
        if not count:
            since = time.time()
            logger.warning(
                "run %s: logs of attempts are left out from now on: those that are kept have "
                "reached their limit of %.3g MiB; AstrumConfig(task_logs_limit=) sets it, and "
                "--task-logs-limit of run --local",
                *(self._run_id, limit / 1024 / 1024),
            )
        self.left_out = LogsLeftOut(count + 1, since, limit)


class _NamedLogs(Mapping[tuple[str, int], TaskLog]):
    """Logs by name and number; each is decoded when it is asked for."""

    def __init__(self, kept: dict[tuple[str, int], bytes]) -> None:
        self._kept = kept

    def __getitem__(self, key: tuple[str, int]) -> TaskLog:
        return decode_log(self._kept[key])

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
