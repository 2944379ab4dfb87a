"""Composes the parts of a worker, each from parts that exist already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from astrum.execution.invoke import Invoker
from astrum.execution.resources import OpenResources
from astrum.protocol.sealing import Seal
from astrum.redis import LeaseClient, WorkerStore
from astrum.runtime.service import Service
from astrum_worker.attempt_metrics import AttemptMetrics
from astrum_worker.claiming.consumer import Consumer, ReaderRestarter
from astrum_worker.claiming.exclusive import ExclusiveLane
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.catalog import Catalog
from astrum_worker.running.claim_reader import ClaimReader
from astrum_worker.running.executor import AttemptExecutor
from astrum_worker.running.slots import Slots
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.settler import Settler
from astrum_worker.streams import offers_read
from astrum_worker.upkeep.blocked_process_end import BlockedProcessEnd
from astrum_worker.upkeep.drain import Drain
from astrum_worker.upkeep.hints import Hints
from astrum_worker.upkeep.hung_tasks import HungTasks
from astrum_worker.upkeep.hung_threads import HungThreads
from astrum_worker.upkeep.lease import Lease
from astrum_worker.upkeep.log_updates import LogUpdates
from astrum_worker.upkeep.loop_block_detector import LoopBlockDetector
from astrum_worker.upkeep.reconciler import Reconciler
from astrum_worker.upkeep.registration import Registration, new_worker_id
from astrum_worker.upkeep.replacement import Replacement
from astrum_worker.upkeep.resource_failure import ResourceFailure
from astrum_worker.upkeep.status import StatusBoard


class Parts(NamedTuple):
    """All parts of one worker.

    ``claiming`` brings attempts in and stops first; ``followers`` watch over claimed
    attempts and stop when there are none.
    """

    context: WorkerContext
    registration: Registration
    invoker: Invoker
    blobs: BlobCache
    resources: OpenResources
    slots: dict[str, Slots]
    attempts: Attempts
    settler: Settler
    reconciler: Reconciler
    detector: LoopBlockDetector
    board: StatusBoard
    lease: Lease
    consumers: list[Consumer]
    claiming: list[Service]
    followers: list[Service]


def compose(
    config: WorkerConfig,
    catalog: Catalog,
    *,
    stop: Callable[[int], None],
    lease_type: Callable[..., Lease] = Lease,
) -> Parts:
    """Make a worker; a part that finds that it should end calls ``stop`` with an exit code."""
    store = WorkerStore(config.redis, new_worker_id())
    offers = offers_read(catalog.offers(), catalog.codes())
    seal = Seal(config.redis.signing_keys)
    metrics = _metrics(config)
    context = WorkerContext(store, config, seal=seal, offers=offers, metrics=metrics)
    registration = Registration(context, catalog)
    invoker = Invoker(config.threads, name="astrum-task")
    blobs = BlobCache(store.get_blob, config.blob_cache_bytes)
    slots = _slots(config)
    settler = Settler(context)
    resources = OpenResources(ResourceFailure(context.gate, stop).end)
    executor = AttemptExecutor(context, invoker, blobs, resources)
    logs = TaskLogs(context)
    reader = ClaimReader(catalog, context.seal)
    attempts = Attempts(context, reader, executor, settler, slots, logs)
    reconciler = Reconciler(context, attempts, settler, registration.register)
    detector = LoopBlockDetector(attempts.running_in, config.blocked_after_s, attempts.running_as)
    process_end = BlockedProcessEnd(context, attempts, settler, logs)
    detector.on_limit(config.blocked_limit_s, process_end.end)
    consumers = _consumers(context, attempts, slots)
    board = StatusBoard(context, attempts, consumers, detector, invoker.pool)
    lease = _lease(context, reconciler, board, lease_type)
    lease.on_drain(Drain(stop).begin)
    context.gate.before_claim(lease.judge)
    context.gate.on_close(attempts.hand_back_waiting)
    return Parts(
        context=context,
        registration=registration,
        invoker=invoker,
        blobs=blobs,
        resources=resources,
        slots=slots,
        attempts=attempts,
        settler=settler,
        reconciler=reconciler,
        detector=detector,
        board=board,
        lease=lease,
        consumers=consumers,
        claiming=_claiming(context, consumers, attempts, settler),
        followers=[
            *_replacement(context, attempts, stop),
            *([LogUpdates(context, attempts, logs)] if logs.keeps_all else []),
            reconciler,
            Hints(context, attempts),
            HungTasks(attempts, config.hung_patience_s),
            HungThreads(invoker.pool, config, stop),
        ],
    )


def _claiming(
    context: WorkerContext, consumers: list[Consumer], attempts: Attempts, settler: Settler
) -> list[Service]:
    return [
        ReaderRestarter(consumers, context.config.claim_wait_s / 2, context.doubt),
        ExclusiveLane(context, consumers, attempts, settler),
        *consumers,
    ]


def _metrics(config: WorkerConfig) -> AttemptMetrics | None:
    tasks, stream_of = config.metrics_tasks, config.redis.keys.stream_of
    return None if tasks is None else AttemptMetrics(tasks, stream_of)


def _replacement(
    context: WorkerContext, attempts: Attempts, stop: Callable[[int], None]
) -> list[Service]:
    config = context.config
    is_limited = config.max_attempts is not None or config.max_rss_bytes is not None
    return [Replacement(context, attempts, stop)] if is_limited else []


def _consumers(
    context: WorkerContext, attempts: Attempts, slots: dict[str, Slots]
) -> list[Consumer]:
    return [
        Consumer(context, lane, places, partial(attempts.accept, lane))
        for lane, places in slots.items()
    ]


def _slots(config: WorkerConfig) -> dict[str, Slots]:
    return {
        "async": Slots(config.concurrency),
        "thread": Slots(config.threads, feeds_threads=True),
    }


def _lease(
    context: WorkerContext,
    reconciler: Reconciler,
    board: StatusBoard,
    lease_type: Callable[..., Lease],
) -> Lease:
    config = context.config
    timeout_s, clock = min(2.0, config.lease_s / 5), context.store.clock
    client = LeaseClient(config.redis, timeout_s=timeout_s, clock=clock)
    return lease_type(context.worker_id, client, config, board, reconciler)
