"""A Home Assistant that knows the integration, and a client that only pretends to have a daemon."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import AsyncExitStack
from unittest.mock import MagicMock, patch

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion
from yarl import URL

import custom_components.indextts  # noqa: F401 - or Home Assistant's loader looks elsewhere
from custom_components.indextts.client import Event, IndexTTSClient, Reload
from custom_components.indextts.const import DOMAIN
from custom_components.indextts.coordinator import IndexTTSCoordinator
from tests.component.sample import (
    HOST,
    INFO,
    INSTANCE_ID,
    LANGUAGES,
    MODELS,
    MOODS,
    OPERATION,
    PAIRING,
    PORT,
    READY,
    STATUS,
    TOKEN,
    VOICES,
)
from tests.component.serving import Connect, Handler


def pytest_itemcollected(item: pytest.Item) -> None:
    """Overlook what Home Assistant does to itself; a warning about our code stays an error."""
    item.add_marker(
        pytest.mark.filterwarnings(r"ignore:It is recommended to use web::homeassistant\.")
    )


@pytest.fixture(autouse=True)
def custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load what lies in custom_components."""


@pytest.fixture
def push() -> None:
    """Let the coordinator of a test listen to its daemon's events."""


@pytest.fixture(autouse=True)
def no_push(request: pytest.FixtureRequest) -> Generator[None]:
    """Spare the other tests a background task that never ends, so that they can wait for all."""
    if "push" in request.fixturenames:
        yield
        return
    with patch.object(IndexTTSCoordinator, "async_listen"):
        yield


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep the cache of spoken audio out of the installed packages."""
    return hass_tmp_config_dir


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write snapshots as Home Assistant does, without what differs from run to run."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
async def connect(socket_enabled: None) -> AsyncGenerator[Connect]:
    """Return a function that gives every request to a handler, and a real client of it."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as servers:

        async def connect(handler: Handler) -> IndexTTSClient:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            server = await servers.enter_async_context(TestServer(app))
            return IndexTTSClient(session, "127.0.0.1", server.port or 0, "secret")

        yield connect


@pytest.fixture
def client_class() -> Generator[MagicMock]:
    """Replace the client by healthy answers, and a chunk of speech for every text."""
    with (
        patch("custom_components.indextts.IndexTTSClient", autospec=True) as client_class,
        patch("custom_components.indextts.config_flow.IndexTTSClient", new=client_class),
    ):
        client = client_class.return_value
        client.url = URL.build(scheme="http", host=HOST, port=PORT)
        client.info.return_value = INFO
        client.readiness.return_value = READY
        client.languages.return_value = LANGUAGES
        client.voices.return_value = VOICES
        client.moods.return_value = MOODS
        client.models.return_value = MODELS
        client.operations.return_value = (OPERATION,)
        client.reload.return_value = Reload(result="applied")
        for change in (client.activate_model, client.rollback_model, client.prewarm):
            change.return_value = OPERATION
        client.pair.return_value = PAIRING
        client.status.return_value = STATUS
        client.speak.side_effect = lambda texts, order: spoken(texts)
        client.events.side_effect = silence
        yield client_class


@pytest.fixture
def client(client_class: MagicMock) -> MagicMock:
    """Return the one client that its class makes."""
    made: MagicMock = client_class.return_value
    return made


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    """Add a daemon that was set up, not loaded yet."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="nas",
        unique_id=INSTANCE_ID,
        entry_id="01J00000000000000000000000",
        data={CONF_HOST: HOST, CONF_PORT: PORT, CONF_TOKEN: TOKEN},
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def loaded(hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock) -> MockConfigEntry:
    """Load a daemon that was set up and answers."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def spoken(texts: AsyncIterable[str]) -> AsyncGenerator[bytes]:
    """Pretend that every text is heard as its own bytes."""
    yield b"ID3-"
    async for text in texts:
        yield text.encode()


async def silence() -> AsyncGenerator[Event]:
    """Pretend that nothing happens at the daemon, ever."""
    await asyncio.Event().wait()
    yield Event(name="never")
