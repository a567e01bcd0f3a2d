"""Nobody hears a voice that is no more, and nothing is rendered again without need."""

from collections.abc import AsyncIterator, Callable
import time

import numpy as np
import pytest
import pytest_asyncio

from indextts_daemon.engines.fake import FRAME
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import Paired, pair_by_hand
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = "The IndexTTS daemon at .* does not answer"
SENTENCE = "The mail has come."
NOTICED_S = 60


BEFORE = "fake: {voices: {attic: 1}}"
CHANGED = "fake: {voices: {attic: 7}}"
ADDED = "fake: {voices: {attic: 1, cellar: 2}}"  # it speaks German
LOSSLESS = {"preferred_format": "wav"}


@pytest_asyncio.fixture(loop_scope="session")
async def studio(workshop: DaemonProcess) -> AsyncIterator[DaemonProcess]:
    """Lend a daemon whose voices may be changed."""
    await furnish(workshop, BEFORE)
    yield workshop
    await furnish(workshop, "")


@pytest_asyncio.fixture(loop_scope="session")
async def tagged(hass: HomeAssistant, studio: DaemonProcess, log: LogExpectations) -> Paired:
    """Pair that daemon, which will be away for a moment in every test, maybe unnoticed."""
    log.allow(AWAY)
    return await pair_by_hand(hass, studio)


async def test_a_voice_that_changes_is_heard_anew_without_anybody_doing_anything(
    hass: HomeAssistant,
    studio: DaemonProcess,
    tagged: Paired,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    async def says_anew() -> bytes | None:
        sound = await cached(hass, tagged)
        return None if sound == first else sound

    first = await cached(hass, tagged)
    assert await cached(hass, tagged) == first
    assert (tags(first), await studio.requests()) == ({1}, 1)

    await furnish(studio, CHANGED)
    changed = time.monotonic()
    anew = await eventually(says_anew, what="the new voice", within_s=NOTICED_S)
    record_testsuite_property(
        "seconds from a changed voice to hearing it", round(time.monotonic() - changed, 1)
    )

    assert tags(anew) == {7}


async def test_a_voice_that_is_added_leaves_what_was_spoken_in_the_cache(
    hass: HomeAssistant, studio: DaemonProcess, tagged: Paired
) -> None:
    async def has_arrived() -> bool | None:
        return await hass.voices(tagged.entity_id, "de") == ["cellar"] or None

    first = await cached(hass, tagged)
    await furnish(studio, ADDED)
    await eventually(has_arrived, what="the added voice", within_s=NOTICED_S)

    assert await cached(hass, tagged) == first
    assert await studio.requests() == 0


async def furnish(daemon: DaemonProcess, settings: str) -> None:
    await daemon.stop()
    daemon.settle(settings)
    await daemon.start()


async def cached(hass: HomeAssistant, tagged: Paired) -> bytes:
    status, sound = await hass.speech(tagged.entity_id, SENTENCE, cache=True, **LOSSLESS)
    assert status == 200
    return sound


def tags(wav: bytes) -> set[int]:
    """Return the tags of the voices that are heard in it."""
    return set(np.frombuffer(wav[44:], np.int16)[::FRAME].tolist())
