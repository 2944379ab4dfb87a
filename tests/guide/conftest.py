"""Every page of the guide starts with no tasks declared."""

from collections.abc import Iterator

import pytest

from astrum import clear_registry


@pytest.fixture(autouse=True)
def empty_namespaces() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()
