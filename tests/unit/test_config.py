"""`AstrumConfig`: its fields, and what it refuses."""

from dataclasses import FrozenInstanceError

import pytest

from astrum.config import AstrumConfig


def test_the_defaults_are_those_of_the_specification() -> None:
    config = AstrumConfig()
    assert (config.skip_type_check, config.infer_via_ast, config.strict_topology) == (False,) * 3
    assert (config.allow_no_dir_definition, config.auto_sync_dependencies) == (True, True)
    assert (config.visualize, config.silence_warnings, config.silence) == (False, False, True)
    assert config.concurrency_limit is None
    assert config.ignore_tail_task == []
    assert config.class_instances == []
    assert config.check_wire is False


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        AstrumConfig().silence = False  # type: ignore[misc]


def test_a_config_keeps_its_own_copies_of_the_callers_lists() -> None:
    tails = ["audit"]
    config = AstrumConfig(ignore_tail_task=tails)
    tails.append("other")
    assert config.ignore_tail_task == ["audit"]


async def test_a_limit_gives_a_semaphore_of_that_many_places() -> None:
    semaphore = AstrumConfig(concurrency_limit=2).build_semaphore()
    assert semaphore is not None
    await semaphore.acquire()
    assert not semaphore.locked()
    await semaphore.acquire()
    assert semaphore.locked()


def test_no_limit_gives_no_semaphore() -> None:
    assert AstrumConfig().build_semaphore() is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="concurrency_limit"):
        AstrumConfig(concurrency_limit=limit)


@pytest.mark.parametrize("limit", [True, "4", 1.5])
def test_a_limit_that_is_not_an_integer_is_refused(limit: object) -> None:
    with pytest.raises(TypeError, match="concurrency_limit"):
        AstrumConfig(concurrency_limit=limit)  # type: ignore[arg-type]


def test_a_string_instead_of_a_list_of_tail_tasks_is_refused() -> None:
    with pytest.raises(TypeError, match="ignore_tail_task"):
        AstrumConfig(ignore_tail_task="audit")  # type: ignore[arg-type]
