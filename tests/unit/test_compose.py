"""`compose.yaml` is valid and keeps what the README promises; no engine is needed to check it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
OURS = ("worker", "serve", "coordinator")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text())["services"]
    return loaded


def test_the_file_follows_the_compose_specification() -> None:
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema"),
            *("vendor.compose-spec", str(COMPOSE)),
        ],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_redis_appends_every_second_and_evicts_nothing(services: dict[str, Any]) -> None:
    command = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command


def test_workers_can_be_scaled(services: dict[str, Any]) -> None:
    assert "container_name" not in services["worker"]
    assert "ports" not in services["worker"]


def test_the_stores_port_is_not_published(services: dict[str, Any]) -> None:
    assert "ports" not in services["redis"]


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_sees_the_flows_and_waits_for_redis(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert service["volumes"] == ["${ASTRUM_FLOWS:-./examples}:/flows:ro"]
    assert service["depends_on"]["redis"]["condition"] == "service_healthy"
    assert service["environment"]["ASTRUM_REDIS_URL"] == "redis://redis:6379/0"


@pytest.mark.parametrize("name", ["redis", "worker", "serve"])
def test_each_service_that_stays_up_has_a_health_check(services: dict[str, Any], name: str) -> None:
    assert services[name]["healthcheck"]["test"]


def test_a_worker_is_given_longer_to_stop_than_its_grace(services: dict[str, Any]) -> None:
    grace = re.search(r"--grace (\d+)", services["worker"]["command"])
    assert grace is not None
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > int(grace[1])


def test_files_that_the_image_copies_exist_and_are_not_ignored(services: dict[str, Any]) -> None:
    dockerfile = services["worker"]["build"]["dockerfile_inline"]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [name for line in re.findall(r"COPY (.*) \S+", dockerfile) for name in line.split()]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept
