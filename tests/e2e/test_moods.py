"""A message is heard in the mood that it was meant in, whoever asks for it."""

from collections.abc import Sequence

import numpy as np
import pytest
import pytest_asyncio

from indextts_daemon.engines.fake import FRAME, crc_of
from indextts_daemon.service.moods import BUILT_IN
from indextts_daemon.speech import Emotion
from indextts_daemon.text.feelings import limited
from tests.daemon.recognition import SENTENCES
from tests.e2e.assist import LOSSLESS as TO_A_SATELLITE, assistant, converse
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import CommandError, HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import Paired, pair_by_hand

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTENCE = "Somebody left the freezer open."
LOSSLESS = {"preferred_format": "wav"}


@pytest_asyncio.fixture(loop_scope="session")
async def tagged(hass: HomeAssistant, workshop: DaemonProcess) -> Paired:
    """Pair a daemon in whose every sample stands what it feels."""
    return await pair_by_hand(hass, workshop)


@pytest.mark.parametrize("mood", ["cheerful", "urgent", "bedtime"])
async def test_a_loudspeaker_is_heard_to_feel_what_the_action_tts_speak_was_told(
    hass: HomeAssistant, tagged: Paired, mood: str
) -> None:
    await hass.speak(tagged.entity_id, SENTENCE, mood=mood, intensity=0.5, **LOSSLESS)

    assert felt(hass.heard.read_bytes()) == feeling(mood, 0.5)


async def test_a_default_mood_is_heard_until_a_message_or_the_household_wants_another(
    hass: HomeAssistant, workshop: DaemonProcess, tagged: Paired
) -> None:
    async def cached(**options: object) -> set[int]:
        status, sound = await hass.speech(
            tagged.entity_id, SENTENCE, cache=True, **LOSSLESS, **options
        )
        assert status == 200
        return felt(sound)

    before = await workshop.requests()
    assert await cached() == feeling()
    await hass.choose(tagged.entry_id, mood="calm")
    assert await cached() == feeling("calm")
    assert await cached(mood="sad") == feeling("sad")
    await hass.choose(tagged.entry_id)
    assert await cached() == feeling()
    assert await workshop.requests() - before == 3


async def test_an_answer_of_assist_is_heard_in_the_default_mood(
    hass: HomeAssistant, tagged: Paired
) -> None:
    await hass.choose(tagged.entry_id, mood="calm")

    async with assistant(hass, tagged) as pipeline:
        answer = await converse(hass, pipeline, " ".join(SENTENCES), TO_A_SATELLITE)

    assert felt(answer.sound) == feeling("calm", of=SENTENCES)


async def test_a_script_is_told_which_moods_there_are(
    hass: HomeAssistant, tagged: Paired, log: LogExpectations
) -> None:
    sentence = "no mood named merry, only calm, cheerful, urgent"
    log.expect(sentence)

    with pytest.raises(CommandError, match=sentence):
        await hass.command(
            "call_service",
            domain="indextts",
            service="render",
            service_data={"message": SENTENCE, "mood": "merry"},
            target={"entity_id": tagged.entity_id},
            return_response=True,
        )


def feeling(
    mood: str | None = None, intensity: float = 1.0, of: Sequence[str] = (SENTENCE,)
) -> set[int]:
    """Return the marks of sentences that are spoken in a mood."""
    if mood is None:
        return {crc_of(0, sentence) for sentence in of}
    weights = [weight * BUILT_IN[mood].strength * intensity for weight in BUILT_IN[mood].weights]
    return {crc_of(0, sentence, Emotion(weights=limited(weights))) for sentence in of}


def felt(wav: bytes) -> set[int]:
    """Return the marks that stand in a sound."""
    return set(np.frombuffer(wav[44:], np.int16)[1::FRAME].tolist())
