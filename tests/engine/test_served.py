"""A tiny published model behind the real daemon: the front, the worker, the voices folder."""

import asyncio
from collections.abc import Iterator
import io
from pathlib import Path
import shutil
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray
import pytest
import soundfile

from indextts_daemon.engines.indextts.engine import create
from indextts_daemon.engines.indextts.variant import SAMPLE_RATE
from indextts_daemon.service.feelings import in_mood
from indextts_daemon.service.moods import BUILT_IN
from indextts_daemon.speech import Emotion, SpeechRequest
from tests.daemon.running import RunningDaemon
from tests.engine.conftest import SETS
from tests.engine.serving import Furnish, Furnished, model_id, record
from tests.engine.test_engine import TEXT, begin, heard

pytestmark = pytest.mark.skipif(not SETS, reason="no golden vectors")

LAST_SET = pytest.mark.parametrize(  # for what hangs on the version elsewhere, if at all
    "house",
    [*(pytest.param(name, marks=pytest.mark.long) for name in SETS[:-1]), *SETS[-1:]],
    indirect=True,
    scope="module",
)
Pcm = NDArray[np.int16]
PATIENCE_S = 180.0


class House:
    """A data folder with a model and voices, and the daemon that runs on it."""

    def __init__(self, shown: Furnished, data_dir: Path) -> None:
        self.data_dir = shutil.copytree(shown.data_dir, data_dir)
        self.options = shown.options
        self.id = model_id(shown.golden)

    def daemon(self) -> RunningDaemon:
        settings = {"indextts": {"quality": "fast", "device": "cpu"}}
        return RunningDaemon(self.data_dir, "--engine", "indextts", settings=settings)


async def ready(session: aiohttp.ClientSession) -> dict[str, Any]:
    """Wait until the default model speaks; return the daemon's own description."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get("/readyz") as answer:
                if (await answer.json())["state"] == "ready":
                    break
            await asyncio.sleep(0.2)
    async with session.get("/v1/info") as answer:
        info: dict[str, Any] = await answer.json()
        return info


async def spoken(session: aiohttp.ClientSession, **fields: Any) -> Pcm:
    body = {
        "input": TEXT.raw,
        "response_format": "wav",
        "sample_rate": SAMPLE_RATE,
        "language": "en",
    }
    async with session.post("/v1/audio/speech", json=body | fields) as answer:
        content = await answer.read()
        assert answer.status == 200, content
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == SAMPLE_RATE
    pcm: Pcm = samples
    return pcm


@pytest.fixture(scope="module", params=SETS)
def house(
    request: pytest.FixtureRequest,
    furnished: Furnish,
    tmp_path_factory: pytest.TempPathFactory,
) -> House:
    return House(furnished(request.param), tmp_path_factory.mktemp("house") / "data")


@pytest.fixture(scope="module")
def daemon(house: House) -> Iterator[RunningDaemon]:
    with house.daemon() as running:
        yield running


async def test_over_http_come_the_samples_that_the_engine_makes(
    house: House, daemon: RunningDaemon
) -> None:
    engine = create(house.options)
    voices = {voice.id: voice for voice in engine.info.voices}
    mood = in_mood(BUILT_IN["cheerful"], voices["otto"], voices, 1.0)
    asked: list[tuple[dict[str, Any], str, SpeechRequest]] = [
        ({"voice": "lena"}, "lena", SpeechRequest(language="en")),
        ({"voice": "lena", "seed": 5}, "lena", SpeechRequest(language="en", seed=5)),
        (
            {"voice": "otto", "mood": "cheerful", "speed": 0.8},
            "otto",
            SpeechRequest(language="en", speed=0.8 * BUILT_IN["cheerful"].speed, emotion=mood),
        ),
        (
            {"voice": "otto", "emotion": {"voice": "lena", "alpha": 0.6}},
            "otto",
            SpeechRequest(language="en", emotion=Emotion(voice=voices["lena"], strength=0.6)),
        ),
    ]
    async with daemon.session() as session:
        await ready(session)
        for fields, voice, request in asked:
            job = begin(engine, 1, TEXT, voice=voice, request=request)
            expected = np.rint(heard(engine, job)[job] * 32768).clip(-32768, 32767)
            assert np.array_equal(await spoken(session, **fields), expected.astype(np.int16))


async def test_voices_moods_and_what_can_be_asked_are_listed(
    house: House, daemon: RunningDaemon
) -> None:
    async with daemon.session() as session:
        info = await ready(session)
        assert (info["model"], info["engine"]["id"]) == (house.id, "indextts")
        async with session.get("/v1/voices") as answer:
            voices = {voice["id"]: voice for voice in (await answer.json())["voices"]}
        assert {"heart", "lena", "otto"} <= set(voices)
        assert set(BUILT_IN) <= set(voices["lena"]["moods"])
        async with session.get("/v1/capabilities") as answer:
            can = await answer.json()
        assert set(can["moods"]) == set(BUILT_IN)
        assert can["pronunciation"]


@LAST_SET
async def test_two_voices_and_three_moods_sound_different_and_each_the_same_again(
    daemon: RunningDaemon,
) -> None:
    ways = [
        {"voice": voice, "mood": mood}
        for voice in ("lena", "otto")
        for mood in ("calm", "cheerful", "urgent")
    ]
    async with daemon.session() as session:
        await ready(session)
        first = [(await spoken(session, **way)).tobytes() for way in ways]
        again = [(await spoken(session, **way)).tobytes() for way in reversed(ways[::2])]
    assert len(set(first)) == len(ways)
    assert first[::2] == again[::-1]


async def test_what_cannot_be_is_refused_in_words(daemon: RunningDaemon) -> None:
    async with daemon.session() as session:
        await ready(session)
        for fields, code, param in (
            ({"mood": "hangry"}, "invalid_param", "mood"),
            ({"emotion": {"voice": "nobody"}}, "invalid_param", "emotion.voice"),
            ({"voice": "nobody"}, "voice_not_found", "voice"),
        ):
            async with session.post(
                "/v1/audio/speech", json={"input": "Hello.", **fields}
            ) as answer:
                error = (await answer.json())["error"]
            assert (error["code"], error["param"]) == (code, param)


@LAST_SET
async def test_a_replaced_recording_is_another_voice_and_another_revision(
    house: House, daemon: RunningDaemon
) -> None:
    """It comes last: afterwards the daemon has stopped."""
    async with daemon.session() as session:
        before = (await ready(session))["revision"]
        first = await spoken(session, voice="lena")
    assert daemon.stop() == 0
    record(house.data_dir / "voices" / "lena.wav", "fr")
    with house.daemon() as running:
        async with running.session() as session:
            after = (await ready(session))["revision"]
            second = await spoken(session, voice="lena")
            await spoken(session, voice="otto")
    assert before != after
    assert not np.array_equal(first, second)
