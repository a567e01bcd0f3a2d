"""Listening to what people send: in a process that may fail, and never in ours."""

import asyncio
import os
from pathlib import Path
import sys

import pytest

from indextts_daemon.audio import coach, recording
from indextts_daemon.audio.recording import RecordingError
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service import hearing
from indextts_daemon.service.hearing import hear
from tests.daemon.recordings import MADE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("made", ["clean", "clean mp3", "a fan behind it", "silence"])
async def test_what_is_heard_is_what_the_coach_says(made: str) -> None:
    content = MADE[made]()
    expected, _ = coach.examine(recording.read(content))
    heard = await hear(content)
    assert heard.report == expected
    assert heard.suffix == (".mp3" if "mp3" in made else ".wav")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "not_audio"), (b"no sound", "not_audio"), (bytes(recording.MAX_BYTES + 1), "too_large")],
    ids=["nothing", "text", "too large"],
)
async def test_what_is_no_recording_is_refused_in_words(content: bytes, code: str) -> None:
    with pytest.raises(RecordingError) as caught:
        await hear(content)
    assert caught.value.error_code == code
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("fault", ["crash", "memory", "time"])
async def test_a_file_that_does_harm_costs_only_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    module = tmp_path / "harmed.py"
    does = {
        "crash": "os.abort()",
        "memory": "bytes(hearing.MEMORY_BYTES)",
        "time": "hearing.recording.time_goes_by()",
    }[fault]
    module.write_text(
        "import os, sys\n"
        "from indextts_daemon.audio import hearing\n"
        "def read(_):\n"
        f"    {does}\n"
        "def time_goes_by():\n"
        "    while True: pass\n"
        "hearing.recording.read = read\n"
        "hearing.recording.time_goes_by = time_goes_by\n"
        "hearing.CPU_S = 2\n"
        "sys.exit(hearing.main())\n"
    )
    monkeypatch.setattr(hearing, "HEAR", "harmed")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    with pytest.raises(RecordingError, match="it is damaged") as caught:
        await hear(b"RIFF")
    assert caught.value.error_code == "not_audio"


@pytest.fixture
def pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the process hang; return where it writes down its number."""
    file = tmp_path / "pid"
    (tmp_path / "hanging.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(file)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(hearing, "HEAR", "hanging")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return file


def told(pid: Path) -> int:
    return int(pid.read_text() or 0) if pid.exists() else 0


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_process_that_hangs_is_ended(pid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "HEARING_S", 3.0)
    with pytest.raises(RecordingError, match="too long"):
        await hear(b"RIFF")
    assert not is_running(told(pid))


async def test_leaving_ends_the_process(pid: Path) -> None:
    task = asyncio.create_task(hear(b"RIFF"))
    async with asyncio.timeout(30):
        while not told(pid):  # noqa: ASYNC110 another process's file
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(told(pid))


async def test_a_machine_that_starts_no_process_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineUnavailableError):
        await hear(MADE["clean"]())
