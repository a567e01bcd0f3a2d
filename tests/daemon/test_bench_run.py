"""A whole small run with the fake engine: every row is there, and nothing is left behind."""

import asyncio
from io import BytesIO
import json
import os
import signal
import subprocess
import sys
from typing import Any
import wave

from aiohttp.test_utils import TestClient, TestServer
import numpy as np
import pytest

from indextts_daemon import bench, cli
from indextts_daemon.bench import naive
from indextts_daemon.bench.children import Child
from indextts_daemon.bench.clients import put
from indextts_daemon.bench.load import Load
from indextts_daemon.bench.proc import look
from indextts_daemon.bench.rounds import Plan
from indextts_daemon.bench.sentences import SENTENCES
from indextts_daemon.errors import EngineUnavailableError

TINY = Plan(rounds=2, alone=2, loads=((4, 8),), formats=((1, 1), (2, 3)), run_limit_s=60.0)
FORMATS = ("pcm", "mp3", "opus", "flac")


def test_fifty_lines_differ_and_hold_no_digit() -> None:
    assert len(SENTENCES) == len(set(SENTENCES)) == 50
    assert not any(character.isdigit() for line in SENTENCES for character in line)


def test_a_run_fills_every_row_and_every_request_reaches_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "QUICK", TINY)
    assert cli.main(["bench", "--quick", "--json", "--engine", "fake"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    rows = {(row["server"], row["clients"], row["format"]): row for row in found["rows"]}
    assert set(rows) == {
        ("library", 1, "wav"),
        ("engine", 1, "wav"),
        *((server, clients, "wav") for server in ("naive", "daemon") for clients in (1, 4)),
        *(("daemon", clients, form) for clients in (1, 2) for form in FORMATS),
    }
    assert found["rounds"] == TINY.rounds
    assert {row["refused"] + row["failed"] for row in rows.values()} == {0}
    assert rows["daemon", 4, "wav"]["answers"] == 16
    daemon = [row["answers"] for (server, *_), row in rows.items() if server == "daemon"]
    reached = found["engine_requests"]
    assert reached["sent"] == reached["answered"] == reached["jobs"] == sum(daemon)
    assert reached["sentences"] >= reached["jobs"]
    assert reached["steps"] > 0
    alone = [rows[server, 1, "wav"]["audio_s"] for server in ("library", "engine", "daemon")]
    assert alone[0] == pytest.approx(alone[1], rel=0.01)
    assert all(0 < row["first_ms"]["p50"] <= row["whole_ms"]["p50"] for row in rows.values())
    assert all(row["livez_ms"] for (server, *_), row in rows.items() if server == "daemon")
    assert {aim["name"].partition(",")[0] for aim in found["aims"]} == {
        "first audio alone",
        "/livez p95 in ms",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_every_process_that_it_started(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "indextts_daemon", "bench", "--engine", "fake"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == b"round 1 of 5\n"
        started = look().family(running.pid) - {running.pid}
        assert len(started) == 5  # load, direct engine, naive, daemon and its worker
        os.kill(running.pid, number)
        assert running.wait(20) == 128 + number
    assert not started & look().processes.keys()


async def test_a_process_that_ends_early_is_told_in_words() -> None:
    child = await Child.spawn("indextts_daemon.bench.naive")  # without the engine that it needs
    with pytest.raises(EngineUnavailableError, match="ended before it was done"):
        await child.line()
    await child.end()


async def test_the_naive_server_answers_with_a_whole_wav() -> None:
    def speak(text: str, seed: int) -> np.ndarray:
        return np.full(len(text), seed / 100, np.float32)

    async with TestClient(TestServer(naive.build_app(speak))) as client:
        alive = await client.get("/livez")
        assert alive.status == 200
        answer = await client.post("/v1/audio/speech", json={"input": "hello", "seed": 50})
        with wave.open(BytesIO(await answer.read())) as sound:
            assert sound.getparams()[:4] == (1, 2, 24000, 5)
            assert np.frombuffer(sound.readframes(5), "<i2").tolist() == [16383] * 5


async def test_a_load_ends_with_its_time_and_counts_what_was_not_spoken() -> None:
    statuses = iter([b"503 Busy", b"500 Broken", b"200 OK"])  # the last one without any audio

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status in statuses:
            await reader.readuntil(b"}")
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        load = Load(
            port=port,
            path="/",
            token="",
            format="wav",
            clients=1,
            requests=3,
            first=0,
            limit_s=10.0,
        )
        outcome = await put(load)
    assert (outcome.total_s, outcome.refused, outcome.failed) == ([], 1, 2)


def test_the_bench_itself_imports_no_engine() -> None:
    code = "import sys, indextts_daemon.bench; print(*sys.modules, sep='\\n')"
    listed = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    modules = listed.stdout.decode().split()
    assert "indextts_daemon.bench.rounds" in modules
    assert not [name for name in modules if name.startswith(("indextts_daemon.engines", "hibari"))]
