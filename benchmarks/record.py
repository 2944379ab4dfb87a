"""The record of one run of the benchmarks: every number, and the machine it is from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.case import Case, Samples, Setting
from benchmarks.systems import PEERS
from tests.servers import find_binaries

LIBRARIES = ("astrum-pool", "redis", "hiredis", "msgpack")


def as_json(
    cases: Sequence[Case],
    samples: Mapping[str, Samples],
    setting: Setting,
    reasons: Mapping[str, str],
) -> dict[str, Any]:
    """Return everything that is worth keeping."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": _machine(),
        "setting": asdict(setting),
        "peers": {name: " ".join(PEERS[name].requirements) for name in setting.peers},
        "not_measured": dict(reasons),
        "cases": {case.name: _case(case, samples[case.name]) for case in cases},
    }


def write(data: Mapping[str, Any], folder: Path) -> Path:
    """Write a record under its time; return where it is."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{data['measured_at'].replace(':', '')}.json"
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def _case(case: Case, samples: Samples) -> dict[str, Any]:
    return {
        "title": case.title,
        "rounds": samples.rounds,
        "not_measured": samples.reasons,
        "goals": [asdict(v) for v in case.verdicts(samples)] if samples.rounds else [],
    }


def _machine() -> dict[str, Any]:
    server = next(iter(find_binaries().values()))
    named = subprocess.run([server, "--version"], check=True, capture_output=True, text=True)
    return {
        "processors": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "server": named.stdout.strip(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "load_at_the_end": os.getloadavg(),
    }
