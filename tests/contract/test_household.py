"""Home Assistant and a real daemon, from the announcement to the bytes that a player gets."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from homeassistant.components import tts
from homeassistant.config_entries import SOURCE_USER, SOURCE_ZEROCONF, ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.indextts.client import SpeechOrder
from custom_components.indextts.config_flow import CONF_CREDENTIAL
from custom_components.indextts.const import DOMAIN
from tests.contract.conftest import Connect, Daemon, running

PATIENCE_S = 30.0

pytestmark = [
    pytest.mark.usefixtures("custom_integrations"),
    # what Home Assistant does to itself; a warning about our code stays an error
    pytest.mark.filterwarnings(r"ignore:It is recommended to use web::homeassistant\."),
]


async def set_up(hass: HomeAssistant, daemon: Daemon, instance_id: str) -> dict[str, Any]:
    here = ip_address(str(daemon.url.host))
    announcement = ZeroconfServiceInfo(
        ip_address=here,
        ip_addresses=[here],
        port=daemon.url.port,
        hostname="nas.local.",
        type="_indextts._tcp.local.",
        name="nas._indextts._tcp.local.",
        properties={"id": instance_id},
    )
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_ZEROCONF}, data=announcement
    )
    assert flow["step_id"] == "pair"
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {CONF_CREDENTIAL: daemon.pairing_code}
    )
    await hass.async_block_till_done()
    return dict(result)


def order(hass: HomeAssistant, text: str) -> AsyncGenerator[bytes]:
    """Order speech as a player does, cache and all."""
    (entity_id,) = hass.states.async_entity_ids("tts")
    stream = tts.async_create_stream(hass, entity_id, "en", {"preferred_format": "wav"})
    stream.async_set_message(text)
    return stream.async_stream_result()


async def all_but_the_listening(hass: HomeAssistant) -> None:
    """Wait for what is under way, but for the one task that never ends."""
    await hass.async_block_till_done()
    tasks = [
        task  # or a future of one, which has no name
        for task in hass._background_tasks
        if not (isinstance(task, asyncio.Task) and task.get_name() == "indextts events")
    ]
    await asyncio.gather(*tasks)


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not seen():  # noqa: ASYNC110 - states have no event of their own
            await asyncio.sleep(0.05)


async def said(text: str) -> AsyncGenerator[str]:
    yield text


async def heard(stream: AsyncGenerator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_a_found_daemon_is_paired_and_speaks(
    hass: HomeAssistant,
    own_daemon: Daemon,
    connect: Connect,
    hass_client: ClientSessionGenerator,
) -> None:
    info = await connect(own_daemon).info()
    result = await set_up(hass, own_daemon, info.instance_id)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    assert (entry.title, entry.unique_id) == (info.name, info.instance_id)
    assert entry.data == {
        CONF_HOST: own_daemon.url.host,
        CONF_PORT: own_daemon.url.port,
        CONF_TOKEN: own_daemon.token,
    }

    (entity_id,) = hass.states.async_entity_ids("tts")
    hass.config.internal_url = "http://127.0.0.1:8123"
    browser = await hass_client()
    options = {"preferred_format": "flac", "voice": "fake-04"}
    order = {"engine_id": entity_id, "message": "Dinner is ready.", "options": options}
    response = await browser.post("/api/tts_get_url", json=order)
    speech = await browser.get((await response.json())["path"])
    assert (speech.status, (await speech.read())[:4]) == (HTTPStatus.OK, b"fLaC")
    await all_but_the_listening(hass)


async def test_a_daemon_killed_in_mid_speech_is_an_error_and_speaks_again_once_it_is_back(
    hass: HomeAssistant, tmp_path: Path, connect: Connect
) -> None:
    text = "This one is being spoken. {{sleep 2}} And so is this one."
    with running(tmp_path) as daemon:
        await set_up(hass, daemon, (await connect(daemon).info()).instance_id)
        stream = order(hass, text)
        assert (await anext(stream)).startswith(b"RIFF")
        daemon.process.kill()
        with pytest.raises(HomeAssistantError) as raised:
            await heard(stream)
        assert raised.value.translation_key == "cannot_connect"
        with pytest.raises(HomeAssistantError) as raised:
            await heard(order(hass, text))
        assert raised.value.translation_key == "cannot_connect"

    with running(tmp_path, port=daemon.url.port or 0, until="ready") as daemon:
        whole = connect(daemon).speak(said(text), SpeechOrder(language="en", response_format="wav"))
        assert await heard(order(hass, text)) == await heard(whole)
    await all_but_the_listening(hass)


async def test_an_absence_and_a_return_are_seen_at_once(
    hass: HomeAssistant, tmp_path: Path, connect: Connect
) -> None:
    with running(tmp_path) as daemon:
        await set_up(hass, daemon, (await connect(daemon).info()).instance_id)
        (entity_id,) = hass.states.async_entity_ids("tts")
        daemon.process.kill()
        await until(lambda: hass.states.is_state(entity_id, STATE_UNAVAILABLE))
    with running(tmp_path, port=daemon.url.port or 0, until="ready"):
        await until(lambda: hass.states.is_state(entity_id, STATE_UNKNOWN))


async def test_a_typed_address_finds_the_same_daemon(
    hass: HomeAssistant, daemon: Daemon, connect: Connect
) -> None:
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {CONF_HOST: str(daemon.url), CONF_PORT: 8818}
    )
    assert flow["step_id"] == "pair"
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {CONF_CREDENTIAL: "not-a-token"}
    )
    assert flow["errors"] == {CONF_CREDENTIAL: "invalid_token"}
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {CONF_CREDENTIAL: daemon.token}
    )
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == (await connect(daemon).info()).instance_id
