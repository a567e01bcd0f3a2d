"""A model whose files are not what they were takes nobody's place, however little it is."""

import asyncio
from pathlib import Path
import threading

import pytest

from indextts_daemon.checkpoints import manifest
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service.inspection import inspect
from indextts_daemon.worker.handle import WorkerSpec
from tests.daemon.checkpoint_files import write_converted
from tests.daemon.rooms import until


def spec(folder: Path) -> WorkerSpec:
    return WorkerSpec(model="indextts-2-5", engine="indextts", options={"model": str(folder)})


async def test_a_whole_model_passes_and_is_told_of(tmp_path: Path) -> None:
    told: list[str] = []
    await inspect(spec(write_converted(tmp_path)), told.append)
    assert told == ["Its files are read."]


async def test_one_changed_bit_is_refused_in_words(tmp_path: Path) -> None:
    file = write_converted(tmp_path) / "vocoder.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(EngineUnavailableError) as refused:
        await inspect(spec(tmp_path), lambda _: None)
    assert refused.value.error_code == "checkpoint_invalid"
    assert refused.value.message.startswith("vocoder.safetensors was changed or damaged")


async def test_a_folder_that_has_gone_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="lacks"):
        await inspect(spec(tmp_path), lambda _: None)


async def test_an_engine_without_files_has_none_to_read(tmp_path: Path) -> None:
    await inspect(WorkerSpec(model="fake", engine="fake"), pytest.fail)


async def test_who_gives_up_does_not_leave_somebody_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, read = threading.Event(), threading.Event(), list[int]()

    def slowly(_: Path, on_bytes: object) -> str:
        assert callable(on_bytes)
        reading.set()
        go_on.wait(30)
        on_bytes(1)
        read.append(1)
        return ""

    monkeypatch.setattr(manifest, "digest", slowly)
    inspecting = asyncio.create_task(inspect(spec(write_converted(tmp_path)), lambda _: None))
    await until(reading.is_set)
    inspecting.cancel()
    await asyncio.wait({inspecting})
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not read
