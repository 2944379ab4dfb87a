"""The flows of the parity suite give the same for users with only the printed rights."""

from __future__ import annotations

import pytest

from astrum.errors import StoreConfigurationError
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from astrum_coordinator.cli.acl import ROLES
from tests.access import denied, make_user, url_of
from tests.integration.test_parity import FAILING, SUCCEEDING, outcome_of
from tests.processes import serving, worker
from tests.servers import RedisServer, find_binaries

FLOWS = ("direct", "typed", "retried", "sent", "big_values", "exhausted", "timed_out", "exits")


@pytest.mark.parametrize("binary", find_binaries().values(), ids=list(find_binaries()))
async def test_flows_run_under_the_printed_rules_on_every_server(binary: str) -> None:
    with RedisServer(binary) as server, server.client() as admin:
        for role in ROLES:
            make_user(admin, role)
        leads = RedisSettings(url=url_of(server.url, "coordinator"))
        with worker(url_of(server.url, "worker"), "tests.flows.parity"):
            await serving(leads, 1)
            async with Coordinator(leads) as coordinator:
                for name in FLOWS:
                    make = (SUCCEEDING | FAILING)[name]
                    expected = outcome_of(await make().execute())
                    assert outcome_of(await make().execute(coordinator)) == expected
        assert denied(admin) == []


async def test_a_run_needs_no_more_than_its_prefix() -> None:
    with RedisServer() as server, server.client() as admin:
        make_user(admin, "coordinator")
        elsewhere = RedisSettings(url=url_of(server.url, "coordinator"), prefix="other")
        with pytest.raises(StoreConfigurationError, match="access list forbids"):
            async with Coordinator(elsewhere):
                pass
