"""Redis and Valkey: connections, scripts and the two stores. No other package sends a command.

All decisions use the server's time. Every write is one script, so the state is valid even if the
server loses its last writes; every script may be repeated after a lost reply. Public methods raise
kinds of `astrum.errors.StoreError` and `RunError` only. May import `protocol`, `values`,
`machine`, `runtime` and `errors`.
"""

from __future__ import annotations

from astrum.protocol.records import Outstanding, RunInfo, WorkerInfo
from astrum.redis.lease import LeaseClient
from astrum.redis.records import Claim, DeadClaim, EntryKey, JournalEntry
from astrum.redis.run_store import RunStore
from astrum.redis.server_check import check_server
from astrum.redis.settings import (
    RedisSettings,
    ServerIdentity,
    ServerLossDetector,
)
from astrum.redis.settlement import Settlement, StoredLog, Verdict
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
    "StoredLog",
    "Verdict",
    "WorkerInfo",
    "WorkerStore",
    "check_server",
    "translate",
]
