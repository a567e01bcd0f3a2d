"""Models over HTTP: versions, swaps that are heard, refusals with a reason, and who asked."""

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from indextts_daemon.errors import Problem
from indextts_daemon.service.operations import Operation, Result, Running
from indextts_daemon.service.reloading import MOST_WISHES
from indextts_daemon.service.versions import FAKE_FILE, ModelsWish
from tests.daemon.door import Door, Opener


def version(data_dir: Path, name: str, options: str) -> None:
    folder = data_dir / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAKE_FILE).write_text(options)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a data folder with a good version, another, and a silent one."""
    version(tmp_path, "fake", "generation: 1")
    version(tmp_path, "fake.b", "generation: 2")
    version(tmp_path, "fake.mute", "{generation: 3, sound: silent}")
    version(tmp_path, "fake.half", "")
    return tmp_path


async def post(
    door: Door, path: str, status: int, body: Any = None, *, wait: bool = True, **headers: str
) -> Any:
    params = {"wait": "1"} if wait else {}
    url = f"/v1/models/{path}"
    async with door.session.post(url, json=body, params=params, headers=headers) as response:
        answer = await response.json()
        assert response.status == status, answer
        return answer


async def versions(door: Door, model: str = "fake") -> dict[str, tuple[str, str]]:
    async with door.session.get(f"/v1/models/{model}/versions") as response:
        assert response.status == 200
        listed = (await response.json())["versions"]
    return {one["version"]: (one["state"], one["reason"]) for one in listed}


async def generation(door: Door) -> int:
    """Speak, and return which version of the fake model did."""
    samples, _ = soundfile.read(io.BytesIO(await door.speak("Hello.")), dtype="int16")
    return int(np.asarray(samples)[2])


async def test_a_version_is_activated_and_rolled_back_and_each_is_heard(
    house: Path, open_door: Opener
) -> None:
    async with open_door() as door:
        assert await generation(door) == 1
        done = (await post(door, "fake/activate", 200, {"version": "b"}))["operation"]
        assert (done["result"], done["subject"], done["action"]) == ("applied", "fake", "activate")
        assert {line["language"] for line in done["details"]["canary"]["lines"]} == {
            "en",
            "de",
            "zh",
        }
        assert await generation(door) == 2
        states = await versions(door)
        assert (states["b"][0], states["main"][0]) == ("active", "previous")
        await post(door, "fake/rollback", 200)
        assert await generation(door) == 1
        states = await versions(door)
        assert (states["main"][0], states["b"][0]) == ("active", "previous")


async def test_a_choice_that_an_edit_has_made_void_is_not_told_as_active(
    house: Path, open_door: Opener
) -> None:
    async with open_door(engine=None) as door:
        document = "engine: fake\n"
        yaml = {"Content-Type": "application/yaml"}
        async with door.session.put("/v1/config", data=document, headers=yaml) as response:
            assert response.status == 200, await response.text()
        await post(door, "fake/activate", 200, {"version": "b"})
        assert (await versions(door))["b"][0] == "active"
        document = "engine: fake\nindextts: {model: /nowhere}\n"
        async with door.session.put("/v1/config", data=document, headers=yaml) as response:
            assert response.status == 200, await response.text()
        assert await generation(door) == 1
        states = await versions(door)
        assert (states["main"][0], states["b"][0]) == ("active", "candidate")


async def test_a_version_that_does_not_sing_is_refused_with_figures_and_nothing_changes(
    house: Path, open_door: Opener
) -> None:
    async with open_door() as door:
        refusal = await post(door, "fake/activate", 422, {"version": "mute"})
        assert refusal["error"]["code"] == "canary_failed"
        assert "is silent" in refusal["error"]["message"]
        assert refusal["operation"]["result"] == "rejected"
        assert str(house) not in str(refusal)
        assert await generation(door) == 1
        states = await versions(door)
        assert states["main"] == ("active", "")
        assert states["mute"][0] == "failed"
        assert "is silent" in states["mute"][1]


async def test_a_version_for_which_there_is_no_room_has_not_failed(
    house: Path, open_door: Opener
) -> None:
    version(house, "fake.big", "load: oom")
    async with open_door() as door:
        for _ in range(2):  # it may be tried again as soon as there is room
            refusal = await post(door, "fake/activate", 507, {"version": "big"})
            assert refusal["error"]["code"] == "insufficient_memory"
            assert (await versions(door))["big"] == ("candidate", "")
        assert await generation(door) == 1


async def test_more_wishes_than_may_wait_are_told_to_come_back(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, scope = asyncio.Event(), door.services.reloader._scopes["models"]

    async def stage(wish: object, running: Running) -> None:
        await go.wait()

    monkeypatch.setattr(scope, "stage", stage)
    for _ in range(MOST_WISHES):
        await post(door, "fake/load", 202, wait=False)
    for wait in (False, True):
        async with door.session.post(
            "/v1/models/fake/load", params={"wait": "1"} if wait else {}
        ) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "queue_full"
    go.set()
    await door.services.reloader.settled("models")
    await post(door, "fake/load", 200)


async def test_while_the_card_is_left_to_others_no_version_is_taken_unheard(
    house: Path, open_door: Opener
) -> None:
    async with open_door() as door:
        async with door.session.post("/v1/pause", params={"wait": "1"}) as response:
            assert response.status == 200
        refusal = await post(door, "fake/activate", 422, {"version": "mute"})
        assert refusal["operation"]["code"] == "paused"
        assert (await versions(door))["mute"] == ("candidate", "")
        async with door.session.post("/v1/resume") as response:
            assert response.status == 200
        await door.services.pool.default.ready()
        assert await generation(door) == 1


async def test_a_version_that_is_not_there_or_not_whole_is_refused(
    house: Path, open_door: Opener
) -> None:
    async with open_door() as door:
        missing = await post(door, "fake/activate", 404, {"version": "zork"})
        half = await post(door, "fake/activate", 422, {"version": "half"})
        assert missing["error"]["code"] == "version_not_found"
        assert half["error"]["code"] == "version_incomplete"
        assert (await versions(door))["half"][0] == "failed"
        assert await generation(door) == 1


async def test_who_does_not_wait_gets_the_operation_and_follows_it(
    house: Path, open_door: Opener
) -> None:
    async with open_door() as door:
        body = {"version": "b"}
        begun = (await post(door, "fake/activate", 202, body, wait=False))["operation"]
        assert begun["result"] == "running"
        async with asyncio.timeout(30):
            while True:
                async with door.session.get(f"/v1/operations/{begun['id']}") as response:
                    now = await response.json()
                if now["result"] != "running":
                    break
                await asyncio.sleep(0.01)
        assert now["result"] == "applied"
        assert await generation(door) == 2


async def test_a_model_is_unloaded_and_loaded_and_speaks_all_the_while(door: Door) -> None:
    model = door.services.pool.get("fake")
    await post(door, "fake/unload", 200)
    assert model.worker is None
    await post(door, "fake/load", 200)
    assert model.worker is not None
    await post(door, "fake/unload", 200)
    assert await door.speak("Hello.")


async def test_the_plain_voice_makes_room_when_somebody_asks_for_the_default(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "fake", "{generation: 1, memory_mib: 300}")
    async with open_door(**{"models.memory_budget_gib": 0.45}) as door:  # for either of the two
        await post(door, "fake/unload", 200)
        await post(door, "embedded/load", 200)
        assert await generation(door) == 1
        assert door.services.pool.get("embedded").worker is None


@pytest.mark.parametrize("path", ["zork/load", "zork/unload", "zork/activate", "zork/rollback"])
async def test_an_unknown_model_is_not_found_before_anything_begins(door: Door, path: str) -> None:
    for wait in (True, False):
        refusal = await post(door, path, 404, wait=wait)
        assert refusal["error"]["code"] == "model_not_found"
    assert {one.who for one in door.services.operations.listed()} <= {"start"}


async def test_what_never_changed_cannot_go_back(door: Door) -> None:
    refusal = await post(door, "fake/rollback", 422)
    assert refusal["error"]["code"] == "nothing_to_roll_back"


async def test_the_command_line_is_told_from_others(door: Door) -> None:
    mine = await post(door, "fake/activate", 200, **{"X-IndexTTS-Client": "cli"})
    other = await post(door, "fake/activate", 200)
    assert (mine["operation"]["who"], other["operation"]["who"]) == ("cli", "api")


async def test_what_lies_in_no_folder_is_its_own_only_version(door: Door) -> None:
    assert await versions(door) == {"main": ("active", "")}
    chosen = door.services.versions
    chosen.activation = chosen.activation.activate("embedded", "b")  # under settings of long ago
    assert await versions(door, "embedded") == {"main": ("active", "")}
    async with door.session.get("/v1/models/zork/versions") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("canary_failed", 422, "canary_failed"),
        ("insufficient_memory", 507, "insufficient_memory"),
        ("load_failed", 422, "rejected"),
        ("loading", 422, "rejected"),
        ("internal", 500, "internal"),
    ],
)
async def test_every_refusal_has_its_status_and_its_words(
    door: Door, monkeypatch: pytest.MonkeyPatch, code: str, status: int, told: str
) -> None:
    asked: list[dict[str, Any]] = []

    async def reload(scope: str, **how: Any) -> Operation:
        asked.append({"scope": scope, **how})
        return Operation(
            id="1",
            scope=scope,
            action="load",
            who="api",
            started_at=1.0,
            ended_at=2.0,
            result=Result.rejected,
            code=code,
            errors=(Problem(message="No."), Problem(message="Not at all.")),
        )

    monkeypatch.setattr(door.services.reloader, "reload", reload)
    refusal = await post(door, "fake/load", status)
    assert (refusal["error"]["code"], refusal["error"]["message"]) == (told, "No. Not at all.")
    assert refusal["operation"]["errors"][1]["message"] == "Not at all."
    assert asked == [
        {
            "scope": "models",
            "who": "api",
            "wish": ModelsWish(action="load", model="fake"),
            "action": "load",
            "subject": "fake",
        }
    ]
