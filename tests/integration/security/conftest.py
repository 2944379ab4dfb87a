"""A server of the test's own, and processes with keys of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.security.signed import SignedPool
from tests.servers import RedisServer


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedPool]:
    """Nothing started yet."""
    with RedisServer() as server, SignedPool(tmp_path, server, monkeypatch) as pool:
        yield pool
