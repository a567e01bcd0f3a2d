"""A daemon in the same network is found, paired, followed and forgotten."""

from collections.abc import Callable
import time

import pytest

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.hearing import decoded, misheard
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import DOMAIN, Paired, found, pair
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SENTENCE = "The garden needs water this evening."
NOTICED_S = 60


async def test_a_fresh_home_assistant_finds_a_daemon_and_pairs_by_the_code_it_shows(
    hass: HomeAssistant, daemon: DaemonProcess
) -> None:
    flow = await found(hass, daemon)
    assert flow["handler"] == DOMAIN
    assert flow["step_id"] == "pair"

    pairing = await pair(hass, daemon, flow["flow_id"])

    assert [entry["state"] for entry in await hass.entries(DOMAIN)] == ["loaded"]
    device = await hass.device(pairing.device_id)
    assert device is not None
    assert (device["name"], device["entry_type"]) == (daemon.name, "service")
    engines = (await hass.command("tts/engine/list"))["providers"]
    assert pairing.entity_id in [engine["engine_id"] for engine in engines]


async def test_a_removed_entry_leaves_nothing_and_its_daemon_is_found_again(
    hass: HomeAssistant, daemon: DaemonProcess, paired: Paired
) -> None:
    assert await hass.discovered(daemon.name) is None

    await hass.remove(paired.entry_id)
    await found(hass, daemon)

    assert await hass.state(paired.entity_id) is None
    assert await hass.device(paired.device_id) is None


async def test_a_daemon_that_comes_back_on_another_port_is_followed(
    hass: HomeAssistant,
    daemon: DaemonProcess,
    paired: Paired,
    log: LogExpectations,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    async def is_away() -> bool | None:
        return await hass.state(paired.entity_id) == "unavailable" or None

    async def is_back() -> bool | None:
        return await hass.state(paired.entity_id) != "unavailable" or None

    async def is_kept() -> bool | None:
        kept = await hass.connection(paired.entry_id) or {}
        return kept.get("port") == daemon.port or None

    log.expect("The IndexTTS daemon at .* does not answer")
    old_port = daemon.port
    await daemon.stop()
    stopped = time.monotonic()
    await eventually(is_away, what="unavailable", within_s=NOTICED_S)
    record_testsuite_property(
        "seconds from stop to unavailable", round(time.monotonic() - stopped, 1)
    )

    daemon.move()
    started = time.monotonic()
    await daemon.start()
    await eventually(is_back, what="available on the new port", within_s=NOTICED_S)
    record_testsuite_property(
        "seconds from start to followed", round(time.monotonic() - started, 1)
    )

    assert daemon.port != old_port
    await eventually(is_kept, what="the new port on disk", within_s=NOTICED_S)
    status, audio = await hass.speech(paired.entity_id, SENTENCE)
    assert status == 200
    assert misheard(SENTENCE, decoded(audio)[1]) <= 0.2
