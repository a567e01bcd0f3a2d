"""The token goes to the daemon that it came from, whoever else lives at its address by now."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TextToSpeechEntity
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.indextts.const import DOMAIN
from tests.component.sample import (
    INFO,
    INSTANCE_ID,
    LANGUAGES,
    MODELS,
    MOODS,
    OPERATION,
    STATUS,
    TOKEN,
    VOICES,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")

BEARER = f"Bearer {TOKEN}"
ENTITY_ID = "tts.indextts"
TENANT = replace(INFO, instance_id="f" * 32, name="attic")


class Address:
    """A place in the network: a daemon lives there, and writes down who was shown what."""

    def __init__(self) -> None:
        self.tenant = INFO
        self.heard: list[tuple[str, str | None]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((request.path, request.headers.get("Authorization")))
        if request.path == "/v1/audio/speech/stream":
            return await speak_to(request)
        if request.path == "/v1/events":
            return await fall_silent(request)
        about = asdict(self.tenant) | {"product": "indextts-daemon", "api": 1}
        answers: dict[str, Any] = {
            "/v1/info": about | {"engine": {"id": self.tenant.engine}},
            "/readyz": {"state": "ready"},
            "/v1/languages": asdict(LANGUAGES),
            "/v1/voices": {"voices": [asdict(voice) for voice in VOICES]},
            "/v1/moods": {"moods": [{"id": mood} for mood in MOODS]},
            "/v1/models": {"data": [asdict(model) for model in MODELS]},
            "/v1/prewarm": {"operation": asdict(OPERATION)},
            "/v1/status": asdict(STATUS) | {"queue": asdict(STATUS), "recent": asdict(STATUS)},
        }
        return web.json_response(answers[request.path])


@pytest.fixture
def address() -> Address:
    return Address()


@pytest.fixture
async def entry(hass: HomeAssistant, address: Address) -> AsyncGenerator[MockConfigEntry]:
    """Add a daemon that was set up at the address, not loaded yet."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", address.answer)
    async with TestServer(app) as server:
        entry = MockConfigEntry(
            domain=DOMAIN,
            title="nas",
            unique_id=INSTANCE_ID,
            data={CONF_HOST: "127.0.0.1", CONF_PORT: server.port, CONF_TOKEN: TOKEN},
        )
        entry.add_to_hass(hass)
        yield entry


@pytest.fixture
async def loaded(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


async def speak_to(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    while (await socket.receive_json())["type"] != "input.done":
        pass
    await socket.send_bytes(b"RIFF")
    await socket.send_json({"type": "audio.done"})
    await socket.send_json({"type": "session.done"})
    await socket.close()
    return socket


async def fall_silent(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


async def speak(hass: HomeAssistant) -> bytes:
    entity = hass.data[DATA_COMPONENT].get_entity(ENTITY_ID)
    assert isinstance(entity, TextToSpeechEntity)
    _, audio = await entity.async_get_tts_audio("Dinner!", "en", {})
    assert audio is not None
    return audio


async def test_it_goes_out_only_where_it_is_asked_for(
    hass: HomeAssistant, loaded: MockConfigEntry, address: Address
) -> None:
    assert await speak(hass) == b"RIFF"
    assert address.heard == [
        ("/v1/info", None),
        ("/readyz", None),
        ("/v1/status", BEARER),
        ("/v1/models", BEARER),
        ("/v1/languages", BEARER),
        ("/v1/voices", BEARER),
        ("/v1/moods", BEARER),
        ("/v1/info", None),
        ("/v1/audio/speech/stream", BEARER),
    ]


async def test_another_daemon_is_not_shown_it_at_setup(
    hass: HomeAssistant, entry: MockConfigEntry, address: Address
) -> None:
    address.tenant = TENANT
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert address.heard == [("/v1/info", None)]


async def test_another_daemon_is_not_shown_it_later(
    hass: HomeAssistant, loaded: MockConfigEntry, address: Address, freezer: FrozenDateTimeFactory
) -> None:
    address.tenant = TENANT
    address.heard.clear()
    freezer.tick(31)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert not loaded.runtime_data.last_update_success
    assert address.heard == [("/v1/info", None)]


async def test_another_daemon_that_came_since_the_last_look_hears_neither_it_nor_the_text(
    hass: HomeAssistant, loaded: MockConfigEntry, address: Address
) -> None:
    address.tenant = TENANT
    address.heard.clear()
    with pytest.raises(HomeAssistantError, match="Another IndexTTS daemon, attic, answers"):
        await speak(hass)
    assert address.heard == [("/v1/info", None)]


async def test_another_daemon_that_came_since_the_last_look_is_not_told_what_to_do(
    hass: HomeAssistant, loaded: MockConfigEntry, address: Address
) -> None:
    press = {"entity_id": "button.nas_prewarm"}
    address.heard.clear()
    await hass.services.async_call("button", "press", press, blocking=True)
    assert address.heard[:2] == [("/v1/info", None), ("/v1/prewarm", BEARER)]

    address.tenant = TENANT
    address.heard.clear()
    with pytest.raises(HomeAssistantError, match="Another IndexTTS daemon, attic, answers"):
        await hass.services.async_call("button", "press", press, blocking=True)
    assert {*address.heard} == {("/v1/info", None)}
