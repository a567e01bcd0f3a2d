"""The daemon as a process: how it comes up, what it survives, how it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
import errno
import json
import os
from pathlib import Path
import pty
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest

from indextts_daemon.compose import build
from indextts_daemon.config import Settings, Source, load_settings, settings_history
from indextts_daemon.discovery import Announcer, announced_addresses
from indextts_daemon.errors import SettingsError
from indextts_daemon.identity import Identity, Pairing
from indextts_daemon.lookout import look_around
from indextts_daemon.serve import _Afterwards, listen, own_command, run
from indextts_daemon.service.health import Health
from indextts_daemon.service.settings_file import SettingsFile
from indextts_daemon.service.synthesizer import Synthesizer
from indextts_daemon.whereabouts import known, tell
from tests.daemon.door import Opener, until
from tests.daemon.recordings import RATE, encoded, heart
from tests.daemon.running import RunningDaemon

LONG = "word " * 40


def serve(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run a daemon that cannot start."""
    command = [sys.executable, "-m", "indextts_daemon", "serve", "--data-dir", str(data_dir)]
    return subprocess.run(
        [*command, "--host", "127.0.0.1", "--engine", "fake", "--no-zeroconf", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@dataclass(frozen=True)
class Here:
    """A daemon that runs in this process, until a signal."""

    session: aiohttp.ClientSession
    ended: asyncio.Task[None]


@asynccontextmanager
async def running_here(tmp_path: Path, **flags: object) -> AsyncIterator[Here]:
    flags |= {"engine": "fake", "server.host": ["127.0.0.1"], "server.port": 0}
    flags |= {"server.auth": False, "discovery.enabled": False}
    file = SettingsFile(
        Source(file=tmp_path / "settings.yaml", flags=flags), settings_history(tmp_path)
    )
    lines: list[str] = []
    ended = asyncio.create_task(
        run(
            file.source.load(),
            data_dir=tmp_path,
            settings_file=file,
            token=None,
            say=lines.append,
        )
    )
    await until(lambda: "ready" in lines or ended.done())
    async with aiohttp.ClientSession(lines[0].split()[-1]) as session:
        yield Here(session, ended)
    if not ended.done():
        os.kill(os.getpid(), signal.SIGTERM)
        await ended


async def state_of(session: aiohttp.ClientSession) -> tuple[int, str]:
    async with session.get("/readyz") as response:
        return response.status, (await response.json())["state"]


def test_it_says_ready_only_after_it_has_spoken(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        assert [line for line in daemon.lines if line.startswith(("Listening", "ready"))] == [
            f"Listening on {daemon.url}",
            "ready",
        ]


def test_it_says_ready_only_once_recordings_are_voices(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "anna.wav").write_bytes(encoded(heart()[: 5 * RATE]))
    with RunningDaemon(tmp_path) as daemon:
        told = [line for line in daemon.lines if line == "ready" or "voices reload" in line]
        assert len(told) == 2
        assert told[-1] == "ready"


async def test_while_it_loads_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with RunningDaemon(
        tmp_path, settings={"engine": "fake", "fake": {"load": "slow"}}, wait_for="Listening"
    ) as daemon:
        async with daemon.session() as session:
            async with session.get("/livez") as response:
                assert response.status == 200
            assert await state_of(session) == (503, "loading")
            daemon.line("^ready")
            assert await state_of(session) == (200, "ready")


async def test_a_model_that_does_not_load_is_named_and_the_embedded_voice_speaks(
    tmp_path: Path,
) -> None:
    with RunningDaemon(tmp_path, settings={"engine": "fake", "fake": {"load": "fail"}}) as daemon:
        async with daemon.session() as session:
            async with session.get("/v1/models") as response:
                fake = (await response.json())["data"][0]
            assert fake["id"] == "fake"
            assert fake["reason"] in daemon.line(
                "^ready, but only with embedded so far: (.*)"
            ).group(1)
            assert await state_of(session) == (200, "degraded")
            async with session.post("/v1/audio/speech", json={"input": "Hello."}) as response:
                assert response.status == 200
                assert response.headers["X-IndexTTS-Model"] == "embedded"
                assert response.headers["X-IndexTTS-Degraded"] == "model"


def test_a_second_daemon_on_the_port_says_so(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        port = daemon.url.rpartition(":")[2]
        second = serve("--port", port, data_dir=tmp_path / "second")
    assert second.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("host", ["fd00:dead::1", "203.0.113.5"])
def test_an_address_of_another_machine_is_refused_in_a_sentence(tmp_path: Path, host: str) -> None:
    run = serve("--port", "0", "--host", host, data_dir=tmp_path)
    assert run.returncode == 1
    assert f"This machine has no address {host}. Choose another with --host." in run.stderr
    assert "Traceback" not in run.stderr


async def test_without_ipv6_only_its_wildcard_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.create_server

    def without_ipv6(address: tuple[str, int], *, family: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(address, family=family)

    monkeypatch.setattr(socket, "create_server", without_ipv6)

    async def listened(*hosts: str) -> list[str]:
        flags = {"server.host": list(hosts), "server.port": 0}
        settings = load_settings(file=None, environment={}, flags=flags)
        services = build(
            settings, Identity(instance_id="", token=""), Pairing(tmp_path), data_dir=tmp_path
        )
        async with AsyncExitStack() as stack:
            stack.callback(services.encoders.shutdown)
            return (await listen(services, settings, stack)).urls

    (url,) = await listened("127.0.0.1", "::")
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(SettingsError, match="has no IPv6"):
        await listened("::")
    with pytest.raises(SettingsError, match="not supported"):
        await listened("127.0.0.1", "::1")


async def test_an_edit_that_is_followed_late_tells_what_counts_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of where it listens takes longer to write for the first edit than for the next."""
    first, last = (
        load_settings(file=None, environment={}, flags={"server.port": port, "language": "de"})
        for port in (9001, 9002)
    )
    announced: list[tuple[Settings, int]] = []

    async def follow(settings: Settings, port: int) -> None:
        announced.append((settings, port))

    def slowly(folder: Path, *, host: str, port: int) -> None:
        if port == 9001:
            time.sleep(0.3)
        tell(folder, host=host, port=port)

    monkeypatch.setattr("indextts_daemon.serve.tell", slowly)
    services: Any = SimpleNamespace(pool=SimpleNamespace(settings=first))
    doors: Any = SimpleNamespace(host="127.0.0.1", port=9001)
    monkeypatch.setattr("indextts_daemon.serve.language_trouble", AsyncMock(return_value=""))
    announcer: Any = SimpleNamespace(follow=follow)
    afterwards = _Afterwards(services, announcer, doors, tmp_path)
    changes = [await afterwards.follow(settings) for settings in (first, last)]
    late = asyncio.ensure_future(changes[0].after())
    await asyncio.sleep(0.05)
    services.pool.settings, doors.port = last, 9002
    await asyncio.gather(late, changes[1].after())
    assert announced == [(last, 9002)] * 2
    assert known(tmp_path) == ("127.0.0.1", 9002)


def test_an_unusable_data_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = serve("--port", "0", data_dir=tmp_path / "file")
    assert run.returncode == 1
    assert "cannot be used" in run.stderr
    assert "--data-dir" in run.stderr
    assert "Traceback" not in run.stderr


def test_broken_settings_name_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("engine: fake\nserver:\n  auth: perhaps\n")
    run = serve("--port", "0", data_dir=tmp_path)
    assert run.returncode == 1
    assert "settings.yaml, line 3, server.auth" in run.stderr
    assert "Traceback" not in run.stderr


async def test_sigterm_finishes_what_is_being_spoken_and_exits_0(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, settings={"engine": "fake", "fake": {"step_s": 0.05}}) as daemon:
        async with (
            daemon.session() as session,
            session.get("/v1/events") as events,
            session.post(
                "/v1/audio/speech", json={"input": LONG, "response_format": "pcm"}
            ) as response,
        ):
            started = await response.content.readany()
            worker = daemon.worker_pid()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.line("Stopping")
            async with session.post("/v1/audio/speech", json={"input": "Too late."}) as late:
                assert late.status == 503
                assert (await late.json())["error"]["code"] == "draining"
            rest = await response.read()
            assert b"draining" in await events.read()
        assert len(started + rest) / 2 / 24000 == pytest.approx(len(LONG.strip()) * 0.06, abs=0.1)
        assert await asyncio.to_thread(daemon.process.wait, 20) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@pytest.mark.parametrize("errors", [subprocess.DEVNULL, subprocess.STDOUT])
async def test_nobody_reading_its_lines_ends_neither_it_nor_its_drain(
    tmp_path: Path, errors: int
) -> None:
    settings = {"fake": {"load": "slow", "step_s": 0.02}, "server": {"auth": False}}
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "indextts_daemon", "serve", "--data-dir", str(tmp_path)]
    command += ["--host", "127.0.0.1", "--port", "0", "--engine", "fake", "--no-zeroconf"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=errors, text=True) as process:  # noqa: ASYNC220
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        process.stdout.close()  # as head -1 does
        async with aiohttp.ClientSession(url) as session, asyncio.timeout(30):
            while (await state_of(session))[0] != 200:  # noqa: ASYNC110 it says no more
                await asyncio.sleep(0.05)
            body = {"input": LONG, "response_format": "pcm"}
            async with session.post("/v1/audio/speech", json=body) as response:
                started = await response.content.readany()
                process.send_signal(signal.SIGTERM)
                rest = await response.read()
        assert len(started + rest) / 2 / 24000 == pytest.approx(len(LONG.strip()) * 0.06, abs=0.1)
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_a_stop_refuses_first_and_drains_whatever_the_lan_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    async with running_here(tmp_path, **{"fake.step_s": 0.02}) as daemon:

        async def withdraw(_: Announcer) -> None:
            await asyncio.sleep(0)
            async with daemon.session.post("/v1/audio/speech", json={"input": "Late."}) as late:
                refused.append((await late.json())["error"]["code"])
            raise OSError

        monkeypatch.setattr(Announcer, "stop", withdraw)
        body = {"input": LONG, "response_format": "pcm"}
        async with daemon.session.post("/v1/audio/speech", json=body) as response:
            started = await response.content.readany()
            os.kill(os.getpid(), signal.SIGTERM)
            rest = await response.read()
        await daemon.ended
    assert len(started + rest) / 2 / 24000 == pytest.approx(len(LONG.strip()) * 0.06, abs=0.1)
    assert refused == ["draining"]


async def test_what_breaks_beside_the_speech_is_logged_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    def broken_too(*_: object) -> None:
        raise LookupError("a secret")

    real = Health.report
    monkeypatch.setattr("indextts_daemon.lookout.TICK_S", 0.01)
    monkeypatch.setattr(Synthesizer, "load", broken)
    monkeypatch.setattr(Health, "report", broken_too)
    async with running_here(tmp_path) as daemon:
        await until(lambda: "looking around failed: LookupError in test_serve.py" in caplog.text)
        assert "tells languages apart failed: ZeroDivisionError in test_serve.py" in caplog.text
        assert "secret" not in caplog.text
        monkeypatch.setattr(Health, "report", real)
        async with daemon.session.get("/v1/events") as events:
            assert (await events.content.readline()).strip() == b"event: state"
        assert await state_of(daemon.session) == (200, "ready")


async def test_a_model_that_is_lost_and_loads_no_more_is_stood_in_for(
    open_door: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indextts_daemon.lookout.TICK_S", 0.01)
    async with open_door() as door:
        default = door.services.pool.default
        watching = asyncio.create_task(look_around(door.services))
        assert await state_of(door.session) == (200, "ready")
        default.spec = replace(default.spec, options={"load": "fail"})
        assert default.worker is not None
        os.kill(default.worker.pid, signal.SIGKILL)
        await until(lambda: default.load_failed)
        await until(lambda: door.services.health.report().can_speak)
        assert await state_of(door.session) == (200, "degraded")
        watching.cancel()


async def test_a_language_that_nobody_speaks_is_said_at_the_start(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, settings={"engine": "fake", "language": "nl"}) as daemon:
        daemon.line("^No voice speaks the household's language, Dutch. .+ `language` to one of: ")
        async with daemon.session() as session:
            assert await state_of(session) == (200, "ready")


async def test_a_drain_is_bounded(tmp_path: Path) -> None:
    settings = {"engine": "fake", "fake": {"step_s": 0.3}, "server": {"drain_timeout_s": 0.5}}
    with RunningDaemon(tmp_path, settings=settings) as daemon:
        async with daemon.session() as session:
            async with session.post("/v1/audio/speech", json={"input": LONG}) as response:
                await response.content.readany()
                stopped = asyncio.create_task(asyncio.to_thread(daemon.stop))
                with pytest.raises(aiohttp.ClientError):
                    await response.read()
            assert await stopped == 0


async def test_a_stop_waits_for_no_text_that_is_still_to_come(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, settings={"server": {"drain_timeout_s": 600}}) as daemon:
        async with daemon.session() as session:
            path = "/v1/audio/speech/stream"
            async with session.ws_connect(path) as silent, session.ws_connect(path) as writing:
                await writing.send_json({"type": "session.config"})
                await writing.send_json({"type": "input.text", "text": "One is here. Two"})
                assert (await writing.receive_json())["type"] == "audio.start"
                daemon.process.send_signal(signal.SIGTERM)
                for socket in (silent, writing):
                    said = [message async for message in socket]
                    assert said[-1].json()["error"]["code"] == "draining"
                    assert socket.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
            assert await asyncio.to_thread(daemon.process.wait, 20) == 0


async def test_a_default_that_dies_again_and_again_is_stood_in_for(tmp_path: Path) -> None:
    settings = {"engine": "fake", "fake": {"load": "slow"}}
    with RunningDaemon(tmp_path, settings=settings) as daemon:
        fake = daemon.worker_pid()
        async with daemon.session() as session:
            body = {"input": "Hello.", "voice": "heart"}  # the embedded model's: now it is loaded
            async with session.post("/v1/audio/speech", json=body) as response:
                assert response.headers["X-IndexTTS-Model"] == "embedded"
            os.kill(fake, signal.SIGKILL)
            states: list[str] = []
            while states[-1:] != ["degraded"] and len(states) < 2000:
                states.append((await state_of(session))[1])
            assert states[-1] == "degraded"
            async with session.post("/v1/audio/speech", json={"input": "Hello."}) as response:
                assert response.headers["X-IndexTTS-Model"] == "embedded"
                assert response.headers["X-IndexTTS-Degraded"] == "model"


async def test_a_second_signal_cuts_the_drain_short(tmp_path: Path) -> None:
    settings = {"engine": "fake", "fake": {"step_s": 0.3}, "server": {"drain_timeout_s": 600}}
    with RunningDaemon(tmp_path, settings=settings) as daemon:
        async with daemon.session() as session:
            async with session.post("/v1/audio/speech", json={"input": LONG}) as response:
                await response.content.readany()
                daemon.process.send_signal(signal.SIGINT)
                daemon.line("^Stopping")
                daemon.process.send_signal(signal.SIGINT)
                with pytest.raises(aiohttp.ClientError):
                    await response.read()
            assert await asyncio.to_thread(daemon.process.wait, 20) == 0


def test_a_terminal_that_closes_stops_it_in_order(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with RunningDaemon(tmp_path, terminal=theirs) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.process.wait(20) == 0
    os.close(ours)
    os.close(theirs)


async def test_without_a_terminal_a_hang_up_has_everything_read_again(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, settings={"language": "de"}) as daemon:
        async with daemon.session() as session, session.get("/v1/events") as events:
            await events.content.readline()
            daemon.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(20):
                async for line in events.content:
                    if b'"scope": "config"' in line and b'"result": "unchanged"' in line:
                        break
            assert b'"who": "signal"' in line
        assert daemon.process.poll() is None


async def test_a_killed_worker_breaks_its_stream_and_the_next_request_is_served(
    tmp_path: Path,
) -> None:
    with RunningDaemon(tmp_path, settings={"engine": "fake", "fake": {"step_s": 0.02}}) as daemon:
        async with daemon.session() as session:
            async with session.post("/v1/audio/speech", json={"input": LONG}) as response:
                await response.content.readany()
                os.kill(daemon.worker_pid(), signal.SIGKILL)
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
            status, state = await state_of(session)
            assert (status, state) in {(503, "loading"), (200, "ready")}
            async with session.post("/v1/audio/speech", json={"input": "Again."}) as response:
                assert response.status == 200
                await response.read()
            assert await state_of(session) == (200, "ready")
            async with session.get("/metrics") as response:
                text = await response.text()
        assert 'indextts_worker_restarts_total{model="fake",reason="crash"} 1.0' in text


async def test_readyz_is_503_from_the_kill_until_the_model_is_back(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path, settings={"engine": "fake", "fake": {"load": "slow"}}) as daemon:
        async with daemon.session() as session:
            os.kill(daemon.worker_pid(), signal.SIGKILL)
            seen = []
            give_up = time.monotonic() + 20
            while (not seen or (seen[-1] == 200 and 503 not in seen) or seen[-1] == 503) and (
                time.monotonic() < give_up
            ):
                seen.append((await state_of(session))[0])
                await asyncio.sleep(0.02)
            assert 503 in seen
            assert seen[-1] == 200


async def test_a_hung_step_is_ended_and_the_next_request_is_served(tmp_path: Path) -> None:
    with RunningDaemon(
        tmp_path, settings={"engine": "fake", "worker": {"step_timeout_s": 1}}
    ) as daemon:
        async with daemon.session() as session:
            text = "One. {{hang}}"
            async with session.post("/v1/audio/speech", json={"input": text}) as response:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
            async with session.post("/v1/audio/speech", json={"input": "Again."}) as response:
                assert response.status == 200


async def test_pairing_gives_the_token_once_and_five_misses_close_it(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        code = daemon.line(r"Pairing code for Home Assistant: (\d{6})").group(1)

        async def pair(attempt: str) -> tuple[int, dict[str, object]]:
            async with (
                aiohttp.ClientSession(daemon.url) as stranger,
                stranger.post("/v1/pair", json={"code": attempt, "name": "test"}) as response,
            ):
                return response.status, await response.json()

        status, body = await pair(code)
        assert (status, body["token"]) == (200, daemon.token)
        assert (await pair(code))[0] == 410
        async with daemon.session() as session, session.post("/v1/pair/code") as response:
            code = (await response.json())["code"]
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        assert [(await pair(wrong))[0] for _ in range(6)] == [403] * 5 + [410]
        assert (await pair(code))[0] == 410
        assert daemon.stop() == 0
    with RunningDaemon(tmp_path) as again:
        assert "Pairing code" not in again.log


async def test_a_code_asked_for_before_it_is_ready_stays_good(tmp_path: Path) -> None:
    with RunningDaemon(
        tmp_path, settings={"engine": "fake", "fake": {"load": "slow"}}, wait_for="Listening"
    ) as daemon:
        async with daemon.session() as session:
            async with session.post("/v1/pair/code") as response:
                code = (await response.json())["code"]
            daemon.line("^ready")
            body = {"code": code, "name": "test"}
            async with session.post("/v1/pair", json=body) as response:
                assert response.status == 200
        assert "Pairing code" not in daemon.log


async def test_events_tell_of_a_lost_worker(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        async with daemon.session() as session, session.get("/v1/events") as events:
            assert (await events.content.readline()).strip() == b"event: state"
            os.kill(daemon.worker_pid(), signal.SIGKILL)
            seen = b""
            async with asyncio.timeout(20):
                while b'{"id": "fake", "state": "ready"}' not in seen:
                    seen += await events.content.readline()
            assert b'{"id": "fake", "state": "failed"}' in seen


async def heard(events: aiohttp.ClientResponse, name: str) -> Any:
    """Wait for an event of this name, and return its data."""
    async with asyncio.timeout(20):
        while await events.content.readline() != f"event: {name}\n".encode():
            assert not events.content.at_eof()
        return json.loads((await events.content.readline()).removeprefix(b"data: "))


async def test_a_listener_hears_of_a_stop_at_once_and_its_stream_ends_with_the_drain(
    tmp_path: Path,
) -> None:
    with RunningDaemon(tmp_path, settings={"fake": {"step_s": 0.02}}) as daemon:
        async with daemon.session() as session, session.get("/v1/events") as events:
            assert await heard(events, "state") == {"state": "ready"}
            order = {"input": LONG[:200], "response_format": "wav"}
            async with session.post("/v1/audio/speech", json=order) as speech:
                await speech.content.readany()
                daemon.process.send_signal(signal.SIGTERM)
                assert await heard(events, "state") == {"state": "draining"}
                assert not speech.content.at_eof()
                async with session.get("/v1/events") as late:
                    assert await heard(late, "state") == {"state": "draining"}
                    await speech.read()
                    async with asyncio.timeout(5):
                        await late.read()
                        await events.read()
        assert daemon.process.wait(20) == 0


async def revision_in(daemon: RunningDaemon) -> str:
    async with daemon.session() as session, session.get("/v1/info") as response:
        return str((await response.json())["revision"])


async def test_the_revision_outlives_restarts_and_only_a_changed_voice_changes_it(
    tmp_path: Path,
) -> None:
    with RunningDaemon(tmp_path, settings={"fake": {"voices": {"attic": 1}}}) as daemon:
        first = await revision_in(daemon)
        daemon.stop()
    with RunningDaemon(tmp_path, settings={"fake": {"voices": {"attic": 1, "hall": 2}}}) as daemon:
        assert await revision_in(daemon) == first
        daemon.stop()
    changed = {"voices": {"attic": 1, "hall": 3}, "load": "slow"}
    with RunningDaemon(tmp_path, settings={"fake": changed}, wait_for="^Listening") as daemon:
        async with daemon.session() as session, session.get("/v1/events") as events:
            told = await heard(events, "revision")
        assert told == {"revision": await revision_in(daemon)} != {"revision": first}


def test_it_says_when_nobody_on_the_lan_can_find_it(tmp_path: Path) -> None:
    assert announced_addresses(["127.0.0.1"]) == []
    command = [sys.executable, "-m", "indextts_daemon", "serve", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", "0", "--engine", "fake"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Not announced"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_the_command_it_tells_people_to_type_is_one_that_their_terminal_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "indextts-daemon"
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "serve"])
    monkeypatch.setenv("PATH", "")
    assert own_command() == str(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command() == "indextts-daemon"
    monkeypatch.setattr(sys, "argv", ["somewhere/__main__.py", "serve"])
    monkeypatch.setenv("PATH", "")
    assert own_command() == "indextts-daemon"
