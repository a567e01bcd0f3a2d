"""What a person sees on the way to a daemon that speaks, with and without mistakes."""

from collections.abc import AsyncIterator
import os
from pathlib import Path

from playwright.async_api import expect
import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess, free_port, lan_address
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import found, pair_by_hand
from tests.e2e.screens import (
    CENTRAL,
    RARE,
    SERVICE,
    USUAL,
    Screens,
    shows_icon,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

DASHBOARD = "config/integrations/dashboard"


@pytest_asyncio.fixture(loop_scope="session")
async def open_house(hass: HomeAssistant, tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    """Run an announced daemon that admits everybody."""
    name = f"Open house {os.getpid()}"
    process = DaemonProcess(tmp_path, name=name, host=lan_address(), engine="fake")
    process.settle("server: {auth: false}")
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


@CENTRAL
async def test_a_click_on_the_card_of_a_found_daemon_and_a_code_are_all_that_pairing_takes(
    hass: HomeAssistant, daemon: DaemonProcess, screens: Screens
) -> None:
    await found(hass, daemon)
    await screens.open(DASHBOARD)
    card = screens.page.locator("ha-config-flow-card", has_text=daemon.name)
    await shows_icon(card)
    await screens.keep("discovered")

    await card.locator("ha-button[appearance=filled]").click()
    await screens.says("config.step.pair.title", "config.step.pair.description")
    await screens.says("config.step.pair.data_description")
    await screens.keep("pairing-code")

    field = screens.dialog.locator("input")
    await field.fill("000000" if (code := await daemon.pairing_code()) != "000000" else "111111")
    await screens.submit()
    await screens.says("config.error.pairing_code_invalid")
    await expect(field).not_to_have_value("")  # one digit may be put right
    await screens.keep("pairing-code-mistyped")

    await field.fill(code)
    await screens.submit()
    await shows_icon(screens.dialog.locator("step-flow-create-entry"))
    await screens.keep("paired")


@RARE
async def test_a_found_daemon_that_admits_everybody_asks_for_nothing(
    hass: HomeAssistant, open_house: DaemonProcess, screens: Screens
) -> None:
    await found(hass, open_house)
    await screens.open(DASHBOARD)
    card = screens.page.locator("ha-config-flow-card", has_text=open_house.name)
    await card.locator("ha-button[appearance=filled]").click()
    await screens.says("config.step.zeroconf_confirm")
    await screens.keep("found-confirm")

    await screens.submit()
    await shows_icon(screens.dialog.locator("step-flow-create-entry"))


@USUAL
async def test_an_address_where_nobody_answers_can_be_corrected(
    hass: HomeAssistant, daemon: DaemonProcess, workshop: DaemonProcess, screens: Screens
) -> None:
    await found(hass, daemon)  # so that another one has to be asked for
    await screens.open(SERVICE)
    await screens.page.locator("ha-config-integration-page ha-button").first.click()
    await screens.page.locator("ha-domain-integrations ha-list-item-button").last.click()
    await screens.says("config.step.user.title", "config.step.user.description")
    await screens.says("config.step.user.data_description")
    await screens.keep("by-address")

    host, port = screens.dialog.locator("input").first, screens.dialog.locator("input").last
    await host.fill(workshop.host)
    await port.fill(str(free_port(workshop.host)))
    await screens.submit()
    await screens.says("config.error.cannot_connect")
    await screens.keep("by-address-nobody")

    await port.fill(str(workshop.port))
    await screens.submit()
    await screens.says("config.step.pair.title")


@RARE
async def test_a_daemon_that_has_moved_is_told_so_by_a_person(
    hass: HomeAssistant, workshop: DaemonProcess, screens: Screens
) -> None:
    await pair_by_hand(hass, workshop)
    await screens.open(SERVICE)
    entry = screens.page.locator("ha-config-entry-row")
    await entry.locator("ha-icon-button[slot=trigger]").first.click()
    await entry.locator("ha-dropdown-item[value=reconfigure]").click()
    await screens.says("config.step.reconfigure.title", "config.step.reconfigure.description")
    await screens.keep("moved")

    await screens.submit()
    await screens.says("config.abort.reconfigure_successful")
    await screens.keep("moved-done")
