"""What leaves Home Assistant as sound holds the words that went in."""

import pytest

from tests.e2e.hearing import decoded, misheard
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import SATELLITE, Paired

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTENCES = (
    "The washing machine has finished.",
    "Someone is standing at the front door.",
    "The weather will be warm and sunny this afternoon.",
)
UNDERSTOOD = 0.2
GIBBERISH = 0.8


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_a_stranger_understands_what_the_url_of_the_speech_plays(
    hass: HomeAssistant, paired: Paired, sentence: str
) -> None:
    status, audio = await hass.speech(paired.entity_id, sentence)

    assert status == 200
    _, sound = decoded(audio)
    assert misheard(sentence, sound) <= UNDERSTOOD
    assert misheard(sentence, sound[::-1]) > GIBBERISH


@pytest.mark.parametrize("container", ["mp3", "wav", "flac", "ogg"])
async def test_a_player_gets_the_format_that_it_prefers(
    hass: HomeAssistant, paired: Paired, container: str
) -> None:
    sentence = "Dinner is ready, please come to the table."

    status, audio = await hass.speech(paired.entity_id, sentence, preferred_format=container)

    assert status == 200
    format_name, sound = decoded(audio)
    assert format_name == container
    assert misheard(sentence, sound) <= UNDERSTOOD


async def test_a_satellite_gets_the_rate_that_it_asks_for(
    hass: HomeAssistant, paired: Paired
) -> None:
    sentence = "The lights in the living room are still on."

    status, audio = await hass.speech(paired.entity_id, sentence, **SATELLITE)

    assert status == 200
    assert int.from_bytes(audio[24:28], "little") == 16000
    assert misheard(sentence, decoded(audio)[1]) <= UNDERSTOOD


async def test_a_loudspeaker_is_heard_to_say_what_the_action_tts_speak_was_told(
    hass: HomeAssistant, paired: Paired
) -> None:
    sentence = "There is a letter for you on the kitchen table."

    await hass.speak(paired.entity_id, sentence)

    sound = decoded(hass.heard.read_bytes())[1]
    assert misheard(sentence, sound) <= UNDERSTOOD
