"""The bundle in the package is what its source says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import WEB_SOURCE

STATIC = WEB_SOURCE.parent / "astrum_coordinator" / "display" / "static"


def test_the_committed_bundle_is_built_from_the_committed_source(tmp_path: Path) -> None:
    if not shutil.which("node") or not (WEB_SOURCE / "node_modules" / "esbuild").exists():
        pytest.skip("esbuild is not installed: npm ci in coordinator/web-src")
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=WEB_SOURCE, check=True, timeout=50)
    for name in ("report.js", "report.css"):
        built, committed = (tmp_path / name).read_bytes(), (STATIC / name).read_bytes()
        assert built == committed, f"{name} is not what `make page` builds"


def test_the_bundle_can_stand_inside_of_a_page() -> None:
    script = (STATIC / "report.js").read_text(encoding="utf-8")
    style = (STATIC / "report.css").read_text(encoding="utf-8")
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert "</style" not in style.lower()
    assert "url(" not in style


def test_no_text_of_a_run_can_become_markup() -> None:
    for file in (WEB_SOURCE / "src").rglob("*.js"):
        source = file.read_text(encoding="utf-8")
        for way in (
            "innerHTML",
            "InnerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert way not in source, f"{file.name} has {way}"
