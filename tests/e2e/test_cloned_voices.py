"""A household that recorded voices hears them through Home Assistant: a tiny model speaks."""

from collections.abc import AsyncIterator
import shutil

import aiohttp
import numpy as np
from playwright.async_api import expect
import pytest
import pytest_asyncio

from indextts_daemon.service.enrolment import ENROL
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.hearing import decoded, misheard
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import Paired, pair_by_hand
from tests.e2e.screens import ENGLISH, ENGLISH_PHONE, SERVICE, Screens, looks
from tests.e2e.waiting import eventually
from tests.engine import parity
from tests.engine.conftest import NOWHERE
from tests.engine.parity import ParitySet, Record
from tests.engine.serving import furnish, record

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not parity.set_names(), reason=NOWHERE),
]

AWAY = "The IndexTTS daemon at .* does not answer"
SENTENCE = "The washing machine has finished."  # long enough to be understood
WORD = "Yes."  # where it only matters how it sounds: a tiny model speaks as long as it may
LOSSLESS = {"preferred_format": "wav"}
NAME = "Grandma Lena"
RECORDED = {"lena", "otto"}
WAYS = [
    {"voice": voice, "mood": mood}
    for voice in sorted(RECORDED)
    for mood in ("calm", "cheerful", "urgent")
]
UNDERSTOOD = 0.2
AUDIBLE = 0.01  # peak
PATIENCE_S = 120


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """Run a daemon with a tiny model as published, and two recordings."""
    place = parity.folder()
    assert place is not None
    golden = [ParitySet(place / name, Record()) for name in parity.set_names()]
    folder = tmp_path_factory.mktemp("studio")
    process = DaemonProcess(folder, name="Studio", host="127.0.0.1", engine="indextts")
    process.settle("indextts: {quality: fast, device: cpu}")
    furnish(next(one for one in golden if one.version == "2.5"), process.data)
    (process.data / "voices" / "lena.yaml").write_text(f"name: {NAME}")
    try:
        await come_up(process)
        yield process
    finally:
        await process.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def cloning(hass: HomeAssistant, studio: DaemonProcess) -> Paired:
    """Pair that daemon."""
    return await pair_by_hand(hass, studio)


async def test_recorded_voices_in_their_moods_sound_different_and_the_same_again(
    hass: HomeAssistant, studio: DaemonProcess, cloning: Paired
) -> None:
    async def said(**way: object) -> bytes:
        await hass.speak(cloning.entity_id, WORD, **way, **LOSSLESS)
        sound = hass.heard.read_bytes()
        assert np.abs(decoded(sound)[1]).max() > AUDIBLE
        return sound

    before = await studio.requests()
    first = [await said(**way, seed=7) for way in WAYS]
    another = await said(**WAYS[0], seed=8)
    await hass.forget_speech()
    again = [await said(**way, seed=7) for way in reversed(WAYS[::2])]

    assert len({*first, another}) == len(WAYS) + 1
    assert again[::-1] == first[::2]
    assert await studio.requests() - before == len(first) + len(again) + 1


@pytest.mark.long
async def test_a_voice_that_is_recorded_anew_is_heard_anew_and_nobody_else_changes(
    hass: HomeAssistant, studio: DaemonProcess, cloning: Paired, log: LogExpectations
) -> None:
    async def cached(voice: str) -> bytes:
        status, sound = await hass.speech(
            cloning.entity_id, WORD, cache=True, voice=voice, **LOSSLESS
        )
        assert status == 200
        return sound

    log.allow(AWAY)
    before = await revision(hass, cloning)
    lena, otto = await cached("lena"), await cached("otto")
    asked = await studio.requests()
    assert (await cached("lena"), await cached("otto")) == (lena, otto)
    assert await studio.requests() == asked

    await studio.stop()
    record(studio.data / "voices" / "lena.wav", "fr")
    await come_up(studio)
    await settled(hass, cloning, studio)

    assert await revision(hass, cloning) != before
    assert await cached("lena") != lena
    assert await cached("otto") == otto
    assert await studio.requests() == 2


async def test_while_recordings_are_listened_to_a_plain_voice_speaks_and_they_come_by_themselves(
    hass: HomeAssistant, studio: DaemonProcess, cloning: Paired, log: LogExpectations
) -> None:
    async def offered() -> set[str]:
        return {*await hass.voices(cloning.entity_id, "en")}

    async def plain() -> bool | None:
        return (await is_in(studio, "degraded") and not RECORDED & await offered()) or None

    async def said(**way: object) -> bytes:
        status, sound = await hass.speech(
            cloning.entity_id, SENTENCE, cache=True, **way, **LOSSLESS
        )
        assert status == 200
        return sound

    log.allow(AWAY)
    await hass.choose(cloning.entry_id, voice="lena")
    await studio.stop()
    shutil.rmtree(studio.data / "state" / "voices")
    await studio.start(until="Listening on .*")
    async with studio.held_up(ENROL):
        await eventually(plain, what="the plain voice", within_s=PATIENCE_S)
        await hass.reload(cloning.entry_id)  # as if the power had been cut for both
        assert await speaker(studio) == ("embedded", "model")
        assert is_understood(await said())
        assert is_understood(await said(voice="otto", mood="urgent"))
        assert not (await hass.command("repairs/list_issues"))["issues"]

    await settled(hass, cloning, studio)

    assert await offered() >= RECORDED
    assert (await speaker(studio))[0] != "embedded"
    assert not is_understood(await said(voice="otto", mood="urgent"))
    assert not is_understood(await said())  # a tiny model knows no words


@looks(ENGLISH, long=(ENGLISH_PHONE,))  # the model speaks no German
async def test_a_recorded_voice_is_chosen_by_the_name_that_the_household_gave_it(
    cloning: Paired, screens: Screens
) -> None:
    await screens.open(SERVICE)
    await screens.page.locator("ha-config-entry-row ha-icon-button[slot=end]").first.click()
    voice = screens.dialog.locator("ha-selector").nth(1)
    await voice.locator("button").first.click()
    await expect(voice.locator("ha-dropdown-item", has_text=NAME)).to_be_visible()
    await screens.keep("settings-recorded-voices")

    await screens.open("config/voice-assistants/assistants")
    await screens.page.locator("assist-pref ha-button.add").click()
    speech = screens.page.locator("assist-pipeline-detail-tts")
    await speech.locator("ha-tts-picker button").first.click()
    await speech.locator("ha-tts-picker ha-dropdown-item", has_text="IndexTTS").click()
    picker = speech.locator("ha-tts-voice-picker")
    await picker.locator("button").first.click()
    await expect(picker.locator("ha-dropdown-item", has_text=NAME)).to_be_visible()
    await screens.keep("assistant-recorded-voices")


async def come_up(daemon: DaemonProcess) -> None:
    """Start it, and wait until its own model speaks."""
    await daemon.start(until="ready.*")
    await eventually(lambda: is_in(daemon, "ready"), what="the model", within_s=PATIENCE_S)


async def is_in(daemon: DaemonProcess, state: str) -> bool | None:
    return (await daemon.tells("readyz"))["state"] == state or None


async def revision(hass: HomeAssistant, paired: Paired) -> str | None:
    """Return the revision that Home Assistant knows."""
    told: str | None = (await hass.diagnostics(paired.entry_id))["daemon"]["info"]["revision"]
    return told


async def settled(hass: HomeAssistant, paired: Paired, daemon: DaemonProcess) -> None:
    """Wait until the daemon's own model speaks, and Home Assistant has noticed by itself."""

    async def is_noticed() -> bool | None:
        told = (await daemon.tells("v1/info"))["revision"]
        return (await is_in(daemon, "ready") and await revision(hass, paired) == told) or None

    await eventually(is_noticed, what="the recorded voices", within_s=PATIENCE_S)


async def speaker(daemon: DaemonProcess) -> tuple[str, str]:
    """Ask the daemon for a word; return who spoke, and what was left out for that."""
    asked = {"input": "Hello.", "language": "en"}
    async with (
        aiohttp.ClientSession(daemon.url, headers=daemon.credentials) as session,
        session.post("/v1/audio/speech", json=asked, raise_for_status=True) as answer,
    ):
        told = answer.headers
        return told["X-IndexTTS-Model"], told.get("X-IndexTTS-Degraded", "")


def is_understood(sound: bytes) -> bool:
    return misheard(SENTENCE, decoded(sound)[1]) <= UNDERSTOOD
