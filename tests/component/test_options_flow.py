"""What a household may choose for a daemon, and what it is offered when things have changed."""

from dataclasses import replace
import json
from typing import Any
from unittest.mock import MagicMock

from homeassistant.config_entries import (
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.indextts.client import (
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Voice,
)
from custom_components.indextts.const import (
    CONF_LANGUAGE,
    CONF_LEAD_IN,
    CONF_MOOD,
    CONF_SPEED,
    CONF_VOICE,
)
from tests.component.dialogs import TEXTS, is_abort, is_form, shown_fields, suggestions, words
from tests.component.sample import LANGUAGES, LOADING, VOICES

NO_ANSWER = IndexTTSConnectionError("no answer", address="http://nas.local:8818")
ALL = {
    CONF_LANGUAGE: "en-GB",
    CONF_VOICE: "heart",
    CONF_MOOD: "cheerful",
    CONF_SPEED: 1.25,
    CONF_LEAD_IN: 500,
}

NEUTRAL = {CONF_LANGUAGE: LANGUAGES.default, CONF_SPEED: 1, CONF_LEAD_IN: 0}


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    words(flow, "options")
    return flow


async def send(
    hass: HomeAssistant, flow: ConfigFlowResult, data: dict[str, Any]
) -> ConfigFlowResult:
    result = await hass.config_entries.options.async_configure(flow["flow_id"], data)
    await hass.async_block_till_done()
    words(result, "options")
    return result


async def choose(hass: HomeAssistant, entry: MockConfigEntry, data: dict[str, Any]) -> None:
    """Save the form, which must be taken."""
    result = await send(hass, await start(hass, entry), data)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.state is ConfigEntryState.LOADED


def field(flow: ConfigFlowResult, name: str) -> dict[str, Any]:
    return next(field for field in shown_fields(flow) if field["name"] == name)


def languages(flow: ConfigFlowResult) -> list[str]:
    return list(field(flow, CONF_LANGUAGE)["selector"]["language"]["languages"])


def choices(flow: ConfigFlowResult, name: str) -> dict[str, str]:
    options = field(flow, name)["selector"]["select"]["options"]
    return {option["value"]: option["label"] for option in options}


async def test_nothing_has_to_be_chosen(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    flow = await start(hass, loaded)
    assert is_form(flow, "init")
    assert not any(field["required"] for field in shown_fields(flow))
    assert suggestions(flow) == NEUTRAL
    assert "How nas speaks" in words(flow, "options")
    await choose(hass, loaded, {})
    assert loaded.options == {}


async def test_what_changes_nothing_is_not_kept(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, ALL)
    await choose(hass, loaded, NEUTRAL)
    assert loaded.options == {}


async def test_languages_are_offered_and_voices_with_what_they_speak(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    flow = await start(hass, loaded)
    assert languages(flow) == ["en", "en-GB", "de"]
    assert choices(flow, CONF_VOICE) == {
        "heart": "Heart · en, en-GB (heart)",
        "pico-en-gb": "Pico · en-GB (pico-en-gb)",
        "pico-de": "Pico deutsch · de (pico-de)",
    }


async def test_what_is_chosen_is_kept_and_taken_up_at_once(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    client_class.reset_mock()
    await choose(hass, loaded, {**ALL, CONF_LEAD_IN: 500.0})
    assert loaded.options == ALL
    assert isinstance(loaded.options[CONF_LEAD_IN], int)
    client_class.assert_called_once()  # for the reload
    assert suggestions(await start(hass, loaded)) == ALL


async def test_saving_what_was_kept_disturbs_nobody(
    hass: HomeAssistant, client_class: MagicMock, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, ALL)
    client_class.reset_mock()
    await choose(hass, loaded, ALL)
    client_class.assert_not_called()


@pytest.mark.parametrize("cleared", ALL)
async def test_what_is_cleared_is_the_daemon_s_to_decide_again(
    hass: HomeAssistant, loaded: MockConfigEntry, cleared: str
) -> None:
    await choose(hass, loaded, ALL)
    rest = {name: value for name, value in ALL.items() if name != cleared}
    await choose(hass, loaded, rest)
    assert loaded.options == rest


@pytest.mark.parametrize(
    ("name", "bounds"),
    [(CONF_SPEED, (0.5, 2, 0.05)), (CONF_LEAD_IN, (0, 2000, 50))],
)
async def test_numbers_are_slid_between_their_bounds(
    hass: HomeAssistant, loaded: MockConfigEntry, name: str, bounds: tuple[float, float, float]
) -> None:
    flow = await start(hass, loaded)
    number = field(flow, name)["selector"]["number"]
    assert (number["min"], number["max"], number["step"]) == bounds
    assert number["mode"] == "slider"
    for value in (bounds[0] - bounds[2], bounds[1] + bounds[2]):
        with pytest.raises(InvalidData):
            await send(hass, flow, {name: value})
    for value in bounds[:2]:
        await choose(hass, loaded, {name: value})
        assert {**NEUTRAL, **loaded.options} == {**NEUTRAL, name: value}


async def test_a_voice_and_a_language_that_do_not_go_together_are_refused_by_name(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    wrong = {**ALL, CONF_VOICE: "pico-de"}
    flow = await send(hass, await start(hass, loaded), wrong)
    assert is_form(flow, "init", voice="unsupported_language")
    sentence = "Pico deutsch does not speak the chosen language."
    assert sentence in words(flow, "options")
    assert suggestions(flow) == wrong
    assert loaded.options == {}

    result = await send(hass, flow, {**wrong, CONF_LANGUAGE: "de"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert loaded.options == {**wrong, CONF_LANGUAGE: "de"}


async def test_a_voice_of_a_language_speaks_that_of_every_country(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    client.voices.return_value = (*VOICES, Voice(id="plain", name="Plain", languages=("en",)))
    await loaded.runtime_data.async_refresh()
    choice = {CONF_LANGUAGE: "en-GB", CONF_VOICE: "plain"}
    await choose(hass, loaded, choice)
    assert loaded.options == choice


async def test_a_voice_alone_may_speak_another_language_than_the_daemon_s(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, {**NEUTRAL, CONF_VOICE: "pico-de"})
    assert loaded.options == {CONF_VOICE: "pico-de"}


async def test_the_daemon_s_own_language_is_offered_even_if_nobody_speaks_it(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    client.languages.return_value = replace(LANGUAGES, default="pl")
    await loaded.runtime_data.async_refresh()
    flow = await start(hass, loaded)
    assert languages(flow) == ["en", "en-GB", "de", "pl"]
    assert suggestions(flow) == {**NEUTRAL, CONF_LANGUAGE: "pl"}


async def test_a_voice_that_is_gone_is_marked_and_may_stay(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, ALL)
    client.voices.return_value = (replace(VOICES[1], moods=("cheerful",)), VOICES[2])
    await loaded.runtime_data.async_refresh()
    flow = await start(hass, loaded)
    assert choices(flow, CONF_VOICE)["heart"] == "heart (?)"
    assert suggestions(flow) == ALL
    await choose(hass, loaded, {**ALL, CONF_SPEED: 0.9})
    assert loaded.options == {**ALL, CONF_SPEED: 0.9}
    await choose(hass, loaded, {CONF_VOICE: "pico-de"})
    assert "heart" not in choices(await start(hass, loaded), CONF_VOICE)


async def test_the_moods_that_can_be_heard_are_offered_under_their_names_where_they_have_one(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    flow = await start(hass, loaded)
    moods = ("bedtime", "cheerful", "grumpy")
    assert choices(flow, CONF_MOOD) == {mood: mood for mood in moods}
    assert field(flow, CONF_MOOD)["selector"]["select"]["translation_key"] == "mood"
    names = json.loads(TEXTS.read_text("utf-8"))["selector"]["mood"]["options"]
    assert set(moods) - set(names) == {"grumpy"}


async def test_where_no_voice_has_feelings_no_mood_is_offered(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    client.voices.return_value = VOICES[1:]
    await loaded.runtime_data.async_refresh()
    flow = await hass.config_entries.options.async_init(loaded.entry_id)
    assert words(flow, "options", hidden=[CONF_MOOD])
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(flow["flow_id"], {CONF_MOOD: "cheerful"})


async def test_a_mood_that_is_gone_is_marked_and_may_stay(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, ALL)
    client.voices.return_value = (replace(VOICES[0], moods=("grumpy",)), *VOICES[1:])
    await loaded.runtime_data.async_refresh()
    flow = await start(hass, loaded)
    assert choices(flow, CONF_MOOD) == {"cheerful": "cheerful (?)", "grumpy": "grumpy"}
    await choose(hass, loaded, {**ALL, CONF_SPEED: 0.9})
    assert loaded.options == {**ALL, CONF_SPEED: 0.9}
    await choose(hass, loaded, {CONF_MOOD: "grumpy"})
    assert choices(await start(hass, loaded), CONF_MOOD) == {"grumpy": "grumpy"}


async def test_a_language_that_is_gone_may_stay(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    await choose(hass, loaded, {CONF_LANGUAGE: "de"})
    client.languages.return_value = replace(LANGUAGES, languages=LANGUAGES.languages[:2])
    await loaded.runtime_data.async_refresh()
    assert "de" in languages(await start(hass, loaded))
    await choose(hass, loaded, {CONF_LANGUAGE: "de", CONF_VOICE: "pico-de"})
    assert loaded.options == {CONF_LANGUAGE: "de", CONF_VOICE: "pico-de"}


async def test_a_voice_that_the_daemon_does_not_have_cannot_be_chosen(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    with pytest.raises(InvalidData):
        await send(hass, await start(hass, loaded), {CONF_VOICE: "gone"})


async def test_while_the_daemon_is_away_its_last_voices_are_offered(
    hass: HomeAssistant, client: MagicMock, loaded: MockConfigEntry
) -> None:
    client.info.side_effect = NO_ANSWER
    await loaded.runtime_data.async_refresh()
    flow = await start(hass, loaded)
    assert set(choices(flow, CONF_VOICE)) == {"heart", "pico-en-gb", "pico-de"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NO_ANSWER, "waiting for nas to answer"),
        (
            IndexTTSFailureError("loading", "Not yet.", 3),
            "waiting for nas to answer",
        ),
        (
            IndexTTSTooOldError("no", api="0", supported="1"),
            "speaks version 0 of its API, this integration needs version 1",
        ),
        (
            IndexTTSTooNewError("no", api="2", supported="1"),
            "speaks version 2 of its API, this integration only version 1",
        ),
        (
            IndexTTSNotADaemonError("no", address="http://nas.local:8818"),
            "What answers at http://nas.local:8818 is not an IndexTTS daemon",
        ),
        (
            IndexTTSOtherInstanceError("no", address="http://nas.local:8818", other="attic"),
            "Another IndexTTS daemon, attic, answers at http://nas.local:8818",
        ),
    ],
)
async def test_a_daemon_that_is_waited_for_says_why(
    hass: HomeAssistant,
    client: MagicMock,
    entry: MockConfigEntry,
    error: IndexTTSError,
    sentence: str,
) -> None:
    client.info.side_effect = error
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    result = await start(hass, entry)
    assert result["type"] is FlowResultType.ABORT
    assert sentence in words(result, "options")


async def test_a_disabled_daemon_says_so(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    await hass.config_entries.async_set_disabled_by(loaded.entry_id, ConfigEntryDisabler.USER)
    result = await start(hass, loaded)
    assert is_abort(result, "not_loaded")
    assert "nas is not in use" in words(result, "options")


async def test_a_daemon_that_has_yet_to_load_its_voices_says_so(
    hass: HomeAssistant, client: MagicMock, entry: MockConfigEntry
) -> None:
    client.readiness.return_value = LOADING
    client.voices.return_value = ()
    await hass.config_entries.async_setup(entry.entry_id)
    result = await start(hass, entry)
    assert is_abort(result, "no_voices")
    assert "nas has no voices to choose from yet" in words(result, "options")
