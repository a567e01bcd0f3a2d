"""What is known of a daemon follows it: at its events, when it falls silent, when it is back."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
import logging
from unittest.mock import MagicMock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TextToSpeechEntity
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_fire_time_changed_exact,
)

from custom_components.indextts.client import (
    Event,
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Language,
    Languages,
    Readiness,
    Status,
    Voice,
)
from custom_components.indextts.const import CONF_VOICE, DOMAIN
from custom_components.indextts.errors import error_key
from tests.component.happenings import Happenings, settle
from tests.component.sample import INFO, LOADING, READY, STATUS, VOICES

ENTITY_ID = "tts.indextts"
LOST = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")
ERRORS = [
    LOST,
    IndexTTSNotADaemonError("no", address="http://192.168.1.20:8818"),
    IndexTTSOtherInstanceError("no", address="http://192.168.1.20:8818", other="attic"),
    IndexTTSTooOldError("no", api="0", supported="1"),
    IndexTTSTooNewError("no", api="2", supported="1"),
    IndexTTSAuthError("no"),
    IndexTTSRequestError("loading", "Not yet.", 3),
    IndexTTSRequestError("a_code_of_the_future", "No."),
    IndexTTSFailureError("internal", "It broke."),
]
LOOKS = ["info", "readiness", "status", "languages", "voices", "moods", "models"]

pytestmark = pytest.mark.usefixtures("push")

every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)


@dataclass(frozen=True, kw_only=True)
class House:
    """A Home Assistant that follows a daemon, with a clock that only a test moves."""

    hass: HomeAssistant
    entry: MockConfigEntry
    client: MagicMock
    daemon: Happenings
    freezer: FrozenDateTimeFactory

    @property
    def state(self) -> str:
        found = self.hass.states.get(ENTITY_ID)
        assert found is not None
        return found.state

    @property
    def speaker(self) -> TextToSpeechEntity:
        entity = self.hass.data[DATA_COMPONENT].get_entity(ENTITY_ID)
        assert isinstance(entity, TextToSpeechEntity)
        return entity

    async def happen(self, *happenings: str | Event | IndexTTSError) -> None:
        self.daemon.happen(*happenings)
        await settle(self.hass)

    async def later(self, seconds: float) -> None:
        await self.advance(seconds)
        await settle(self.hass)

    async def advance(self, seconds: float) -> None:
        """Let time pass, also while a look waits for its answer."""
        self.freezer.tick(seconds)
        async_fire_time_changed(self.hass)
        await turns()


@pytest.fixture
async def house(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> House:
    """Follow a daemon that has been ready for a while."""
    daemon = Happenings()
    client.events.side_effect = daemon.listen
    house = House(hass=hass, entry=entry, client=client, daemon=daemon, freezer=freezer)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await house.happen("state")
    await house.later(5)
    assert daemon.listeners == 1
    client.info.reset_mock()
    return house


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what a household can read of us in the log so far."""
    caplog.set_level(logging.INFO)

    def lines() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("custom_components.indextts")
        ]

    return lines


async def test_an_event_brings_new_voices_languages_and_sound_without_a_reload(
    house: House,
) -> None:
    coordinator, entity = house.entry.runtime_data, house.speaker
    sound = dict(entity.default_options or {})
    house.client.voices.return_value = (Voice(id="fi-1", name="Aino", languages=("fi",)),)
    house.client.languages.return_value = Languages(
        default="fi", languages=(Language(code="fi", name="Finnish", voices=("fi-1",)),)
    )
    house.client.info.return_value = replace(INFO, revision="ffffffffffffffff", version="0.2.0")
    await house.happen("a_name_of_the_future")
    assert entity.supported_languages == ["fi"]
    assert entity.default_language == "fi"
    assert entity.async_get_supported_voices("fi") == [tts.Voice("fi-1", "Aino")]
    assert entity.default_options != sound
    assert house.entry.runtime_data is coordinator
    assert house.entry.state is ConfigEntryState.LOADED


async def test_an_event_after_a_quiet_time_is_followed_at_once(house: House) -> None:
    house.client.voices.return_value = VOICES[:1]
    house.client.readiness.return_value = LOADING
    await house.happen("state")
    assert house.state == STATE_UNAVAILABLE
    assert house.entry.runtime_data.data.voices == VOICES

    await house.later(2)
    house.client.readiness.return_value = READY
    await house.happen("model")
    assert house.state == STATE_UNKNOWN
    assert house.entry.runtime_data.data.voices == VOICES[:1]


async def test_what_changes_in_a_pause_in_which_nobody_speaks_is_seen(house: House) -> None:
    house.client.voices.return_value = VOICES[:1]
    house.client.moods.return_value = ("grumpy",)
    house.client.readiness.return_value = Readiness(ready=False, state="paused")
    await house.happen("paused")
    assert house.entry.runtime_data.data.voices == VOICES[:1]
    assert house.entry.runtime_data.data.moods == ("grumpy",)


async def test_a_burst_of_events_is_followed_by_two_looks(house: House) -> None:
    house.daemon.happen(*["queue"] * 50)
    for _ in range(20):
        await settle(house.hass)
    assert house.client.info.call_count == 1
    await house.later(2)
    assert house.client.info.call_count == 2
    await house.later(5)
    assert house.client.info.call_count == 2


async def test_what_changed_is_known_two_seconds_after_the_last_of_many_events(
    house: House,
) -> None:
    async def moment() -> None:
        house.freezer.tick(0.1)
        async_fire_time_changed_exact(house.hass)  # the other one is early by half a second
        await settle(house.hass)

    for _ in range(30):
        await house.happen("queue")
        await moment()
    assert house.client.info.call_count <= 8
    house.client.voices.return_value = VOICES[:1]
    await house.happen("voice")
    for _ in range(19):
        await moment()
    assert house.entry.runtime_data.data.voices == VOICES[:1]


async def test_what_happens_during_a_long_look_is_followed_by_another_one(house: House) -> None:
    answer = asyncio.Event()

    async def slow() -> tuple[str, ...]:  # the last thing that is asked for
        await answer.wait()
        return ()

    house.client.moods.side_effect = slow
    house.daemon.happen("state", "model")  # too soon after the first: another look is due
    await turns()
    answer.set()
    await settle(house.hass)
    answer.clear()
    await house.advance(1)
    house.client.voices.return_value = VOICES[:1]
    house.daemon.happen("voice")
    await turns()
    await house.advance(5)
    assert house.entry.runtime_data.data.voices == VOICES

    answer.set()
    await settle(house.hass)
    await house.later(1)
    assert house.entry.runtime_data.data.voices == VOICES[:1]


async def test_how_far_a_change_has_come_is_no_reason_to_look(house: House) -> None:
    half = {"id": "ff", "result": "running", "progress": "Half of it."}
    house.daemon.happen(*[Event(name="operation", data=half)] * 50)
    for _ in range(5):
        await house.later(1)
    house.client.info.assert_not_called()
    await house.happen(Event(name="operation", data={**half, "result": "applied"}))
    house.client.info.assert_called_once()


async def test_a_lost_daemon_is_unavailable_before_any_time_passes(house: House) -> None:
    house.client.info.side_effect = LOST
    await house.happen(LOST)
    assert house.state == STATE_UNAVAILABLE
    assert house.entry.runtime_data.data.voices == VOICES


async def test_a_lost_stream_of_a_daemon_that_answers_is_opened_again(house: House) -> None:
    await house.happen(LOST)
    assert (house.state, house.daemon.listeners) == (STATE_UNKNOWN, 0)
    await house.later(2)
    assert (house.state, house.daemon.listeners) == (STATE_UNKNOWN, 1)


async def test_a_daemon_that_is_away_is_looked_for_every_few_seconds(house: House) -> None:
    house.client.info.side_effect = LOST
    await house.happen(LOST)
    house.client.info.reset_mock()
    looked = []
    for second in range(1, 121):
        before = house.client.info.call_count
        await house.later(1)
        if house.client.info.call_count > before:
            looked.append(second)
    assert max(after - before for before, after in zip([0, *looked], looked, strict=False)) <= 11
    assert looked[0] <= 2
    assert house.client.info.call_count <= 20

    house.client.info.side_effect = None
    house.daemon.happen("state")
    await house.later(11)
    assert (house.state, house.daemon.listeners) == (STATE_UNKNOWN, 1)
    await house.happen(LOST)
    await house.later(2)
    assert house.daemon.listeners == 1


async def test_a_daemon_that_comes_back_without_our_token_is_paired_again_at_once(
    house: House,
) -> None:
    house.client.info.side_effect = LOST
    await house.happen(LOST)
    await house.later(1)
    house.client.info.side_effect = None
    house.client.status.side_effect = IndexTTSAuthError("no")
    house.daemon.happen(IndexTTSAuthError("no"))
    await house.later(11)
    (flow,) = house.entry.async_get_active_flows(house.hass, {SOURCE_REAUTH})
    assert flow["step_id"] == "reauth_confirm"


async def test_a_day_away_is_one_line_in_the_log_and_the_return_another(
    house: House, lines: Callable[[], list[str]]
) -> None:
    house.client.info.side_effect = LOST
    await house.happen(LOST)
    house.client.info.reset_mock()
    for _ in range(24 * 60):
        await house.later(60)
    assert house.client.info.call_count > 24 * 60
    (line,) = lines()
    assert line == (
        "Error fetching nas data: The IndexTTS daemon at http://192.168.1.20:8818 does not answer"
    )

    house.client.info.side_effect = None
    house.daemon.happen("state")
    await house.later(60)
    assert house.state == STATE_UNKNOWN
    assert lines() == [line, "Fetching nas data recovered"]


@pytest.mark.parametrize("look", LOOKS)
@every_error
async def test_any_failure_of_any_look_is_an_absence_with_one_reason(
    house: House, lines: Callable[[], list[str]], look: str, error: IndexTTSError
) -> None:
    asked = getattr(house.client, look)
    asked.side_effect = error
    house.daemon.happen(LOST)
    for _ in range(12):
        await house.later(11)
    assert house.state == STATE_UNAVAILABLE
    failure = house.entry.runtime_data.last_exception
    assert isinstance(failure, HomeAssistantError)
    assert failure.translation_key == error_key(error)
    (line,) = lines()
    assert line.endswith(f"fetching nas data: {failure}")
    assert str(failure) not in {"", failure.translation_key}

    asked.side_effect = None
    house.daemon.happen("state")
    await house.later(11)
    await house.later(11)
    assert house.state == STATE_UNKNOWN
    assert lines() == [line, "Fetching nas data recovered"]


@every_error
async def test_a_daemon_whose_events_fail_is_polled_without_a_word(
    house: House, lines: Callable[[], list[str]], error: IndexTTSError
) -> None:
    house.daemon.happen(*[error] * 1000)
    house.client.voices.return_value = VOICES[:1]
    for _ in range(12):
        await house.later(11)
    assert house.state == STATE_UNKNOWN
    assert house.entry.runtime_data.data.voices == VOICES[:1]
    assert lines() == []


async def test_a_daemon_whose_events_are_refused_is_looked_at_no_more_often(house: House) -> None:
    async def refused() -> AsyncGenerator[Event]:
        for error in (IndexTTSFailureError("no_stream", "Not here."),):
            raise error
        yield Event(name="never")

    house.client.events.side_effect = refused
    await house.happen(LOST)
    house.client.voices.reset_mock()
    for _ in range(120):
        await house.later(1)
    assert 3 <= house.client.voices.call_count <= 4


@every_error
async def test_any_failure_of_speech_is_said_in_words(
    house: House, lines: Callable[[], list[str]], error: IndexTTSError
) -> None:
    house.client.speak.side_effect = error
    with pytest.raises(HomeAssistantError) as raised:
        await house.speaker.async_get_tts_audio("Dinner!", "en", {})
    assert raised.value.translation_key == error_key(error)
    assert str(raised.value) not in {"", error_key(error)}
    assert lines() == []


@pytest.mark.parametrize("look", LOOKS)
@every_error
async def test_any_failure_of_any_look_at_setup_is_a_reason_in_words(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock, look: str, error: IndexTTSError
) -> None:
    getattr(client, look).side_effect = error
    await hass.config_entries.async_setup(entry.entry_id)
    await settle(hass)
    unpaired = isinstance(error, IndexTTSAuthError)
    assert entry.state is (
        ConfigEntryState.SETUP_ERROR if unpaired else ConfigEntryState.SETUP_RETRY
    )
    assert entry.error_reason_translation_key == error_key(error)
    assert entry.reason not in {None, "", error_key(error)}
    client.events.assert_not_called()
    flows = hass.config_entries.flow.async_progress()
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH] * unpaired


async def test_an_entry_that_goes_away_listens_no_longer(house: House) -> None:
    house.daemon.happen("queue", "queue", "queue")  # a look is under way, another one is due
    assert await house.hass.config_entries.async_unload(house.entry.entry_id)
    await settle(house.hass)
    assert house.daemon.listeners == 0
    house.client.info.reset_mock()
    for _ in range(10):
        await house.later(11)
    house.client.info.assert_not_called()


@pytest.mark.parametrize("outcome", [None, *ERRORS[3:6]], ids=lambda error: error and error.code)
@pytest.mark.parametrize("removed", [False, True])
async def test_a_look_that_outlasts_its_entry_says_nothing_of_it(
    house: House,
    lines: Callable[[], list[str]],
    outcome: IndexTTSError | None,
    *,
    removed: bool,
) -> None:
    hass, entries = house.hass, house.hass.config_entries
    entries.async_update_entry(house.entry, options={CONF_VOICE: "heart"})
    answer = asyncio.Event()

    async def slow() -> Status:
        await answer.wait()
        if outcome is not None:
            raise outcome
        return STATUS

    await house.happen("state")
    house.client.status.side_effect = slow
    house.client.voices.return_value = VOICES[1:]  # the default voice is gone
    house.client.status.reset_mock()
    house.daemon.happen("voice")  # too soon after the other: Home Assistant itself looks later
    await turns()
    await house.advance(2)
    house.client.status.assert_called_once()

    if removed:
        await entries.async_remove(house.entry.entry_id)
    else:
        await entries.async_set_disabled_by(house.entry.entry_id, ConfigEntryDisabler.USER)
    answer.set()
    await settle(hass)
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert not entries.flow.async_progress()
    assert lines() == []


async def turns() -> None:
    """Let everything happen that needs no time, but for a look that waits for its answer."""
    for _ in range(10):
        await asyncio.sleep(0)
