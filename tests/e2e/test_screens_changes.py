"""What a person sees of a daemon that changes while it is in use, and of what it did not take."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.changing import Home, put_version
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import pair_by_hand
from tests.e2e.screens import (
    ENGLISH,
    ENGLISH_PHONE,
    GERMAN,
    GERMAN_PHONE,
    Look,
    Screens,
    looks,
)
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICED_S = 20
REPAIRS = "config/repairs"
CHINESE, JAPANESE_PHONE = Look(language="zh-Hans"), Look(language="ja", phone=True)
HERE = looks(ENGLISH, CHINESE, long=(ENGLISH_PHONE, GERMAN, GERMAN_PHONE, JAPANESE_PHONE))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attic(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """Run a daemon with a good version of its model, and one that says nothing."""
    process = DaemonProcess(
        tmp_path_factory.mktemp("attic"), name="Attic", host="127.0.0.1", engine="fake"
    )
    put_version(process, "fake", "generation: 1")
    put_version(process, "fake.next", "{generation: 2, sound: silent}")
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def home(hass: HomeAssistant, attic: DaemonProcess, screens: Screens) -> AsyncIterator[Home]:
    """Pair that daemon, in the reader's language."""
    home = await Home.of(hass, attic, await pair_by_hand(hass, attic))
    yield home
    await home.tell("POST", "/v1/resume")


@pytest_asyncio.fixture(loop_scope="session")
async def refused(home: Home, attic: DaemonProcess) -> AsyncIterator[None]:
    """Give it a version that it does not take, and settings that it cannot read."""

    async def is_noticed() -> bool | None:
        return len(await home.repairs()) == 2 or None

    settings = attic.data / "settings.yaml"
    settings.write_text("queue:\n  capacity: many\n")
    await home.tell(
        "POST",
        "/v1/models/fake/activate",
        status=422,
        params={"wait": "true"},
        json={"version": "next"},
    )
    await eventually(is_noticed, what="both repairs", within_s=NOTICED_S)
    yield
    settings.unlink()


@HERE
async def test_a_model_a_voice_and_game_mode_are_at_hand(home: Home, screens: Screens) -> None:
    await screens.open(f"config/devices/device/{home.paired.device_id}")
    await screens.says(*(f"entity.button.{key}.name" for key in ("prewarm", "reload", "rollback")))
    await screens.says("entity.select.default_voice.name", "entity.select.model.name")
    await screens.says("entity.switch.game_mode.name", "entity.sensor.state.state.ready")
    await screens.keep("controls")

    await home.act("switch.turn_on", "switch.game_mode")
    await screens.says("entity.sensor.state.state.paused")
    await screens.keep("controls-in-game-mode")


@HERE
async def test_what_the_daemon_did_not_take_is_a_repair_that_says_what_to_do(
    refused: None, home: Home, screens: Screens
) -> None:
    await screens.open(REPAIRS)
    await screens.says("issues.canary_failed.title", "issues.settings_rejected.title")
    await screens.keep("repairs-of-changes")

    await screens.open_repair("issues.settings_rejected.title")
    await screens.says("issues.settings_rejected.description")
    await screens.keep("repair-settings")
    await screens.page.keyboard.press("Escape")

    await screens.open_repair("issues.canary_failed.title")
    await screens.says("issues.canary_failed.fix_flow.step.init")
    await screens.keep("repair-model")

    again = screens.dialog.locator("ha-list-item-button, ha-md-list-item, ha-list-item")
    await again.first.click()
    await screens.says("issues.canary_failed.fix_flow.abort.failed")
    await screens.keep("repair-model-failed-again")
