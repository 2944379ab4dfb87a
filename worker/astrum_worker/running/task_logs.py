"""The logs of attempts: which are kept, and in which form they are stored with the run."""

from __future__ import annotations

import logging
import time

from astrum.execution.captured_log import CapturedLog
from astrum.execution.kept_logs import is_kept
from astrum.machine.events import WITHOUT_FAILURE
from astrum.protocol.task_logs import encode_log, fingerprint_of_log, log_name
from astrum.redis import StoredLog
from astrum.runtime.log_records import ALL_LOGS
from astrum_worker.context import WorkerContext
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.settling.ending import Ending

logger = logging.getLogger("astrum.worker")


class TaskLogs:
    """Gives the ends of attempts their logs. An attempt that logs nothing has none."""

    def __init__(self, context: WorkerContext) -> None:
        self._seal = context.seal
        self._store = context.store
        self._worker_id = context.worker_id
        self._task_logs = context.config.task_logs
        self._limit_bytes = context.config.task_logs_limit
        self.keeps_all = self._task_logs == ALL_LOGS

    def with_log(self, held: ClaimedAttempt, ending: Ending) -> Ending:
        """Return the end of an attempt together with its log, if that is to be kept.

        Never fails: an end is worth more than a log.
        """
        log, outcome = held.context.log, ending.record.outcome
        if log is None or not is_kept(outcome, self._task_logs):
            return ending
        try:
            stored = self.stored(held, log, is_whole=True)
            stored = stored._replace(is_failure=outcome not in WITHOUT_FAILURE)
        except Exception:
            logger.exception("the log of task %r cannot be stored", held.name)
            return ending
        record = ending.record._replace(log=fingerprint_of_log(stored.data))
        return ending._replace(record=record, log=stored)

    def stored(self, held: ClaimedAttempt, log: CapturedLog, *, is_whole: bool) -> StoredLog:
        """Return the log of an attempt as far as it is, in the form to store."""
        if is_whole:
            log.end_line()
        now = time.time()
        shift_s = self._store.clock.at(now) - now
        data = encode_log(log.rows(), self._worker_id, is_whole=is_whole, shift_s=shift_s)
        name = log_name(held.task, held.attempt)
        sealed = self._seal.seal_log(held.run_id, name, data)
        kind = {"is_failure": is_whole, "is_whole": is_whole}
        return StoredLog(held.run_id, name, sealed, self._limit_bytes, **kind)
