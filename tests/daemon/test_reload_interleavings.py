"""What comes while something else is under way: each ends as if it had come alone, or says why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.service.operations import Operation, Result
from tests.daemon.door import Door, Opener, until
from tests.daemon.test_api_models import generation, post, version, versions

SAID = {"response_format": "wav", "language": "en"}


async def put(door: Door, document: str) -> tuple[int, Any]:
    headers = {"Content-Type": "application/yaml"}
    async with door.session.put("/v1/config", data=document, headers=headers) as response:
        return response.status, await response.json()


async def reload(door: Door, scope: str) -> tuple[int, Any]:
    async with door.session.post("/v1/reload", json={"scope": scope}) as response:
        return response.status, await response.json()


async def fail_on_probation(door: Door) -> Operation:
    """Have the default model fail three times, and return what came of it."""
    for _ in range(3):
        said = {"input": "{{nan}} Bad.", "model": "fake", **SAID}
        async with door.session.post("/v1/audio/speech", json=said) as response:
            assert response.status == 500
    await until(lambda: any(_of_probation(one) for one in door.services.operations.listed()))
    return next(one for one in door.services.operations.listed() if _of_probation(one))


def _of_probation(operation: Operation) -> bool:
    return operation.who == "probation" and operation.ended_at is not None


@asynccontextmanager
async def asking(door: Door, model: str) -> AsyncIterator[None]:
    """Have a client ask for a model again and again while inside, whatever it is told."""

    async def ask() -> None:
        while True:
            said = {"input": "Hello.", "model": model, **SAID}
            url = "/v1/audio/speech"
            with suppress(TimeoutError):  # it gives up quickly, and asks again
                async with asyncio.timeout(0.1), door.session.post(url, json=said) as response:
                    await response.read()
            await asyncio.sleep(0.02)

    client = asyncio.create_task(ask())
    try:
        yield
    finally:
        client.cancel()
        await asyncio.wait({client})


@pytest.mark.parametrize("action", ["load", "activate"])
async def test_what_does_not_load_is_refused_in_time_however_often_it_is_asked_for(
    tmp_path: Path, open_door: Opener, action: str
) -> None:
    version(tmp_path, "other", "{id: other, load: fail}")
    async with open_door() as door, asyncio.timeout(60):
        async with asking(door, "other"):
            refusal = await post(door, f"other/{action}", 422)
            assert "to fail" in refusal["error"]["message"]
            assert (await put(door, "log_level: debug\n"))[0] == 200
            await post(door, "fake/load", 200)
        assert await generation(door) == 0


@pytest.mark.parametrize("bad", ["{id: other, generation: 6, load: fail}", ""])
async def test_a_bad_folder_of_one_model_stops_no_change_of_another(
    tmp_path: Path, open_door: Opener, bad: str
) -> None:
    version(tmp_path, "fake", "generation: 1")
    version(tmp_path, "fake.b", "generation: 2")
    version(tmp_path, "other", "{id: other, generation: 5}")
    async with open_door() as door:
        await post(door, "other/load", 200)
        version(tmp_path, "other", bad)
        status, told = await put(door, "log_level: debug\n")
        assert (status, told["result"]) == (200, "applied")
        await post(door, "fake/activate", 200, {"version": "b"})
        assert await generation(door) == 2
        await post(door, "fake/rollback", 200)
        assert await generation(door) == 1
        for _ in range(2):  # it is told each time
            status, told = await reload(door, "models")
            (problem,) = told["errors"]
            assert (status, problem["message"][-1]) == (422, ".")
        assert "other" in problem["message"]
        version(tmp_path, "fake", "generation: 3")
        status, told = await reload(door, "models")
        assert (status, told["result"]) == (200, "applied")
        assert told["errors"] == told["operations"][0]["errors"] == [problem]
        assert await generation(door) == 3
        async with asyncio.timeout(20):
            assert door.services.pool.get("other").worker is not None
            assert await door.speak("Still the same.", model="other")


@pytest.mark.parametrize("edited", [False, True])
async def test_a_probation_takes_back_the_edit_that_it_is_about_and_no_other(
    tmp_path: Path, open_door: Opener, caplog: pytest.LogCaptureFixture, *, edited: bool
) -> None:
    second = "log_level: warning\n"
    third = f"{second}fake: {{step_s: 0.001}}\n"
    fourth = f"{third}language: de\n"
    async with open_door() as door:
        for document in (second, third, fourth) if edited else (second, third):
            assert (await put(door, document))[0] == 200
        done = await fail_on_probation(door)
        assert (done.scope, done.action) == ("config", "rollback")
        document = (tmp_path / "settings.yaml").read_text()
        settings = door.services.generations.current.settings
        if not edited:
            assert (done.result, document) == (Result.applied, second)
            return
        assert (done.result, done.code, document) == (Result.rejected, "rejected", fourth)
        refusal = door.services.swapper.refusal
        assert refusal is not None
        assert "have been edited since" in done.errors[0].message
        assert refusal.failed.endswith(done.errors[0].message)  # with why it failed before
        assert caplog.messages.count(done.errors[0].message) == 1
        assert settings.language == "de"


async def test_a_version_replaced_in_its_folder_that_fails_leaves_the_plain_voice(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "fake", "generation: 1")
    async with open_door() as door:
        version(tmp_path, "fake", "generation: 2")
        status, told = await reload(door, "models")
        assert (status, told["result"]) == (200, "applied")
        done = await fail_on_probation(door)
        assert (done.action, done.subject, done.result) == ("activate", "embedded", Result.applied)
        assert "3 times soon after" in str(done.details["failed"])
        assert door.services.pool.default.id == "embedded"
        said = {"input": "Hello.", **SAID}
        async with door.session.post("/v1/audio/speech", json=said) as response:
            assert response.status == 200
            assert response.headers["X-IndexTTS-Model"] == "embedded"
        assert "3 times soon after" in (await versions(door))["main"][1]


async def test_the_old_address_answers_until_new_ones_count(
    tmp_path: Path, open_door: Opener
) -> None:
    (tmp_path / "settings.yaml").write_text("server: {host: [127.0.0.1]}\n")
    bad = "server: {host: [127.0.0.2]}\nfake: {load: hang}\nworker: {load_timeout_s: 3}\n"

    async def alive() -> bool:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*address)  # a new connection each time
            writer.close()
            return True
        return False

    async with open_door(**{"server.host": None}) as door:
        address = "127.0.0.1", int(door.url.rpartition(":")[2])
        edit = asyncio.create_task(put(door, bad))
        answers = []
        while not edit.done():
            answers.append(await alive())
            await asyncio.sleep(0.05)
        assert (await edit)[0] == 422
        assert len(answers) > 10
        assert all(answers), answers
        assert await alive()


async def test_who_waits_when_a_pause_begins_is_spoken_to_by_the_plain_voice_at_once(
    tmp_path: Path, open_door: Opener
) -> None:
    async def speak(text: str) -> str:
        said = {"input": text, **SAID}
        async with door.session.post("/v1/audio/speech", json=said) as response:
            assert response.status == 200
            await response.read()
            return response.headers["X-IndexTTS-Model"]

    version(tmp_path, "fake", "max_jobs: 1")
    async with open_door() as door, asyncio.timeout(60):
        await door.services.pool.get("embedded").ready()
        queue = door.services.pool.default.queue
        story = asyncio.create_task(speak("Once upon a time. {{sleep 4}} The end."))
        await until(lambda: queue.in_flight == 1)
        waiting = asyncio.create_task(speak("Is anybody there?"))
        await until(lambda: queue.waiting == 1)
        async with door.session.post("/v1/pause") as response:
            assert response.status == 200
        assert await waiting == "embedded"
        assert not story.done()
        assert await speak("And now?") == "embedded"
        assert await story == "fake"
