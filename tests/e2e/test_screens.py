"""What a person sees on the way from the card of a found daemon to its first words.

The pictures are kept under artifacts/screenshots, for eyes; the tests read what stands in them.
"""

from pathlib import Path

from playwright.async_api import Locator, Page, expect
import pytest

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import Paired, found

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"


async def test_a_click_on_the_card_of_a_found_daemon_and_a_code_are_all_that_pairing_takes(
    hass: HomeAssistant, daemon: DaemonProcess, page: Page
) -> None:
    await found(hass, daemon)
    await page.goto(f"{hass.url}/config/integrations/dashboard")
    card = page.locator("ha-config-flow-card", has_text=daemon.name)
    await shows_icon(card)
    await keep(page, "discovered")

    await card.get_by_text("Add").click()
    dialog = page.locator("dialog-data-entry-flow")
    field = dialog.locator("input")
    await expect(field).to_be_visible()
    await expect(dialog).to_contain_text("indextts-daemon pair")
    await keep(page, "pairing-code")

    await field.fill("000000" if (code := await daemon.pairing_code()) != "000000" else "111111")
    await dialog.get_by_text("Submit").click()
    await expect(dialog).to_contain_text("This is not the pairing code")
    await keep(page, "pairing-code-mistyped")

    await field.fill(code)
    await dialog.get_by_text("Submit").click()
    await expect(dialog).to_contain_text("finish", ignore_case=True)
    await shows_icon(dialog)
    await keep(page, "paired")


async def test_a_paired_daemon_is_a_service_with_a_voice(
    hass: HomeAssistant, daemon: DaemonProcess, paired: Paired, page: Page
) -> None:
    await page.goto(f"{hass.url}/config/devices/device/{paired.device_id}")
    device = page.locator("ha-config-device-page")
    for words in ("Service info", daemon.name, "by IndexTTS", "Version "):
        await expect(device).to_contain_text(words)
    await shows_icon(device)
    await keep(page, "service")


async def test_the_media_browser_lets_a_person_try_the_voice(
    hass: HomeAssistant, paired: Paired, page: Page
) -> None:
    await page.goto(f"{hass.url}/media-browser/browser/app%2Cmedia-source%3A%2F%2Ftts")
    await page.locator(".title", has_text="IndexTTS").click()
    await expect(page.get_by_text("Selected voice ID")).to_be_visible()
    await keep(page, "try-out")

    async with page.expect_response("**/api/tts_proxy/**") as answer:
        await page.get_by_text("Say", exact=True).click()

    assert (await answer.value).ok


async def keep(page: Page, name: str) -> None:
    """Keep a picture, once no text in it is a key that has no translation."""
    shown = await page.locator("body").inner_text()
    assert "component.indextts" not in shown
    await page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")


async def shows_icon(place: Locator) -> None:
    icon = place.locator("img[src*='/brands/'][src*='indextts']").first
    assert await icon.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
