"""What a coordinator answers about single runs, as long as their records or chronicles are kept."""

from __future__ import annotations

from abc import abstractmethod

from astrum.errors import RunNotFoundError
from astrum.view import Explanation, RunSnapshot
from astrum.view.report.columns import RunColumns
from astrum.view.report.columns_report import snapshot_of
from astrum.view.report.redacting import without_messages
from astrum_coordinator.asking.connected import Connected
from astrum_coordinator.asking.exports import recorded_columns
from astrum_coordinator.asking.past_runs import PastRun, past_runs, read_chronicle
from astrum_coordinator.asking.reasons import why
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.snapshots import take_snapshot
from astrum_coordinator.asking.waiting import found_run


class Answers(Connected):
    """The part of a coordinator that answers about runs."""

    @property
    @abstractmethod
    def _reports(self) -> ReportLoader:
        """The loader of reports."""

    async def snapshot(self, run_id: str, *, results: bool | str = False) -> RunSnapshot:
        """Return a run's report together with where each unfinished task stands.

        ``results`` as in `report`; the id of a task stands for its result alone. Of a run whose
        record has expired it is what its chronicle holds, without results. Raises
        `RunNotFoundError`, and `DecodeError` for a chronicle that cannot be read.
        """
        context, store = self._context, self._context.store
        try:
            return await take_snapshot(store, self._reports, run_id, results=results)
        except RunNotFoundError:
            chronicle = await read_chronicle(store, context.seal, run_id)
            if chronicle is None:
                raise
            return snapshot_of(chronicle.columns)

    async def why(self, run_id: str, task: str | None = None) -> Explanation:
        """Return why a run, or a task or child of it, is as it is, and what to do about it.

        It has a stable ``code`` and one ``sentence``. Of a run whose record has expired it is what
        its chronicle holds. Raises `RunNotFoundError` and `TaskNotFoundError` with the nearest
        name, and `DecodeError` for a chronicle that cannot be read.
        """
        context = self._context
        return await why(context.store, context.seal, self._reports, run_id, task)

    async def past_runs(self, limit: int = 50) -> list[PastRun]:
        """Return the newest ``limit`` runs of which only the chronicle is left, newest first.

        Their chronicles are read, one after the other.
        """
        return await past_runs(self._context.store, self._context.seal, limit)

    async def export(
        self, run_id: str, *, with_values: bool = False, redact: bool = False
    ) -> RunColumns:
        """Return the shape of a run as columns, which docs/schemas/run-1.json describes.

        They hold no results, and inputs only ``with_values``. With ``redact`` they hold no
        messages, tracebacks and logs either. Of a run whose record has expired they are those of
        its chronicle.
        Raises as `snapshot`.
        """
        context, store = self._context, self._context.store
        info = await store.run_info(run_id)
        if info is not None:
            return await recorded_columns(
                store, self._reports, info, with_values=with_values, redacted=redact
            )
        chronicle = await read_chronicle(store, context.seal, run_id)
        if chronicle is None:
            await found_run(store, run_id)  # raises, with the nearest id
            raise RunNotFoundError(f"run {run_id!r} has just been created: ask again")
        return without_messages(chronicle.columns) if redact else chronicle.columns
