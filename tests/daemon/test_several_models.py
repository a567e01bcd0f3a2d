"""Several models in one house: side by side while they fit, and by turns where they do not."""

from pathlib import Path

import pytest

from indextts_daemon.worker.handle import WorkerState
from tests.daemon.door import Door, Opener

MIB = 2**20


@pytest.fixture
def three(tmp_path: Path) -> None:
    """Put two more models beside the fake one, of known sizes."""
    for number in (2, 3):
        folder = tmp_path / "models" / f"fake-{number}"
        folder.mkdir(parents=True)
        options = f"{{generation: {number}, memory_mib: 200}}\n"
        (folder / "fake.yaml").write_text(options)


async def loaded(door: Door) -> set[str]:
    return {model.id for model in door.services.pool if model.state is WorkerState.ready}


async def test_all_stay_loaded_where_there_is_room(open_door: Opener, three: None) -> None:
    async with open_door() as door:
        for model in ("fake-2", "fake-3"):
            await door.speak("Hello.", model=model)
        assert await loaded(door) >= {"fake", "fake-2", "fake-3"}


async def bounded(door: Door, mib: float) -> None:
    """Let all models together hold this much."""
    settings = f"models: {{memory_budget_gib: {mib / 1024:.3f}}}\n"
    headers = {"Content-Type": "application/yaml"}
    async with door.session.put("/v1/config", data=settings, headers=headers) as response:
        assert response.status == 200, await response.text()


def held_mib(door: Door) -> float:
    loaded = (model for model in door.services.pool if model.state is WorkerState.ready)
    return sum(model.memory_bytes or 0 for model in loaded) / MIB


async def test_the_least_recently_used_leaves_where_there_is_not_and_comes_back_when_asked_for(
    open_door: Opener, three: None
) -> None:
    async with open_door() as door:
        pool = door.services.pool
        await door.speak("Hello.", model="fake-3")  # so that its need is known
        await pool.get("fake-3").unload(timeout_s=5)
        await door.speak("Hello.", model="fake-2")
        await bounded(door, held_mib(door) + 90)
        await door.speak("Hello.", model="fake-3")
        assert pool.get("fake-2").state is WorkerState.unloaded
        assert "fake" in await loaded(door)  # the default stays
        await door.speak("Hello.", model="fake-2")
        assert "fake-3" not in await loaded(door)


async def test_where_nobody_may_leave_the_request_is_refused_with_the_reason(
    open_door: Opener, three: None
) -> None:
    async with open_door(**{"models.pinned": ["fake", "embedded"]}) as door:
        await door.speak("Hello.", model="fake-2")
        await door.services.pool.get("fake-2").unload(timeout_s=5)
        await bounded(door, held_mib(door) + 90)
        body = {"input": "Hello.", "model": "fake-2"}
        async with door.session.post("/v1/audio/speech", json=body) as response:
            assert response.status == 507
            error = (await response.json())["error"]
        assert error["code"] == "insufficient_memory"
        assert "too little memory" in error["message"]
        await door.speak("Hello.")
