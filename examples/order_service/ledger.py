"""A fake bank and shop in one SQLite file: it counts reservations, charges and mails.

As real banks do, it makes one charge for all requests with the same idempotency key. Two charges
for one order therefore mean that two keys were used: `Ledger.audit` finds them.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

PATH_VARIABLE = "ORDERS_LEDGER"
DEFAULT_PATH = "ledger.sqlite"
BUSY_S = 20.0

_TABLES = """
create table if not exists reservations (order_key text primary key, item text, quantity int);
create table if not exists charges (
    number integer primary key, idempotency_key text unique, order_key text, cents int, at real);
create table if not exists requests (order_key text, idempotency_key text, at real);
create table if not exists mails (order_key text, at real);
create table if not exists refusals (what text primary key);
"""


class Ledger:
    """One open connection to the file, for all threads of a process."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = Lock()

    def reserve(self, order_key: str, item: str, quantity: int) -> None:
        """Put goods aside for an order; a repetition changes nothing."""
        self._write(
            "insert or ignore into reservations values (?, ?, ?)", (order_key, item, quantity)
        )

    def charge(self, idempotency_key: str, order_key: str, cents: int) -> int:
        """Charge once for all requests with this idempotency key; return the charge's number."""
        self._write("insert into requests values (?, ?, ?)", (order_key, idempotency_key, _now()))
        self._write(
            "insert or ignore into charges (idempotency_key, order_key, cents, at) "
            "values (?, ?, ?, ?)",
            (idempotency_key, order_key, cents, _now()),
        )
        query = "select number from charges where idempotency_key = ?"
        return int(self._read(query, (idempotency_key,))[0][0])

    def note_mail(self, order_key: str) -> None:
        """Count a mail that was sent."""
        self._write("insert into mails values (?, ?)", (order_key, _now()))

    def refuses_first(self, what: str) -> bool:
        """Tell whether ``what`` is asked for for the first time."""
        return self._write("insert or ignore into refusals values (?)", (what,)) == 1

    def audit(self) -> dict[str, int]:
        """Return the charges by order."""
        rows = self._read("select order_key, count(*) from charges group by 1")
        return {str(key): int(count) for key, count in rows}

    def count(self, table: str) -> int:
        """Return the rows of one of the tables."""
        assert table in {"reservations", "charges", "requests", "mails"}
        return int(self._read(f"select count(*) from {table}")[0][0])

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with self._lock, self._connection:
            return self._connection.execute(statement, values).rowcount

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()


@contextmanager
def open_ledger(path: str | Path | None = None) -> Iterator[Ledger]:
    """Open the ledger's file, by default that of ``ORDERS_LEDGER``, and make it if it is new."""
    where = path or os.environ.get(PATH_VARIABLE, DEFAULT_PATH)
    connection = sqlite3.connect(where, timeout=BUSY_S, check_same_thread=False)
    try:
        if not connection.execute("select 1 from sqlite_master where name = 'refusals'").fetchone():
            connection.execute("pragma journal_mode = wal")
            connection.executescript(_TABLES)
        connection.execute("pragma synchronous = normal")
        yield Ledger(connection)
    finally:
        connection.close()


def _now() -> float:
    return time.time()
