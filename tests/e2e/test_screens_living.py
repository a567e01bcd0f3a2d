"""What a person sees of a daemon that speaks: its pages, its settings and where it is chosen."""

from playwright.async_api import expect
import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import Paired, pair_by_hand
from tests.e2e.screens import CENTRAL, RARE, SERVICE, USUAL, Screens, shows_icon

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOLS = "config/tools/action?service=indextts."


@pytest_asyncio.fixture(loop_scope="session")
async def busy(hass: HomeAssistant, screens: Screens, paired: Paired) -> Paired:
    """Have a daemon that has spoken and shows all its figures, in the reader's language."""
    for entity in await hass.command("config/entity_registry/list"):
        if entity["config_entry_id"] == paired.entry_id and entity["disabled_by"]:
            entity_id = entity["entity_id"]
            await hass.command(
                "config/entity_registry/update", entity_id=entity_id, disabled_by=None
            )
    await hass.speech(paired.entity_id, "The washing machine has finished.")
    await hass.reload(paired.entry_id)
    return paired


@CENTRAL
async def test_a_daemon_is_a_service_with_a_voice_and_figures(
    busy: Paired, screens: Screens
) -> None:
    await screens.open(SERVICE)
    await shows_icon(screens.page.locator("ha-config-integration-page"))
    await screens.keep("integration")

    await screens.open(f"config/devices/device/{busy.device_id}")
    device = screens.page.locator("ha-config-device-page")
    await shows_icon(device)
    figures = ("first_audio", "model", "queue", "real_time_factor", "state")
    await screens.says(*(f"entity.sensor.{figure}.name" for figure in figures))
    await screens.says("entity.sensor.state.state.ready", "entity.tts.speech")
    await screens.keep("service")


@RARE
async def test_the_speaker_tells_when_it_spoke(busy: Paired, screens: Screens) -> None:
    await screens.open(f"?more-info-entity-id={busy.entity_id}")
    await screens.says("entity.tts.speech")
    await screens.keep("speaker")


@CENTRAL
async def test_how_it_speaks_is_chosen_by_names_and_what_does_not_fit_is_said(
    paired: Paired, screens: Screens
) -> None:
    await open_settings(screens)
    await screens.says("options.step.init.title", "options.step.init.description")
    offered = ("language", "lead_in_ms", "speed", "voice")  # an embedded voice has no moods
    await screens.says(*(f"options.step.init.data_description.{field}" for field in offered))
    await screens.keep("settings")

    language, voice = (screens.dialog.locator("ha-selector").nth(place) for place in (0, 1))
    await language.locator("button").first.click()
    await language.locator("ha-list-item-option").first.click()  # in no language Spanish
    await voice.locator("button").first.click()
    await screens.keep("settings-voices")
    await voice.locator("ha-dropdown-item", has_text="Español").click()
    await screens.submit()
    await screens.says("options.error.unsupported_language")
    await screens.keep("settings-mismatch")


@CENTRAL
async def test_a_mood_is_chosen_by_its_name(
    hass: HomeAssistant, workshop: DaemonProcess, screens: Screens
) -> None:
    await pair_by_hand(hass, workshop)
    await open_settings(screens)
    await screens.says("options.step.init.data", "options.step.init.data_description")
    await screens.keep("settings-with-moods")

    mood = screens.dialog.locator("ha-selector").nth(2)
    await mood.scroll_into_view_if_needed()
    await mood.locator("button").first.click()
    await screens.says("selector.mood.options")
    await screens.keep("settings-moods")


async def open_settings(screens: Screens) -> None:
    """Press the gear beside the daemon."""
    await screens.open(SERVICE)
    await screens.page.locator("ha-config-entry-row ha-icon-button[slot=end]").first.click()


@USUAL
@pytest.mark.parametrize("action", ["render", pytest.param("stop", marks=pytest.mark.long)])
async def test_an_action_explains_itself(paired: Paired, screens: Screens, action: str) -> None:
    await screens.open(f"{TOOLS}{action}")
    await screens.says(f"services.{action}")
    await screens.keep(f"action-{action}")


@USUAL
async def test_the_media_browser_lets_a_person_try_the_voice(
    paired: Paired, screens: Screens
) -> None:
    await screens.open("media-browser/browser/app%2Cmedia-source%3A%2F%2Ftts")
    await screens.page.locator(".title", has_text="IndexTTS").click()
    await expect(screens.page.locator("ha-tts-voice-picker ha-select")).to_be_visible()
    await screens.keep("try-out")

    async with screens.page.expect_response("**/api/tts_proxy/**") as answer:
        await screens.page.locator("ha-browse-media-tts .card-actions ha-button").last.click()
    assert (await answer.value).ok
    await (await answer.value).finished()


@USUAL
async def test_an_assistant_gets_one_of_the_voices(paired: Paired, screens: Screens) -> None:
    await screens.open("config/voice-assistants/assistants")
    await screens.page.locator("assist-pref ha-button.add").click()
    speech = screens.page.locator("assist-pipeline-detail-tts")
    await speech.locator("ha-tts-picker button").first.click()
    await speech.locator("ha-tts-picker ha-dropdown-item", has_text="IndexTTS").click()
    await speech.locator("ha-tts-voice-picker button").first.click()
    await expect(speech.locator("ha-tts-voice-picker ha-dropdown-item").first).to_be_visible()
    await screens.keep("assistant-voice")


@RARE
async def test_the_system_information_tells_of_it(paired: Paired, screens: Screens) -> None:
    await screens.open("config/repairs?dialog=system-health")
    await screens.says("system_health.info")
    await screens.page.get_by_text("IndexTTS", exact=True).first.scroll_into_view_if_needed()
    await screens.keep("system-information")
