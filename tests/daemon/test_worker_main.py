"""A worker process that cannot load, as its parent is told of it."""

import re

import pytest

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.worker.handle import WorkerEnd, WorkerHandle, WorkerSpec


async def refusal(engine: str = "fake", **options: object) -> EngineUnavailableError:
    worker = WorkerHandle(WorkerSpec(model="m", engine=engine, options=options))
    with pytest.raises(EngineUnavailableError) as error:
        await worker.start()
    assert worker.reason == error.value.message
    assert await worker.wait_closed() is WorkerEnd.load_failed
    return error.value


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"load": "fail"}, "load_failed"),
        ({"load": "oom"}, "insufficient_memory"),
        ({"zork": 1}, "checkpoint_invalid"),
        ({"model": "/nowhere"}, "checkpoint_missing"),
    ],
)
async def test_a_load_that_fails_is_told_with_its_code(
    options: dict[str, object], code: str
) -> None:
    assert (await refusal(**options)).error_code == code


async def test_an_engine_that_is_not_there_is_told_with_its_code() -> None:
    assert (await refusal("zork")).error_code == "unknown_engine"


async def test_a_load_that_fails_as_nobody_foresaw_is_told_in_words() -> None:
    error = await refusal(model="a\0b")
    assert error.error_code == "load_failed"
    assert re.fullmatch(r"The model cannot be loaded: ValueError in \w+\.py:\d+\.", error.message)
