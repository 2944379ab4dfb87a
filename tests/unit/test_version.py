"""The digest of what is installed changes with the packages and their versions alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from astrum.runtime.version import environment_digest


@pytest.fixture
def digest_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    def digest(*names: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name in names:
            (folder / name).mkdir()
        monkeypatch.setattr(sys, "path", [str(folder), str(folder), "/no/such/folder"])
        return environment_digest.__wrapped__()

    return digest


def test_equal_packages_have_one_digest(digest_of: Callable[..., str]) -> None:
    names = ("a-1.0.dist-info", "B-2.0.egg-info")
    assert digest_of(*names) == digest_of(*reversed(names), "a", "other")
    assert len(digest_of()) == 16


@pytest.mark.parametrize(
    "others", [("a-1.1.dist-info",), (), ("a-1.0.dist-info", "b-1.0.dist-info")]
)
def test_another_version_or_package_changes_the_digest(
    digest_of: Callable[..., str], others: tuple[str, ...]
) -> None:
    assert digest_of("a-1.0.dist-info") != digest_of(*others)
