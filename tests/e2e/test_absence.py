"""A daemon that is off for a night is missed quietly, and welcomed back by itself."""

import asyncio
from collections.abc import Callable
import time

import pytest

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import pair_by_hand
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NIGHT_S = 15  # some tries to reach it
NOTICED_S = 60


async def test_a_daemon_that_is_off_is_logged_once_and_is_back_by_itself(
    hass: HomeAssistant,
    workshop: DaemonProcess,
    log: LogExpectations,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    async def is_away() -> bool | None:
        return await hass.state(speaker) == "unavailable" or None

    async def is_back() -> bool | None:
        return await hass.state(speaker) != "unavailable" or None

    log.expect("The IndexTTS daemon at .* does not answer", times=1)
    speaker = (await pair_by_hand(hass, workshop)).entity_id

    await workshop.stop()
    stopped = time.monotonic()
    await eventually(is_away, what="unavailable", within_s=NOTICED_S)
    away_s = time.monotonic() - stopped
    await asyncio.sleep(NIGHT_S)
    assert await is_away()

    await workshop.start()
    ready = time.monotonic()
    await eventually(is_back, what="available again", within_s=NOTICED_S)

    record_testsuite_property("seconds from off to unavailable", round(away_s, 1))
    record_testsuite_property("seconds from on to available", round(time.monotonic() - ready, 1))
    assert (await hass.speech(speaker, "Good morning."))[0] == 200
