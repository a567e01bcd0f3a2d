"""One Home Assistant, two daemons and one browser for this world; every test pairs anew."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
import os
import secrets
from shutil import which

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright
import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess, lan_address, running_daemon
from tests.e2e.hass_process import NEWEST, running_hass
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import DOMAIN, Paired, found, pair
from tests.e2e.screens import Look, Screens

# As root in a closed network.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """A browser with a window for each look; a window keeps what it has loaded."""

    browser: Browser
    login: str
    opened: dict[Look, Page] = field(default_factory=dict)

    async def of(self, look: Look) -> Page:
        if look not in self.opened:
            page = await self.browser.new_page(**look.context)
            await page.add_init_script(self.login)
            self.opened[look] = page
        return self.opened[look]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HomeAssistant]:
    folder = tmp_path_factory.mktemp("hass")
    async with running_hass(NEWEST, folder, password=secrets.token_urlsafe()) as running:
        yield running
    LogExpectations().check(running.complaints())


@pytest.fixture
def log() -> LogExpectations:
    return LogExpectations()


@pytest_asyncio.fixture(loop_scope="session")
async def hass(house: HomeAssistant, log: LogExpectations) -> AsyncIterator[HomeAssistant]:
    """Lend a Home Assistant that knows no daemon yet, and read its log afterwards."""
    yield house
    for entry in await house.entries(DOMAIN):
        await house.remove(entry["entry_id"])
    await house.catch_up()
    log.check(house.complaints())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """Run a daemon with the embedded voices, announced on the machine's own network."""
    folder = tmp_path_factory.mktemp("hallway")
    name = f"Hallway {os.getpid()}"  # other runs in the same network announce theirs
    async with running_daemon(folder, name=name, host=lan_address(), engine="embedded") as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def workshop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """Run a daemon that nothing announces, and that fails when a text tells it to."""
    folder = tmp_path_factory.mktemp("workshop")
    async with running_daemon(folder, name="Workshop", host="127.0.0.1", engine="fake") as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def stranger() -> AsyncIterator[int]:
    """Run a web server that is no daemon, and return its port."""

    async def greet(request: web.Request) -> web.Response:
        return web.Response(text="Welcome to the printer.")

    app = web.Application()
    app.router.add_get("/{path:.*}", greet)
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port


@pytest_asyncio.fixture(loop_scope="session")
async def paired(hass: HomeAssistant, daemon: DaemonProcess) -> Paired:
    """Pair the announced daemon for the length of one test."""
    return await pair(hass, daemon, (await found(hass, daemon))["flow_id"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pages(house: HomeAssistant) -> AsyncIterator[Pages]:
    """Run a browser in which the owner is logged in."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=which("chromium"), args=CHROMIUM_FLAGS
        )
        try:
            yield Pages(browser=browser, login=house.login_script())
        finally:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def screens(hass: HomeAssistant, pages: Pages, look: Look) -> AsyncIterator[Screens]:
    """Lend a browser of the size, to a reader of the language, that a test asks for by `look`."""
    await hass.live_in(look.language)
    page = await pages.of(look)
    yield Screens(hass, page, look)
    await page.goto("about:blank")
    await hass.live_in("en")
