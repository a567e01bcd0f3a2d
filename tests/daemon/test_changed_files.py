"""Files that change under a loaded model: it stays what it was heard as, and says what is wrong."""

import os
from pathlib import Path
import signal

import yaml

from tests.daemon.door import Door, Opener, until
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.test_api_models import post, version
from tests.daemon.test_reload_interleavings import put, reload
from tests.daemon.told import samples_of

LINE = "Dinner is ready."


async def speaker(door: Door) -> str:
    """Return who speaks when nobody is named."""
    said = {"input": LINE, "response_format": "wav", "language": "en"}
    async with door.session.post("/v1/audio/speech", json=said) as response:
        assert response.status == 200, await response.text()
        await response.read()
        return response.headers["X-IndexTTS-Model"]


async def assert_speaks(door: Door, generation: int) -> None:
    sound = await door.speak(LINE, language="en", model="fake", voice="fake-01")
    assert_spoken_by_fake(samples_of(sound), [LINE], tag=1, generation=generation)


async def test_files_that_were_refused_are_not_loaded_when_the_process_dies(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "fake", "generation: 3")
    async with open_door() as door:
        default = door.services.pool.default
        await assert_speaks(door, 3)
        version(tmp_path, "fake", "{generation: 4, sound: silent}")
        assert (await reload(door, "models"))[0] == 422
        await assert_speaks(door, 3)
        worker = default.worker
        assert worker is not None
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: default.load_failed)
        assert await speaker(door) == "embedded"
        assert "not those that it was let in with" in (default.reason or "")
        version(tmp_path, "fake", "generation: 3")
        await until(lambda: not default.load_failed)
        await assert_speaks(door, 3)
        assert await speaker(door) == "fake"


async def test_files_that_are_replaced_during_a_pause_are_heard_after_it(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "fake", "generation: 3")
    async with open_door() as door:
        default = door.services.pool.default
        async with door.session.post("/v1/pause?wait=true", json={}) as response:
            assert response.status == 200
        version(tmp_path, "fake", "generation: 4")
        async with door.session.post("/v1/resume", json={}) as response:
            assert response.status == 200
        await until(lambda: door.services.pool.default is not default)
        await assert_speaks(door, 4)
        assert await speaker(door) == "fake"


async def test_a_default_whose_files_are_torn_stays_the_default(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "other", "{id: other}")
    async with open_door() as door:
        await post(door, "other/activate", 200)
        assert await speaker(door) == "other"
        version(tmp_path, "other", "")
        for _ in range(2):
            status, told = await reload(door, "models")
            assert (status, told["errors"][0]["message"]) == (
                422,
                "The files of other are not whole any more. It speaks on as it is loaded.",
            )
            assert (await put(door, "log_level: debug\n"))[0] == 200
            told = await post(door, "fake/load", 200)
            assert "not whole any more" in told["operation"]["errors"][0]["message"]
            assert door.services.operations.last_reloads["models"].errors
            assert await speaker(door) == "other"
        assert door.services.generations.current.reason == "It was chosen."


async def test_an_edit_that_leads_away_from_a_torn_default_counts(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "other", "{id: other}")
    async with open_door() as door:
        await post(door, "other/activate", 200)
        version(tmp_path, "other", "")
        assert (await put(door, "indextts: {model: elsewhere}\n"))[0] == 200
        assert await speaker(door) == "fake"


async def test_limits_of_a_loaded_model_change_with_the_settings(open_door: Opener) -> None:
    async with open_door() as door:
        worker = door.services.pool.default.worker
        limits = {"worker": {"step_timeout_s": 7, "load_timeout_s": 9}}
        assert (await put(door, yaml.safe_dump(limits)))[0] == 200
        for model in door.services.pool:
            assert (model.spec.step_timeout_s, model.spec.load_timeout_s) == (7, 9)
        assert door.services.pool.default.worker is worker


async def test_a_model_that_is_tried_again_and_again_can_be_unloaded(
    tmp_path: Path, open_door: Opener
) -> None:
    version(tmp_path, "other", "{id: other, load: fail}")
    async with open_door() as door:
        other = door.services.pool.get("other")
        other.keep()
        await until(lambda: other.load_failed and other.worker is None)
        for result in ("applied", "unchanged"):
            told = await post(door, "other/unload", 200)
            assert told["operation"]["result"] == result
            assert not other.kept
