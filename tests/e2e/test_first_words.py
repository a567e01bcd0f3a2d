"""From the card of a found daemon to its first words, by a person who never hesitates."""

from collections.abc import Callable
import time

from playwright.async_api import Locator, Page, expect
import pytest

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import found
from tests.e2e.screens import ENGLISH, Screens, looks

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAYING = """
window.Audio = class extends Audio {
  constructor(...source) {
    super(...source);
    this.addEventListener("playing", () => (window.heardAt = Date.now() / 1000));
  }
};
"""


class Hand:
    """Does one thing after another, and counts."""

    def __init__(self, page: Page) -> None:
        self._keyboard = page.keyboard
        self.steps: list[str] = []

    async def click(self, place: Locator) -> None:
        await place.click()
        self.steps.append("click")

    async def type(self, text: str) -> None:
        """Type where the cursor is, and press Enter."""
        await self._keyboard.type(text)
        await self._keyboard.press("Enter")
        self.steps.append("type")


@looks(ENGLISH)
async def test_six_clicks_and_one_code_after_the_card_was_found_the_daemon_speaks(
    hass: HomeAssistant,
    daemon: DaemonProcess,
    screens: Screens,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    page, hand = screens.page, Hand(screens.page)
    await found(hass, daemon)
    await page.add_init_script(PLAYING)
    await screens.open("config/integrations/dashboard")
    code = await daemon.pairing_code()
    card = page.locator("ha-config-flow-card", has_text=daemon.name)
    add = card.locator("ha-button[appearance=filled]")
    await add.wait_for()

    begun = time.time()
    await hand.click(add)
    await expect(screens.dialog.locator("input")).to_be_focused()
    await hand.type(code)
    await screens.dialog.locator("step-flow-create-entry").wait_for()
    paired_s = time.time() - begun
    await hand.click(screens.dialog.locator("ha-button[slot=primaryAction]"))
    await hand.click(page.locator("ha-sidebar").get_by_text("Media"))
    for source in ("Text-to-speech", "IndexTTS"):
        await hand.click(page.locator(".title", has_text=source))
    async with page.expect_response("**/api/tts_proxy/**") as sound:
        await hand.click(page.locator("ha-browse-media-tts .card-actions ha-button").last)
    heard_at = await (await page.wait_for_function("window.heardAt")).json_value()

    await (await sound.value).finished()

    assert hand.steps == ["click", "type", *["click"] * 5]
    record_testsuite_property("seconds from the card to paired", round(paired_s, 1))
    record_testsuite_property("seconds from the card to the first word", round(heard_at - begun, 1))
    record_testsuite_property("clicks from the card to the first word", hand.steps.count("click"))
