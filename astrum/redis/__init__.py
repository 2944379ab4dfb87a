"""Redis and Valkey: connections, scripts and the two stores. No other package sends a command.

All times that decide anything are the server's. Every write is one script, so a lost suffix of
the server's log is an earlier legal state; every script may be repeated after a lost reply.
Public methods raise `astrum.errors.StoreError` and `RunError` kinds only.
"""

from __future__ import annotations

from astrum.redis.lease import LeaseClient
from astrum.redis.records import (
    Claim,
    DeadClaim,
    EntryKey,
    JournalEntry,
    Outstanding,
    RunInfo,
    WorkerInfo,
)
from astrum.redis.run_store import RunStore
from astrum.redis.server_check import check_server
from astrum.redis.settings import (
    RedisSettings,
    ServerIdentity,
    ServerLossDetector,
    open_sync_client,
)
from astrum.redis.settlement import Settlement, Verdict
from astrum.redis.translation import translate
from astrum.redis.worker_store import WorkerStore

__all__ = [
    "Claim",
    "DeadClaim",
    "EntryKey",
    "JournalEntry",
    "LeaseClient",
    "Outstanding",
    "RedisSettings",
    "RunInfo",
    "RunStore",
    "ServerIdentity",
    "ServerLossDetector",
    "Settlement",
    "Verdict",
    "WorkerInfo",
    "WorkerStore",
    "check_server",
    "open_sync_client",
    "translate",
]
