"""Whatever becomes of a worker's process, nobody is left waiting and nothing is left behind."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
import contextlib
from contextlib import asynccontextmanager
import gc
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.posix import resident_bytes
from indextts_daemon.speech import Sentence, SpeechRequest
from indextts_daemon.worker.handle import (
    JobStream,
    WorkerEnd,
    WorkerHandle,
    WorkerSpec,
    WorkerState,
)
from tests.daemon.fake_audio import assert_spoken_by_fake

Bend = Callable[[str], None]
MIB = 1 << 20


@pytest.fixture
def bend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bend:
    """Have every Python that is started from now on run some lines first."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda lines: void((tmp_path / "sitecustomize.py").write_text(lines))


def void(_: object) -> None:
    pass


@asynccontextmanager
async def worker_of(
    counted: Counter[str] | None = None, **options: object
) -> AsyncIterator[WorkerHandle]:
    worker = WorkerHandle(
        WorkerSpec(model="fake", engine="fake", options=options),
        on_counted=None if counted is None else counted.update,
    )
    try:
        yield worker
    finally:
        pid = worker.pid
        await worker.stop(timeout_s=0)
        assert pid is None or is_gone(pid)


def submit(worker: WorkerHandle, *texts: str) -> JobStream:
    assert worker.info is not None
    request = SpeechRequest(language="en", seed=7)
    return worker.submit(request, worker.info.voices[0], list(map(Sentence.plain, texts)))


async def whole(stream: JobStream) -> np.ndarray:
    return np.concatenate([chunk.samples async for chunk in stream])


async def assert_lost(stream: JobStream) -> int:
    """Return how many chunks came before."""
    heard = 0

    async def hear() -> None:
        nonlocal heard
        async for _ in stream:
            heard += 1

    with pytest.raises(EngineUnavailableError) as error:
        await hear()
    assert error.value.error_code == "worker_lost"
    return heard


async def assert_speaks(worker: WorkerHandle) -> None:
    samples = await whole(submit(worker, "Still here."))
    assert_spoken_by_fake(samples, ["Still here."], tag=1, seed=7)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 what is waited for tells nobody
            await asyncio.sleep(0.01)


PLACES: Mapping[str, Mapping[str, object]] = {
    "loading": {"load": "hang"},
    "warming": {"step_sleep_s": 5},
    "ready": {},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_worker_that_is_killed_anywhere_may_be_started_anew(
    place: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker_of(**PLACES[place]) as worker:
        starting = asyncio.create_task(worker.start())
        await until(lambda: worker.pid is not None and worker.state == place)
        if place == "ready":
            await starting
        assert worker.pid is not None
        os.kill(worker.pid, number)
        assert await worker.wait_closed() is WorkerEnd.crash
        if place != "ready":
            with pytest.raises(EngineUnavailableError) as error:
                await starting
            assert error.value.error_code == "load_failed"
        assert worker.state is WorkerState.failed
        assert worker.reason == f"The worker ended unexpectedly (signal {number.name})."
        worker.spec = WorkerSpec(model="fake", engine="fake")
        await worker.start()
        await assert_speaks(worker)


async def test_a_stopped_process_is_ended_all_the_same() -> None:
    async with worker_of() as worker:
        await worker.start()
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(10):
            await worker.stop(timeout_s=0.1)
        assert is_gone(pid)
        assert worker.state is WorkerState.unloaded


async def test_a_process_that_stops_while_it_speaks_is_a_hang_and_may_be_replaced() -> None:
    async with worker_of(step_sleep_s=0.05) as worker:
        worker.patience(step_timeout_s=1)
        await worker.start()
        stream = submit(worker, "x" * 1000)
        await anext(stream)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        await assert_lost(stream)
        assert await worker.wait_closed() is WorkerEnd.hang
        await worker.start()
        await assert_speaks(worker)


SENDING = """
import os, signal
from indextts_daemon.worker import wire
from indextts_daemon.worker.protocol import Audio, encode

def send(self, report, whole=wire.Wire.send):
    if not isinstance(report, Audio) or report.job == 0 or report.chunk.samples[3] == 0:
        return whole(self, report)
    {0}
wire.Wire.send = send
"""


@pytest.mark.parametrize(
    ("fault", "how"),
    [
        (
            "self._socket.sendall(encode(report)[:-7]); os.kill(os.getpid(), signal.SIGKILL)",
            "signal SIGKILL",
        ),
        ("self._socket.sendall(b'zork' * 99)", "it sent nonsense"),
        ("self._socket.sendall(bytes(4096))", "it sent nonsense"),
        ("self._socket.sendall(b'\\0\\0\\0\\x01\\xc1')", "it sent nonsense"),
        ("self._socket.shutdown(2); signal.pause()", "exit code 0"),
        ("os._exit(3)", "exit code 3"),
    ],
)
async def test_what_was_sent_whole_arrives_whatever_follows_it(
    bend: Bend, fault: str, how: str
) -> None:
    bend(SENDING.format(fault))
    async with worker_of(step_sleep_s=0.05) as worker:
        await worker.start()
        stream = submit(worker, "Good morning.")
        assert await assert_lost(stream) == 1
        assert await worker.wait_closed() is WorkerEnd.crash
        assert worker.reason == f"The worker ended unexpectedly ({how})."


CLOSING = """
import os, threading
from indextts_daemon.worker import wire
from indextts_daemon.worker.protocol import Ready

def send(self, report, whole=wire.Wire.send):
    whole(self, report)
    if isinstance(report, Ready):
        self._socket.shutdown(2)
wire.Wire.send = send
os._exit = lambda _: threading.Event().wait()
"""


async def test_a_process_that_only_closes_its_socket_is_ended(bend: Bend) -> None:
    bend(CLOSING)
    async with worker_of() as worker:
        with contextlib.suppress(EngineUnavailableError):  # it may be ready for a moment
            await worker.start()
        async with asyncio.timeout(10):
            assert await worker.wait_closed() is WorkerEnd.crash
        assert worker.reason == "The worker ended unexpectedly (signal SIGKILL)."


CHILD = """
import os, subprocess, sys
if "indextts_daemon.worker" in sys.orig_argv:
    number = int(sys.orig_argv[-1])
    child = subprocess.Popen(["sleep", "600"], pass_fds=[number])
    open({0!r}, "w").write(str(child.pid))
"""


@pytest.mark.parametrize("end", ["stop", "kill", "exit"])
async def test_what_a_worker_has_started_ends_with_it(bend: Bend, tmp_path: Path, end: str) -> None:
    """Also where it has the socket open, so that there is no end of file."""
    told = tmp_path / "child"
    bend(CHILD.format(str(told)))
    async with worker_of() as worker:
        await worker.start()
        child = int(told.read_text())
        assert not is_gone(child)
        if end == "stop":
            await worker.stop(timeout_s=5)
            assert is_gone(child)
        elif end == "kill":
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
        else:
            await assert_lost(submit(worker, "{{crash}}"))
        async with asyncio.timeout(10):
            ended = await worker.wait_closed()
        assert ended is (WorkerEnd.stopped if end == "stop" else WorkerEnd.crash)
        await until(lambda: is_gone(child))


PARENT = """
import asyncio
from indextts_daemon.speech import Sentence, SpeechRequest
from indextts_daemon.worker.handle import WorkerHandle, WorkerSpec

async def main():
    said = []
    spec = WorkerSpec(model="fake", engine="fake", options={options})
    worker = WorkerHandle(spec, on_progress=said.append)
    starting = asyncio.create_task(worker.start())
    while not said or worker.state != {state!r}:
        await asyncio.sleep(0.01)
    if {text!r}:
        info = await starting
        worker.submit(SpeechRequest(language="en"), info.voices[0], [Sentence.plain({text!r})])
        while not (await worker.stats())["live_jobs"]:
            await asyncio.sleep(0.01)
    print(worker.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
BY_END_OF_FILE = "from indextts_daemon import posix; posix.die_with_parent = lambda: None"


@pytest.mark.parametrize("by_the_kernel", [True, False])
@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    ("state", "text"),
    [("loading", ""), ("warming", ""), ("ready", ""), ("ready", "{{hang}}"), ("ready", "x" * 999)],
)
async def test_a_worker_ends_with_a_parent_that_is_killed(
    bend: Bend, state: str, text: str, *, stopped: bool, by_the_kernel: bool
) -> None:
    bend("" if by_the_kernel else BY_END_OF_FILE)
    program = PARENT.format(options=dict(PLACES[state]), state=state, text=text)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    await parent.wait()
    if stopped and not by_the_kernel:
        with contextlib.suppress(ProcessLookupError):  # being orphaned may have ended it
            os.kill(pid, signal.SIGCONT)
    await until(lambda: is_gone(pid))


async def test_a_sentence_that_finds_no_memory_at_first_is_spoken_whole() -> None:
    counted = Counter[str]()
    texts = ["One.", "{{oom once}}Two.", "Three."]
    async with worker_of(counted) as worker:
        await worker.start()
        beside, stream = submit(worker, "x" * 100), submit(worker, *texts)
        assert_spoken_by_fake(await whole(stream), texts, tag=1, seed=7)
        assert_spoken_by_fake(await whole(beside), ["x" * 100], tag=1, seed=7)
        assert counted["out_of_memory"] == 1
        await worker.stop(timeout_s=5)
        assert await worker.wait_closed() is WorkerEnd.stopped


async def test_a_sentence_that_finds_no_memory_twice_costs_the_process() -> None:
    counted = Counter[str]()
    async with worker_of(counted) as worker:
        await worker.start()
        beside = submit(worker, "{{sleep 0.5}}Beside.")
        stream = submit(worker, "{{oom}}Two.")
        assert not await assert_lost(stream)
        assert await assert_lost(beside)
        assert await worker.wait_closed() is WorkerEnd.oom
        assert worker.state is WorkerState.failed
        assert worker.reason == "The memory is full, even with less at once."
        assert counted["out_of_memory"] == 2
        await worker.start()
        await assert_speaks(worker)


STICKY = """
from indextts_daemon.engines import fake
from indextts_daemon.errors import BrokenEngineError

def step(self, whole=fake.FakeEngine.step):
    if any("sticky" in sentence.raw for job in self._jobs.values() for sentence in job.sentences):
        raise BrokenEngineError("The card failed: AcceleratorError in gpt.py:7.")
    return whole(self)
fake.FakeEngine.step = step
"""


async def test_a_card_that_failed_costs_the_process_and_is_named(bend: Bend) -> None:
    bend(STICKY)
    async with worker_of() as worker:
        await worker.start()
        await assert_lost(submit(worker, "sticky"))
        assert await worker.wait_closed() is WorkerEnd.crash
        assert worker.reason == "The card failed: AcceleratorError in gpt.py:7."
        await worker.start()
        await assert_speaks(worker)


UNKNOWN = """
from indextts_daemon.worker import protocol, wire

def send(self, report, whole=wire.Wire.send):
    dying = isinstance(report, protocol.Dying)
    whole(self, protocol.Dying(reason={0!r}, message="") if dying else report)
wire.Wire.send = send
"""


@pytest.mark.parametrize("reason", ["zork", ""])
async def test_a_reason_to_die_that_does_not_exist_is_nonsense(bend: Bend, reason: str) -> None:
    bend(STICKY + UNKNOWN.format(reason))
    async with worker_of() as worker:
        await worker.start()
        await assert_lost(submit(worker, "sticky"))
        assert await worker.wait_closed() is WorkerEnd.crash
        assert worker.reason == "The worker ended unexpectedly (it sent nonsense)."


def figures() -> dict[str, int]:
    gc.collect()
    return {
        "rss_mib": (resident_bytes(os.getpid()) or 0) // MIB,
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


@pytest.mark.parametrize("cycles", [10, pytest.param(50, marks=pytest.mark.long)])
async def test_loading_and_unloading_leaves_nothing_in_the_parent(
    cycles: int, record_property: Callable[[str, object], None]
) -> None:
    seen: list[dict[str, int]] = []
    for number in range(cycles + 2):
        async with worker_of(memory_mib=16) as worker:
            await worker.start()
            stream = submit(worker, "x" * 400)
            if number % 2:
                await whole(stream)
            else:
                await anext(stream)
            await worker.stop(timeout_s=0 if number % 3 else 5)
        del worker, stream
        await asyncio.sleep(0.05)
        seen.append(figures())
    first, last = seen[1], seen[-1]
    for name in first:
        record_property(f"{name}_after_{cycles}_loads", f"{first[name]} -> {last[name]}")
    assert last["rss_mib"] - first["rss_mib"] <= 4
    assert [last[name] - first[name] for name in ("fds", "threads", "tasks")] == [0, 0, 0]
