"""What the client has a daemon change, and what it reads of changes: an older daemon has none."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web
import pytest

from custom_components.indextts.client import (
    Canary,
    IndexTTSClient,
    IndexTTSConnectionError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSRequestError,
    Model,
    Operation,
    Paused,
    Reload,
    client as client_module,
)
from tests.component.serving import Connect, answer, refusal

pytestmark = pytest.mark.usefixtures("socket_enabled")

STATUS = {
    "state": "ready",
    "model": "embedded",
    "model_name": "Embedded voices",
    "revision": None,
    "queue": {"waiting": 0, "in_flight": 0, "capacity": 64},
    "recent": {},
}
PROBLEM = {"message": "Line 3 of settings.yaml: no such key.", "path": "sever", "line": 3}
OPERATION = {
    "id": "0011223344aa",
    "scope": "models",
    "action": "activate",
    "who": "api",
    "subject": "indextts-2",
    "result": "applied",
    "started_at": 1700000000.0,
    "ended_at": 1700000020.5,
    "generation": 7,
    "progress": "",
    "code": "",
    "errors": [],
    "details": {},
}
READ = Operation(
    id="0011223344aa",
    scope="models",
    action="activate",
    who="api",
    subject="indextts-2",
    result="applied",
    code="",
    started_at=1700000000.0,
    ended_at=1700000020.5,
    generation=7,
)

type Change = Callable[[IndexTTSClient], Awaitable[object]]


async def test_a_daemon_from_before_reloading_has_no_generation_and_nothing_to_tell(
    connect: Connect,
) -> None:
    status = await (await connect(answer(STATUS))).status()
    assert (status.generation, status.paused, status.canary) == (None, None, None)
    assert status.last_reload == {}


async def test_the_status_tells_the_generation_the_pause_the_canary_and_the_last_reloads(
    connect: Connect,
) -> None:
    told = {
        "generation": 7,
        "paused": {"reason": "chess", "who": "api", "since": 1.5, "until": 1700000000},
        "game_mode": True,
        "canary": {"failed": "It was silent.", "model": "indextts-2", "version": "new"},
        "last_reload": {
            "config": {"result": "rejected", "at": 1.5, "errors": [PROBLEM]},
            "voices": {"result": "applied", "at": 2.5, "errors": []},
        },
    }
    status = await (await connect(answer(STATUS | told))).status()
    assert status.generation == 7
    assert status.paused == Paused(reason="chess", who="api", until=1700000000)
    assert status.canary == Canary(failed="It was silent.", model="indextts-2", version="new")
    assert status.last_reload == {
        "config": Reload(result="rejected", problems=("Line 3 of settings.yaml: no such key.",)),
        "voices": Reload(result="applied"),
    }


@pytest.mark.parametrize(
    "told",
    [
        {"canary": None, "last_reload": None, "paused": None},
        {"canary": {"failed": None, "model": None, "version": None}},
        {"canary": {}, "last_reload": {}},
    ],
)
async def test_where_nothing_is_wrong_nothing_is_told(
    connect: Connect, told: dict[str, Any]
) -> None:
    status = await (await connect(answer(STATUS | {"generation": 1} | told))).status()
    assert (status.paused, status.canary, status.last_reload) == (None, None, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"generation": "seven"},
        {"paused": True},
        {"paused": {"reason": "chess", "who": "api", "until": "noon"}},
        {"canary": {"failed": "It was silent."}},
        {"canary": {"failed": 1}},
        {"last_reload": {"config": None}},
        {"last_reload": {"config": {"result": "rejected", "errors": [1]}}},
    ],
)
async def test_a_status_of_another_shape_is_not_a_daemon_s(
    connect: Connect, wrong: dict[str, Any]
) -> None:
    with pytest.raises(IndexTTSNotADaemonError):
        await (await connect(answer(STATUS | wrong))).status()


async def test_models_are_listed_with_the_versions_that_they_have(connect: Connect) -> None:
    models = [
        {"id": "embedded", "object": "model", "state": "ready"},
        {"id": "indextts-2", "state": "unloaded", "version": "new"},
    ]
    client = await connect(answer({"object": "list", "data": models}))
    assert await client.models() == (
        Model(id="embedded", state="ready"),
        Model(id="indextts-2", state="unloaded", version="new"),
    )


async def test_the_last_operations_are_listed_the_newest_first(connect: Connect) -> None:
    running = OPERATION | {"id": "ff", "ended_at": None, "generation": None, "result": "running"}
    client = await connect(answer({"operations": [running, OPERATION, OPERATION]}))
    newest, before = await client.operations(2)
    assert (newest.id, newest.result, newest.ended_at) == ("ff", "running", None)
    assert before == READ


@pytest.mark.parametrize(
    "ask",
    [lambda client: client.models(), lambda client: client.operations(10)],
    ids=["models", "operations"],
)
async def test_a_list_that_an_older_daemon_does_not_know_is_empty(
    connect: Connect, ask: Change
) -> None:
    assert await ask(await connect(refusal(404, "not_found"))) == ()
    with pytest.raises(IndexTTSFailureError):
        await ask(await connect(refusal(503, "loading")))


@pytest.mark.parametrize(
    ("change", "path", "body"),
    [
        (
            lambda client: client.activate_model("indextts-2"),
            "/v1/models/indextts-2/activate?wait=true",
            {},
        ),
        (
            lambda client: client.activate_model("indextts-2", version="new"),
            "/v1/models/indextts-2/activate?wait=true",
            {"version": "new"},
        ),
        (
            lambda client: client.rollback_model("indextts-2"),
            "/v1/models/indextts-2/rollback?wait=true",
            {},
        ),
        (lambda client: client.prewarm(), "/v1/prewarm", {}),
        (lambda client: client.pause("chess"), "/v1/pause", {"reason": "chess"}),
        (lambda client: client.resume(), "/v1/resume", {}),
        (lambda client: client.reload(), "/v1/reload", {"scope": "all"}),
    ],
)
async def test_a_change_is_asked_for_in_the_daemon_s_words(
    connect: Connect, change: Change, path: str, body: dict[str, Any]
) -> None:
    asked: list[tuple[str, str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.json()))
        paused = {"reason": "chess", "who": "api", "since": 1, "until": None}
        told = {"operation": OPERATION, "paused": paused, "result": "applied", "errors": []}
        return web.json_response(told, status=202 if path == "/v1/prewarm" else 200)

    await change(await connect(handler))
    assert asked == [("POST", path, body)]


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.activate_model("indextts-2"),
        lambda client: client.rollback_model("indextts-2"),
        lambda client: client.prewarm(),
    ],
    ids=["activate", "rollback", "prewarm"],
)
async def test_what_became_of_a_change_is_read_and_a_refusal_says_why(
    connect: Connect, change: Change
) -> None:
    assert await change(await connect(answer({"operation": OPERATION}))) == READ
    with pytest.raises(IndexTTSRequestError, match="It was silent") as refused:
        await change(await connect(refusal(422, "canary_failed", "It was silent.")))
    assert refused.value.code == "canary_failed"
    with pytest.raises(IndexTTSFailureError, match="2 GiB"):
        await change(await connect(refusal(507, "insufficient_memory", "It lacks 2 GiB.")))
    with pytest.raises(IndexTTSNotADaemonError):
        await change(await connect(answer({"operation": None})))


@pytest.mark.parametrize("status", [200, 422])
async def test_a_reload_tells_its_problems_whatever_its_status(
    connect: Connect, status: int
) -> None:
    told = {"result": "rejected", "generation": 7, "errors": [PROBLEM, PROBLEM]}
    error = {"error": {"code": "rejected", "message": "No."}}
    reload = await (await connect(answer(told | error, status))).reload()
    assert reload.rejected
    assert reload.problems == (PROBLEM["message"], PROBLEM["message"])


async def test_a_reload_that_was_taken_is_not_rejected(connect: Connect) -> None:
    told = {"result": "applied", "generation": 7, "errors": []}
    assert await (await connect(answer(told))).reload() == Reload(result="applied")
    assert not Reload(result="unchanged").rejected


async def test_a_change_may_take_longer_than_an_answer(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await done.wait()
        return web.json_response({"operation": OPERATION})

    client = await connect(handler)
    limits = client_module._WORK_LIMITS
    assert limits.total is not None
    assert limits.total > 3600  # which worker.load_timeout_s may be
    monkeypatch.setattr(client_module, "_WORK_LIMITS", aiohttp.ClientTimeout(total=0.05))
    with pytest.raises(IndexTTSConnectionError):
        await client.activate_model("indextts-2")
    done.set()
