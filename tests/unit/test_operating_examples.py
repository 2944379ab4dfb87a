"""The files in ``examples/operating``: valid, and about metrics and paths that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from astrum.machine.events import Outcome
from astrum.runtime.health import ENDPOINTS
from astrum_coordinator import health
from astrum_worker.claim_gate import Reason
from astrum_worker.health import readings

FOLDER = Path(__file__).parents[2] / "examples" / "operating"
METRICS = {one.name: one for one in (*readings.METRICS, *health.METRICS)}


def load(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    [group] = load("alerts.yml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_each_rule_names_metrics_and_labels_that_there_are(rules: list[dict[str, Any]]) -> None:
    assert len(rules) == 7
    for rule in rules:
        named = re.findall(r"\bastrum_\w+", rule["expr"])
        assert named, rule
        for name in named:
            metric = METRICS[re.sub("_(bucket|sum|count)$", "", name)]
            matched = re.search(rf"\b{name}\{{([^}}]*)\}}", rule["expr"])
            used = re.findall(r"(\w+)[=!]", matched[1]) if matched else []
            assert set(used) <= set(metric.labels), rule
        grouped = {
            word
            for by in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for word in by.replace(",", " ").split()
        }
        labels = {label for name in named for label in METRICS[name].labels} | {"instance"}
        assert grouped <= labels, rule
        shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert shown <= grouped, rule
        assert {"summary", "action"} == set(rule["annotations"])


def test_values_that_rules_compare_with_are_possible(rules: list[dict[str, Any]]) -> None:
    text = str(rules)
    parts = re.findall(r'outcome=~"([^"]*)"', text)
    outcomes = {name for part in parts for name in part.split("|")}
    assert outcomes <= {outcome.name.lower() for outcome in Outcome}
    [reasons] = re.findall(r'reason=~"([^"]*)"', text)
    assert set(reasons.split("|")) <= {reason.value for reason in Reason}


def test_prometheus_takes_the_files() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here (Debian has it in the package prometheus)")
    for command in (["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed here")
    for unit in FOLDER.glob("*.service"):
        # Neither the program nor the user are installed here.
        text = unit.read_text(encoding="utf-8").replace("/opt/astrum/bin/", "/bin/true ")
        (tmp_path / unit.name).write_text(text.replace("User=astrum\n", ""))
        command = [analyze, "verify", "--man=no", str(tmp_path / unit.name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert unit.name not in done.stderr, done.stderr


def test_units_wait_for_the_start_and_watch_over_the_service() -> None:
    for name in ("astrum-worker.service", "astrum-serve.service"):
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        assert {"Type=notify", "NotifyAccess=main", "WatchdogSec=60"} <= set(lines)


def test_probes_of_the_deployment_ask_for_paths_that_there_are() -> None:
    [container] = load("worker-deployment.yaml")["spec"]["template"]["spec"]["containers"]
    probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["httpGet"]["path"] for probe in probes} == {"/live", "/ready"} < set(ENDPOINTS)
    [port] = [item["containerPort"] for item in container["ports"]]
    [address] = [item["value"] for item in container["env"] if item["name"] == "ASTRUM_HEALTH"]
    assert address == f"0.0.0.0:{port}"
    scales = load("keda.yaml")["spec"]["scaleTargetRef"]["name"]
    assert scales == load("worker-deployment.yaml")["metadata"]["name"]
