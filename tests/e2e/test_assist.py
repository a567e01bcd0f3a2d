"""An answer of Assist is heard while it is still being thought out, and whole."""

from collections.abc import Callable, Sequence
import time

import numpy as np
from numpy.typing import NDArray
import pytest
import pytest_asyncio

from indextts_daemon.engines.fake import FRAME
from tests.daemon.fake_audio import assert_spoken_by_fake
from tests.daemon.recognition import SENTENCES
from tests.e2e.assist import LOSSLESS, PANEL, Answer, assistant, converse
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.hearing import decoded, misheard
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import Paired, pair_by_hand
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUM_PIECES = 40
SOON = 10  # pieces
# Its first sentence is not whole when the daemon gets the first words, so it is spoken in two.
BEGINNING = (
    "While you were away,",
    "somebody came to the front door and left a large box beside the shed.",
)
REST = (
    "It rained.",
    "The dishwasher has finished, and the living room is warm again.",
    "Dr. Miller called about the garden fence; he will come by at half past seven.",
    "Would you like to hear the news now?",
)
STORY = ((" ".join(BEGINNING), *REST), (*BEGINNING, *REST))
BACK_S = 60


@pytest_asyncio.fixture(loop_scope="session")
async def tagged(hass: HomeAssistant, workshop: DaemonProcess) -> Paired:
    """Pair a daemon whose every sample can be checked."""
    return await pair_by_hand(hass, workshop)


async def test_an_answer_sounds_before_a_quarter_of_it_is_thought_out(
    hass: HomeAssistant,
    paired: Paired,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    message = " ".join(SENTENCES)

    async with assistant(hass, paired) as pipeline:
        answer = await converse(hass, pipeline, message, PANEL)

    assert (len(answer.pieces), answer.errors) == (NUM_PIECES, [])
    sounded = answer.arrivals[0].at
    record_testsuite_property(
        "pieces of an answer that had come when it sounded",
        sum(piece < sounded for piece in answer.pieces),
    )
    assert sounded < answer.pieces[SOON - 1]
    assert misheard(message, decoded(answer.sound)[1]) <= 0.2


@pytest.mark.parametrize(
    ("text", "spoken"), [(SENTENCES, SENTENCES), STORY], ids=["short beginning", "long beginning"]
)
async def test_nothing_of_an_answer_is_lost_or_said_twice(
    hass: HomeAssistant, tagged: Paired, text: tuple[str, ...], spoken: tuple[str, ...]
) -> None:
    async with assistant(hass, tagged) as pipeline:
        answer = await converse(hass, pipeline, " ".join(text), LOSSLESS)

    assert (len(answer.pieces), answer.errors) == (NUM_PIECES, [])
    assert_spoken_by_fake(samples(answer), spoken, tag=1)


async def test_a_daemon_that_dies_in_the_middle_ends_the_answer_and_the_next_one_is_whole(
    hass: HomeAssistant,
    workshop: DaemonProcess,
    tagged: Paired,
    log: LogExpectations,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """A player cannot tell: Home Assistant ends what breaks off as if it were whole."""
    message = " ".join(SENTENCES)

    async def cut_the_power(number: int) -> None:
        if number == NUM_PIECES // 2:
            await workshop.kill()

    async def is_back() -> bool | None:
        return await hass.state(tagged.entity_id) != "unavailable" or None

    log.expect(  # the maker of the sound, the player's door, the coordinator
        "Error getting audio for .Streaming TTS.: The IndexTTS daemon at .* does not answer",
        "Error streaming tts: The IndexTTS daemon at .* does not answer",
        "Error fetching Workshop data: The IndexTTS daemon at .* does not answer",
        times=1,
    )
    async with assistant(hass, tagged) as pipeline:
        broken = await converse(hass, pipeline, message, LOSSLESS, at_piece=cut_the_power)
        assert broken.pieces[NUM_PIECES // 2 - 1] < broken.silent_at < broken.pieces[-1]
        assert (len(broken.pieces), broken.errors) == (NUM_PIECES, [])
        num_heard = len(broken_off(broken, SENTENCES))
        assert 0 < num_heard < len(SENTENCES)

        await workshop.start()
        started = time.monotonic()
        await eventually(is_back, what="available again", within_s=BACK_S)
        record_testsuite_property(
            "seconds from on after a power cut to available", round(time.monotonic() - started, 1)
        )
        whole = await converse(hass, pipeline, message, LOSSLESS)

    assert_spoken_by_fake(samples(whole), SENTENCES, tag=1)


def samples(answer: Answer) -> NDArray[np.int16]:
    """Return what stands behind the header of a wav that was written as it came."""
    assert answer.sound[36:40] == b"data"
    return np.frombuffer(answer.sound[44:], np.int16)


def broken_off(answer: Answer, sentences: Sequence[str]) -> Sequence[str]:
    """Return the sentences that were begun: those before the last are whole, and in order."""
    pcm = samples(answer)
    pcm = pcm[: pcm.size // FRAME * FRAME]
    begun = sentences[: 1 + int(np.count_nonzero(np.diff(pcm[1::FRAME])))]
    assert_spoken_by_fake(pcm, begun, tag=1)
    return begun
