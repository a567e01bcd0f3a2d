"""The card is left to others and taken back over HTTP and by command, as the contract says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import time
from types import SimpleNamespace
from typing import Any, cast

from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
import numpy as np
import pytest

from indextts_daemon import cli
from indextts_daemon.api.app import build_app
from indextts_daemon.api.keys import Services
from indextts_daemon.api.openapi import document
from indextts_daemon.api.routes import ROUTES
from indextts_daemon.identity import Identity
from indextts_daemon.worker.handle import WorkerState
from tests.daemon.door import Opener
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.rooms import is_running, until
from tests.daemon.shared_card import House, make_house, settle

TOKEN = "a-token-for-tests"  # noqa: S105
CONTRACT = document(ROUTES)
READY, UNLOADED = WorkerState.ready, WorkerState.unloaded


class Door:
    """The part of a daemon's door that sharing has."""

    def __init__(self, house: House, client: "TestClient[Any, Any]") -> None:
        self.house = house
        self.port = client.port
        self._client = client

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        extra = {} if body is None else {"json": body}
        headers = {"Authorization": f"Bearer {TOKEN}"} | sent
        async with self._client.post(path, headers=headers, **extra) as response:
            answer = await response.json()
            route = CONTRACT["paths"][path.partition("?")[0]]["post"]
            found = route["responses"][str(response.status)]["content"]["application/json"]
            schema = found["schema"] | {"components": CONTRACT["components"]}
            Draft202012Validator(schema).validate(answer)
            return response.status, answer

    async def coming(self, path: str, body: Any = None) -> "asyncio.Task[tuple[int, Any]]":
        """Ask, and go on once the daemon has heard it."""
        known = len(self.house.operations.listed())
        asking = asyncio.create_task(self.post(path, body))
        async with asyncio.timeout(20):
            while len(self.house.operations.listed()) == known:  # noqa: ASYNC110 nothing tells
                await asyncio.sleep(0.005)
        await settle()
        return asking

    async def type(self, *arguments: str) -> int:
        """Run a command as a person would."""
        return await asyncio.to_thread(cli.main, [*arguments, *("--port", str(self.port))])


@pytest.fixture
async def door(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    house = make_house(monkeypatch)
    house.clock.now = time.time()
    services = SimpleNamespace(
        about=SimpleNamespace(auth=True),
        identity=Identity(instance_id="0" * 32, token=TOKEN),
        metrics=house.metrics,
        generations=house.generations,
        operations=house.operations,
        sharing=house.sharing,
    )
    app = build_app(cast("Services", services))
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield Door(house, client)
    await house.sharing.close()


async def test_a_pause_is_answered_at_once_and_says_what_is_in_force(door: Door) -> None:
    door.house.model.speak()
    status, answer = await door.post("/v1/pause", {"reason": "Films", "minutes": 90})
    assert status == 200
    paused = answer["paused"]
    assert (paused["reason"], paused["who"]) == ("Films", "api")
    assert paused["until"] - time.time() == pytest.approx(5400, abs=60)
    assert door.house.model.state is READY


async def test_a_pause_needs_no_words(door: Door) -> None:
    status, answer = await door.post("/v1/pause")
    assert (status, answer["paused"]["reason"], answer["paused"]["until"]) == (200, "paused", None)
    assert (await door.post("/v1/resume"))[1]["paused"] is None
    status, answer = await door.post("/v1/resume")
    assert (status, answer["paused"], answer["operation"]["result"]) == (200, None, "unchanged")


async def test_who_waits_is_answered_once_the_card_is_free(door: Door) -> None:
    door.house.model.speak()
    asking = await door.coming("/v1/pause?wait=1")
    assert not asking.done()
    door.house.model.finish()
    assert (await asking)[0] == 200
    assert door.house.model.state is UNLOADED


async def test_who_waits_is_told_what_did_not_leave(door: Door) -> None:
    door.house.model.stuck = True
    status, answer = await door.post("/v1/pause?wait=1")
    assert (status, answer["error"]["code"]) == (500, "internal")


async def test_of_two_ends_the_sooner_counts(door: Door) -> None:
    soon, late = time.time() + 60, time.time() + 6000
    _, answer = await door.post("/v1/pause", {"until": soon, "minutes": 90})
    assert answer["paused"]["until"] == soon
    _, answer = await door.post("/v1/pause", {"until": late, "minutes": 0.5})
    assert answer["paused"]["until"] < soon


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"until": 1.0}, "until"),
        ({"until": 1763640000000}, "until"),  # milliseconds
        ({"until": "tonight"}, "until"),
        ({"until": True}, "until"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": -5}, "minutes"),
        ({"minutes": 10**9}, "minutes"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"zork": 1}, None),
    ],
)
async def test_a_wish_that_makes_no_sense_pauses_nothing(
    door: Door, body: Any, param: str | None
) -> None:
    status, answer = await door.post("/v1/pause", body)
    assert (status, answer["error"]["code"]) == (422, "invalid_param")
    assert answer["error"]["param"] == param
    assert door.house.sharing.paused is None


async def test_what_is_no_switch_is_refused_before_anything_happens(door: Door) -> None:
    for path in ("/v1/pause", "/v1/prewarm"):
        status, _ = await door.post(f"{path}?wait=maybe")
        assert status == 422
    assert door.house.operations.listed() == ()


async def test_a_prewarm_is_begun_and_can_be_followed(door: Door) -> None:
    door.house.model.state = UNLOADED
    status, answer = await door.post("/v1/prewarm", {"model": "indextts-2"})
    assert (status, answer["operation"]["result"]) == (202, "running")
    await door.house.ticks(1)
    kept = door.house.operations.get(answer["operation"]["id"])
    assert kept is not None
    assert kept.result == "applied"


async def test_who_waits_for_a_prewarm_is_answered_once_it_can_speak(door: Door) -> None:
    door.house.model.state = UNLOADED
    asking = await door.coming("/v1/prewarm?wait=true")
    await door.house.ticks(1)
    status, answer = await asking
    assert (status, answer["operation"]["result"]) == (200, "applied")


async def test_who_waits_for_a_prewarm_is_told_why_it_came_to_nothing(door: Door) -> None:
    door.house.model.state, door.house.model.fails = UNLOADED, "A file is missing."
    asking = await door.coming("/v1/prewarm?wait=true")
    await door.house.ticks(1)
    status, answer = await asking
    assert (status, answer["error"]["code"]) == (422, "rejected")
    assert answer["error"]["message"] == "A file is missing."


async def test_while_paused_a_prewarm_says_to_resume_first(door: Door) -> None:
    await door.post("/v1/pause?wait=1")
    status, answer = await door.post("/v1/prewarm")
    assert (status, answer["error"]["code"]) == (409, "resume_first")
    assert "/v1/resume" in answer["error"]["message"]
    assert door.house.model.loads == 0
    assert (await door.post("/v1/prewarm?wait=1", {"model": "embedded"}))[0] == 200


async def test_a_prewarm_of_nobody_is_not_found(door: Door) -> None:
    status, answer = await door.post("/v1/prewarm", {"model": "zork"})
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


async def test_the_command_line_is_told_apart(door: Door) -> None:
    _, answer = await door.post("/v1/pause", X_IndexTTS_Client="cli")
    assert answer["paused"]["who"] == "cli"


@pytest.fixture
def typed(
    door: Door,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Return what runs a command against the door, and gives its exit code and its lines."""
    monkeypatch.setenv("INDEXTTS_TOKEN", TOKEN)

    async def run(*arguments: str) -> tuple[int, str, str]:
        where = ("--data-dir", str(tmp_path), "--host", "127.0.0.1")
        running = asyncio.create_task(door.type(*arguments, *where))
        while not running.done():
            await asyncio.sleep(0.01)
            for guest in door.house.guests.values():
                guest.loaded()
        code = await running
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


async def test_the_commands_pause_resume_and_prewarm(door: Door, typed: Any) -> None:
    code, out, _ = await typed("pause", "--reason", "Films")
    assert (code, out) == (0, "The models have left the GPU, until you resume it.\n")
    assert door.house.model.state is UNLOADED
    paused = door.house.sharing.paused
    assert paused is not None
    assert (paused.reason, paused.who) == ("Films", "cli")
    code, out, err = await typed("prewarm")
    assert (code, out) == (1, "")
    assert "Resume first" in err
    code, out, _ = await typed("resume")
    assert (code, out) == (0, "Resumed; the models are coming back.\n")
    assert await typed("resume") == (0, "Nothing was paused.\n", "")
    code, out, _ = await typed("prewarm", "indextts-2")
    assert (code, out.split()[0]) == (0, "indextts-2")
    code, out, _ = await typed("prewarm")
    assert (code, out) == (0, "indextts-2 was ready already.\n")


async def test_a_pause_for_which_nothing_left_says_so(door: Door, typed: Any) -> None:
    for said in ("The models have left the GPU", "No model was on the GPU; it is left to others"):
        code, out, _ = await typed("pause")
        assert (code, out) == (0, f"{said}, until you resume it.\n")


async def test_a_pause_by_command_says_when_it_ends(door: Door, typed: Any) -> None:
    code, out, _ = await typed("pause", "--minutes", "90")
    assert code == 0
    assert out.startswith("The models have left the GPU, until 2")
    paused = door.house.sharing.paused
    assert paused is not None
    assert paused.until is not None
    assert paused.until - time.time() == pytest.approx(5400, abs=60)


async def test_after_a_pause_the_process_is_gone_and_resumed_it_speaks_again(
    open_door: Opener,
) -> None:
    how = {"response_format": "pcm", "voice": "fake-03", "model": "fake"}
    async with open_door() as real:
        worker = real.services.pool.default.worker
        assert worker is not None
        pid = worker.pid
        slow = asyncio.create_task(real.speak("{{sleep 0.5}} One is. Two is.", **how))
        await until(lambda: real.services.pool.default.busy)
        async with real.session.post("/v1/pause?wait=1", json={"minutes": 5}) as response:
            assert response.status == 200
        heard = np.frombuffer(await slow, np.int16)
        assert_spoken_by_fake(heard, ["{{sleep 0.5}} One is.", "Two is."], tag=3)
        assert pid is not None
        assert not is_running(pid)
        body = {"input": "Hello.", "model": "fake"}
        async with real.session.post("/v1/audio/speech", json=body) as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "paused"
            assert 240 < int(response.headers["Retry-After"]) <= 300
        async with real.session.post("/v1/resume") as response:
            assert response.status == 200
        heard = np.frombuffer(await real.speak("Hello.", **how), np.int16)
        assert_spoken_by_fake(heard, ["Hello."], tag=3)


async def test_a_command_without_a_daemon_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    where = ("--data-dir", str(tmp_path), "--host", "127.0.0.1", "--port", str(unused_tcp_port))
    for command in ("pause", "resume", "prewarm"):
        assert await asyncio.to_thread(cli.main, [command, *where]) == 1
        assert "No daemon answers" in capsys.readouterr().err
