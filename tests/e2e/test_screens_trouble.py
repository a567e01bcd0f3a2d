"""What a person sees when something is wrong, and that it says how to put it right."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect
import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.pairing import Paired, pair_by_hand
from tests.e2e.screens import SERVICE, USUAL, Screens
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICED_S = 60
REPAIRS = "config/repairs"


@pytest_asyncio.fixture(loop_scope="session")
async def speaking(hass: HomeAssistant, screens: Screens, workshop: DaemonProcess) -> Paired:
    """Pair a daemon that is about to be spoiled."""
    return await pair_by_hand(hass, workshop)


@pytest_asyncio.fixture(loop_scope="session")
async def forgetful(
    hass: HomeAssistant, speaking: Paired, workshop: DaemonProcess, log: LogExpectations
) -> None:
    """Have the daemon forget Home Assistant."""

    async def is_noticed() -> bool | None:
        flows = await hass.command("config_entries/flow/progress")
        return any(flow["context"]["source"] == "reauth" for flow in flows) or None

    log.expect("no longer knows Home Assistant's token")
    async with hass.without(speaking.entry_id):
        await workshop.stop()
        workshop.forget()
        await workshop.start()
    await eventually(is_noticed, what="the lost token", within_s=NOTICED_S)


@pytest_asyncio.fixture(loop_scope="session")
async def bereft(
    hass: HomeAssistant, speaking: Paired, workshop: DaemonProcess
) -> AsyncIterator[None]:
    """Take away the voice that was chosen to speak."""
    await hass.choose(speaking.entry_id, voice="fake-02")
    async with hass.without(speaking.entry_id):
        await refurnish(workshop, "fake: {voices: {attic: 1}}")
    await issue(hass, "default_voice_missing")
    yield
    async with hass.without(speaking.entry_id):
        await refurnish(workshop, "")


@pytest_asyncio.fixture(loop_scope="session")
async def aged(
    hass: HomeAssistant, speaking: Paired, workshop: DaemonProcess
) -> AsyncIterator[None]:
    """Put in the daemon's place one of before the first."""
    async with aiohttp.ClientSession(workshop.url) as session, session.get("/v1/info") as response:
        info = await response.json() | {"api": 0}

    async def introduce(request: web.Request) -> web.Response:
        return web.json_response(info)

    app = web.Application()
    app.router.add_get("/v1/info", introduce)
    async with AsyncExitStack() as stack:
        async with hass.without(speaking.entry_id):
            await workshop.stop()
            stack.push_async_callback(workshop.start)
            await stack.enter_async_context(TestServer(app, host=workshop.host, port=workshop.port))
        await issue(hass, "daemon_too_old")
        yield


@USUAL
async def test_a_daemon_that_forgot_home_assistant_is_paired_again(
    forgetful: None, workshop: DaemonProcess, screens: Screens
) -> None:
    await screens.open("config/integrations/dashboard")
    card = screens.page.locator("ha-config-flow-card:has(.attention)")
    await screens.keep("forgotten")

    await card.locator("ha-button[appearance=filled]").click()
    await screens.says("config.step.reauth_confirm.title", "config.step.reauth_confirm.description")
    await screens.keep("pair-again")

    await screens.dialog.locator("input").fill(await workshop.pairing_code())
    await screens.submit()
    await screens.says("config.abort.reauth_successful")
    await screens.keep("paired-again")


@USUAL
async def test_a_voice_that_is_gone_is_a_repair_that_says_what_to_do(
    bereft: None, screens: Screens
) -> None:
    await screens.open(REPAIRS)
    await screens.says("issues.default_voice_missing.title")
    await screens.keep("repairs")

    await screens.page.locator("ha-config-repairs ha-list-item-button").first.click()
    await screens.says("issues.default_voice_missing.description")
    await screens.keep("repair-voice-gone")

    await screens.page.locator("ha-markdown").get_by_text("IndexTTS", exact=True).click()
    await expect(screens.page.locator("ha-config-entry-row")).to_be_visible()


@USUAL
async def test_a_daemon_that_is_too_old_is_a_repair_that_says_what_to_do(
    aged: None, screens: Screens
) -> None:
    await screens.open(REPAIRS)
    await screens.page.locator("ha-config-repairs ha-list-item-button").first.click()
    await screens.says("issues.daemon_too_old.description")
    await screens.keep("repair-too-old")

    await screens.open(SERVICE)
    await screens.keep("integration-too-old")


async def refurnish(daemon: DaemonProcess, settings: str) -> None:
    await daemon.stop()
    daemon.settle(settings)
    await daemon.start()


async def issue(hass: HomeAssistant, key: str) -> None:
    """Wait for a repair."""

    async def is_raised() -> bool | None:
        issues = (await hass.command("repairs/list_issues"))["issues"]
        return any(one["translation_key"] == key for one in issues) or None

    await eventually(is_raised, what=key, within_s=NOTICED_S)
