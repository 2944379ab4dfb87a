"""Reads the stored logs of all attempts of a run, as far as a report has room for them."""

from __future__ import annotations

from collections.abc import Sequence

from astrum.errors import DecodeError
from astrum.machine.events import WITHOUT_FAILURE, AttemptSettled
from astrum.machine.task_log import TaskLog
from astrum.protocol.sealing import Seal
from astrum.protocol.task_logs import decode_log, fingerprint_of_log, log_name
from astrum.redis.run_store import RunStore
from astrum.view.report.log_rows import MOST_CHARACTERS, MOST_LOGS, RunLogs

AT_ONCE = 100


async def read_logs(
    store: RunStore, seal: Seal, run_id: str, settled: Sequence[AttemptSettled]
) -> RunLogs:
    """Return the logs of a run that are stored, those of failures first.

    Enough to fill a report are read; of the others it is only known that they are there. One that
    is gone, or is not what its worker recorded, is not returned.
    """
    ends = [end for end in settled if end.log]
    ends.sort(key=lambda end: end.outcome in WITHOUT_FAILURE)
    kept: dict[tuple[int, int], TaskLog] = {}
    size = 0
    for first in range(0, min(len(ends), MOST_LOGS), AT_ONCE):
        if size > MOST_CHARACTERS:
            break
        part = ends[first : first + AT_ONCE]
        names = [log_name(end.task, end.attempt) for end in part]
        for end, name, data in zip(part, names, await store.get_logs(run_id, names), strict=True):
            if data and fingerprint_of_log(data) == end.log:
                try:
                    log = decode_log(seal.open_log(run_id, name, data))
                except DecodeError:
                    continue
                kept[end.task, end.attempt] = log
                size += sum(len(line.text) for line in log.lines)
    left_out = await store.logs_left_out(run_id)
    not_read = max(len(ends) - len(kept) - left_out.attempts, 0)
    return RunLogs(kept, left_out, not_read)
