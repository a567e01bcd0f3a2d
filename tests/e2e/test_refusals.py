"""What cannot be spoken is an error in words, never silence and never a traceback."""

import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import CommandError, HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import SATELLITE, Paired, pair_by_hand

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILED = "IndexTTS daemon failed to speak the message"


@pytest_asyncio.fixture(loop_scope="session")
async def broken(hass: HomeAssistant, workshop: DaemonProcess) -> Paired:
    """Pair a daemon whose model fails when the text says so."""
    return await pair_by_hand(hass, workshop)


@pytest.mark.parametrize("options", [{}, SATELLITE], ids=["player", "satellite"])
async def test_a_failure_of_the_daemon_is_an_error_and_not_silence(
    hass: HomeAssistant, broken: Paired, log: LogExpectations, options: dict[str, object]
) -> None:
    log.expect(FAILED)
    message = "{{fail synthesis_failed}} Good morning."

    status, audio = await hass.speech(broken.entity_id, message, **options)

    assert (status, audio) == (500, b"")


async def test_a_loudspeaker_that_gets_no_sound_fails_the_action(
    hass: HomeAssistant, broken: Paired, log: LogExpectations
) -> None:
    log.expect(FAILED, "The loudspeaker got 500")
    hass.heard.unlink(missing_ok=True)

    with pytest.raises(CommandError, match="got 500"):
        await hass.speak(broken.entity_id, "{{fail synthesis_failed}} Good evening.")

    assert not hass.heard.exists()


async def test_a_voice_that_the_daemon_has_not_is_named_in_the_log(
    hass: HomeAssistant, broken: Paired, log: LogExpectations
) -> None:
    log.expect("has no voice named nobody")

    status, audio = await hass.speech(broken.entity_id, "Good night.", voice="nobody")

    assert (status, audio) == (500, b"")


async def test_a_message_without_words_is_an_error_that_says_so(
    hass: HomeAssistant, broken: Paired, log: LogExpectations
) -> None:
    log.expect("no words that could be spoken")

    status, audio = await hass.speech(broken.entity_id, "🙂🎉")

    assert (status, audio) == (500, b"")
