"""Every way to a configured daemon, every mistake on it, and the way on from there."""

from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_USER,
    SOURCE_ZEROCONF,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.indextts.client import (
    IndexTTSAuthError,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSFailureError,
    IndexTTSNotADaemonError,
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Info,
    Languages,
)
from custom_components.indextts.config_flow import CONF_CREDENTIAL
from custom_components.indextts.const import DOMAIN
from tests.component.dialogs import is_abort, is_form, send, start, suggestions, words
from tests.component.sample import (
    HOST,
    INFO,
    INSTANCE_ID,
    LOADING,
    PORT,
    TOKEN,
    announcement,
)

ADDRESS = f"http://{HOST}:{PORT}"
NO_ANSWER = IndexTTSConnectionError("no answer", address=ADDRESS)
FOREIGN = IndexTTSNotADaemonError("not a daemon", address=ADDRESS)
TOO_OLD = IndexTTSTooOldError("too old", api="0", supported="1")
TOO_NEW = IndexTTSTooNewError("too new", api="2", supported="1")
OTHER = IndexTTSOtherInstanceError("another", address=ADDRESS, other="attic")
BROKEN = IndexTTSFailureError("internal", "It broke.")
FULL = IndexTTSFailureError("queue_full", "Too many wait.", 3)
STARTING = IndexTTSFailureError("loading", "Not yet.", 3)
STOPPING = IndexTTSFailureError("draining", "Not any more.")
MEETING_ERRORS = [
    (NO_ANSWER, "cannot_connect"),
    (FOREIGN, "not_indextts"),
    (TOO_OLD, "daemon_too_old"),
    (TOO_NEW, "daemon_too_new"),
    (OTHER, "other_instance"),
    (BROKEN, "failed"),
    (FULL, "failed"),
]
OPEN_INFO = replace(INFO, auth=False)
FORGOTTEN = IndexTTSAuthError("unknown token")
ENTRY_DATA = {CONF_HOST: HOST, CONF_PORT: PORT, CONF_TOKEN: TOKEN}
NEW_HOST = "192.168.1.99"
NEW_PLACE = {CONF_HOST: NEW_HOST, CONF_PORT: 9000}


def settle(client_class: MagicMock, **answers: Info | IndexTTSError) -> None:
    """Let whoever was asked last, by the name of its place here, answer; nobody is elsewhere."""
    by_host = {HOST: answers.get("old", NO_ANSWER), NEW_HOST: answers.get("new", NO_ANSWER)}

    async def info(expect: str | None = None) -> Info:
        answer = by_host[client_class.call_args.args[1]]
        if isinstance(answer, IndexTTSError):
            raise answer
        return answer

    client_class.return_value.info.side_effect = info


def is_entry(result: ConfigFlowResult, data: dict[str, Any]) -> bool:
    entry = result["result"]
    return (result["type"], result["title"], result["data"], entry.unique_id, entry.state) == (
        FlowResultType.CREATE_ENTRY,
        "nas",
        data,
        INSTANCE_ID,
        ConfigEntryState.LOADED,
    )


async def test_a_found_daemon_is_paired_by_its_code(
    hass: HomeAssistant, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_form(flow, "pair")
    assert "speak through nas" in words(flow)
    assert f"({ADDRESS})" in words(flow)
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["context"]["title_placeholders"] == {"name": "nas"}
    assert progress["context"]["configuration_url"] == ADDRESS

    result = await send(hass, flow, {CONF_CREDENTIAL: " 123 456 "})
    assert is_entry(result, ENTRY_DATA)
    client.pair.assert_awaited_once_with("123456", "Home Assistant")
    client.info.assert_awaited_with(expect=INSTANCE_ID)


async def test_a_found_daemon_may_be_given_its_token(
    hass: HomeAssistant, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    result = await send(hass, flow, {CONF_CREDENTIAL: TOKEN})
    assert is_entry(result, ENTRY_DATA)
    client.pair.assert_not_awaited()
    assert client_class.call_args_list[-1].args[1:] == (HOST, PORT, TOKEN)


async def test_a_found_daemon_without_tokens_is_only_confirmed(
    hass: HomeAssistant, client: MagicMock
) -> None:
    client.info.return_value = OPEN_INFO
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_form(flow, "zeroconf_confirm")
    assert "through nas" in words(flow)
    assert is_entry(await send(hass, flow, {}), {**ENTRY_DATA, CONF_TOKEN: None})
    client.pair.assert_not_awaited()


@pytest.mark.parametrize(("error", "key"), MEETING_ERRORS)
async def test_a_found_daemon_without_tokens_is_met_again_before_it_is_added(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, key: str
) -> None:
    client.info.return_value = OPEN_INFO
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    client.info.side_effect = error
    flow = await send(hass, flow, {})
    assert is_form(flow, "zeroconf_confirm", base=key)
    client.info.assert_awaited_with(expect=INSTANCE_ID)
    client.info.side_effect = None
    assert is_entry(await send(hass, flow, {}), {**ENTRY_DATA, CONF_TOKEN: None})


async def test_a_found_daemon_that_has_come_to_want_a_token_gets_its_code(
    hass: HomeAssistant, client: MagicMock
) -> None:
    client.info.return_value = OPEN_INFO
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    client.info.return_value = INFO
    flow = await send(hass, flow, {})
    assert is_form(flow, "pair")
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_a_daemon_that_stops_asking_for_tokens_while_it_is_paired_is_added_without(
    hass: HomeAssistant, client: MagicMock
) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    client.info.return_value = OPEN_INFO
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_entry(result, {**ENTRY_DATA, CONF_TOKEN: None})
    client.pair.assert_not_awaited()


async def test_a_daemon_that_still_loads_is_paired_and_waited_for(
    hass: HomeAssistant, client: MagicMock
) -> None:
    client.info.return_value = replace(INFO, revision=None)
    client.readiness.return_value = LOADING
    client.languages.return_value = Languages(default="en", languages=())
    client.voices.return_value = ()
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: TOKEN}), ENTRY_DATA)


@pytest.mark.parametrize("missing", ["instance_id", "port"])
async def test_an_announcement_without_its_essentials_is_not_ours(
    hass: HomeAssistant, client: MagicMock, missing: str
) -> None:
    result = await start(hass, SOURCE_ZEROCONF, announcement(**{missing: None}))
    assert is_abort(result, "not_indextts")
    client.info.assert_not_awaited()


@pytest.mark.parametrize(
    ("error", "reason"),
    [*MEETING_ERRORS, (STARTING, "failed"), (STOPPING, "failed"), (FORGOTTEN, "refused")],
)
async def test_a_found_daemon_that_cannot_be_met_is_left_alone(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, reason: str
) -> None:
    client.info.side_effect = error
    result = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_abort(result, reason)
    said = words(result)
    assert all(detail in said for detail in error.details.values() or [str(error)])


async def test_the_first_address_that_answers_is_taken(
    hass: HomeAssistant, client: MagicMock, client_class: MagicMock
) -> None:
    client.info.side_effect = [NO_ANSWER, OTHER, INFO]
    flow = await start(hass, SOURCE_ZEROCONF, announcement("fe80::1", "172.17.0.1", HOST))
    assert [call.args[1] for call in client_class.call_args_list[:3]] == [
        "fe80::1",
        "172.17.0.1",
        HOST,
    ]
    client.info.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_what_answers_explains_more_than_what_does_not(
    hass: HomeAssistant, client: MagicMock
) -> None:
    client.info.side_effect = [NO_ANSWER, TOO_NEW, NO_ANSWER]
    result = await start(hass, SOURCE_ZEROCONF, announcement("10.0.0.1", "10.0.0.2", "10.0.0.3"))
    assert result["reason"] == "daemon_too_new"


@pytest.mark.parametrize("second", [HOST, "fd00::20"])
async def test_a_daemon_is_found_once(hass: HomeAssistant, client: MagicMock, second: str) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_abort(await start(hass, SOURCE_ZEROCONF, announcement(second)), "already_in_progress")
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["flow_id"] == flow["flow_id"]


async def test_a_moved_daemon_is_followed(
    hass: HomeAssistant, loaded: MockConfigEntry, client_class: MagicMock
) -> None:
    settle(client_class, new=INFO)
    result = await start(hass, SOURCE_ZEROCONF, announcement(NEW_HOST, port=9000))
    await hass.async_block_till_done()
    assert is_abort(result, "already_configured")
    assert loaded.data == {**NEW_PLACE, CONF_TOKEN: TOKEN}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == (NEW_HOST, 9000, TOKEN)


async def test_a_moved_daemon_that_was_waited_for_is_followed(
    hass: HomeAssistant, entry: MockConfigEntry, client_class: MagicMock
) -> None:
    settle(client_class, new=INFO)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await start(hass, SOURCE_ZEROCONF, announcement(NEW_HOST, port=9000))
    await hass.async_block_till_done()
    assert entry.data == {**NEW_PLACE, CONF_TOKEN: TOKEN}
    assert entry.state is ConfigEntryState.LOADED


async def test_a_daemon_that_still_answers_where_it_was_is_not_moved(
    hass: HomeAssistant, loaded: MockConfigEntry, client_class: MagicMock
) -> None:
    client_class.reset_mock()
    result = await start(hass, SOURCE_ZEROCONF, announcement("10.8.0.2", NEW_HOST))
    await hass.async_block_till_done()
    assert is_abort(result, "already_configured")
    assert loaded.data == ENTRY_DATA
    assert {call.args[1] for call in client_class.call_args_list} == {HOST}


async def test_another_daemon_at_the_old_address_does_not_hide_where_ours_has_moved(
    hass: HomeAssistant, loaded: MockConfigEntry, client_class: MagicMock
) -> None:
    settle(client_class, old=OTHER, new=INFO)
    result = await start(hass, SOURCE_ZEROCONF, announcement(NEW_HOST, port=9000))
    assert is_abort(result, "already_configured")
    assert loaded.data == {**NEW_PLACE, CONF_TOKEN: TOKEN}


async def test_a_daemon_that_is_back_is_set_up_at_once(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    client.info.side_effect = NO_ANSWER
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    client.info.side_effect = None
    await start(hass, SOURCE_ZEROCONF, announcement())
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_an_ignored_daemon_stays_ignored_and_is_left_in_peace(
    hass: HomeAssistant, client: MagicMock
) -> None:
    ignored = MockConfigEntry(domain=DOMAIN, unique_id=INSTANCE_ID, source=SOURCE_IGNORE)
    ignored.add_to_hass(hass)
    result = await start(hass, SOURCE_ZEROCONF, announcement())
    assert is_abort(result, "already_configured")
    assert ignored.data == {}
    client.info.assert_not_awaited()


async def test_an_ignored_daemon_may_be_typed_in_after_all(
    hass: HomeAssistant, client: MagicMock
) -> None:
    MockConfigEntry(
        domain=DOMAIN, unique_id=INSTANCE_ID, source=SOURCE_IGNORE, title="nas"
    ).add_to_hass(hass)
    flow = await start(hass, SOURCE_USER)
    flow = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_entry(result, ENTRY_DATA)
    assert hass.config_entries.async_entries(DOMAIN) == [result["result"]]


async def test_typing_in_a_daemon_clears_the_card_that_offers_it(
    hass: HomeAssistant, client: MagicMock
) -> None:
    await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await start(hass, SOURCE_USER)
    flow = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)
    assert hass.config_entries.flow.async_progress() == []


async def test_two_daemons_live_side_by_side_even_under_one_name(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    second_id = "f" * 32

    async def info(expect: str | None = None) -> Info:
        return replace(INFO, instance_id=expect or second_id)

    client.info.side_effect = info
    flow = await start(hass, SOURCE_ZEROCONF, announcement(NEW_HOST, instance_id=second_id))
    second = (await send(hass, flow, {CONF_CREDENTIAL: "123456"}))["result"]
    entries = hass.config_entries.async_entries(DOMAIN)
    assert entries == [loaded, second]
    assert [entry.title for entry in entries] == ["nas", "nas 2"]
    assert [entry.unique_id for entry in entries] == [INSTANCE_ID, second_id]
    assert {entry.state for entry in entries} == {ConfigEntryState.LOADED}
    registry = er.async_get(hass)
    speakers = [
        entity.entity_id
        for entry in entries
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if entity.domain == "tts"
    ]
    assert speakers == ["tts.indextts", "tts.indextts_2"]


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ((HOST, PORT), (HOST, PORT)),
        ((" nas.local ", 9000), ("nas.local", 9000)),
        (("nas.local:9000", PORT), ("nas.local", 9000)),
        (("http://nas.local:9000/", PORT), ("nas.local", 9000)),
        (("fd00::20", PORT), ("fd00::20", PORT)),
        (("[fd00::20]:9000", PORT), ("fd00::20", 9000)),
    ],
)
async def test_a_typed_address_is_as_good_as_a_found_one(
    hass: HomeAssistant, client: MagicMock, typed: tuple[str, int], place: tuple[str, int]
) -> None:
    flow = await start(hass, SOURCE_USER)
    assert is_form(flow, "user")
    flow = await send(hass, flow, {CONF_HOST: typed[0], CONF_PORT: typed[1]})
    assert is_form(flow, "pair")
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_entry(result, {CONF_HOST: place[0], CONF_PORT: place[1], CONF_TOKEN: TOKEN})


async def test_a_typed_daemon_without_tokens_is_added_at_once(
    hass: HomeAssistant, client: MagicMock
) -> None:
    client.info.return_value = OPEN_INFO
    flow = await start(hass, SOURCE_USER)
    result = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_entry(result, {**ENTRY_DATA, CONF_TOKEN: None})


@pytest.mark.parametrize(("error", "key"), MEETING_ERRORS)
async def test_a_typed_address_can_be_put_right(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, key: str
) -> None:
    client.info.side_effect = error
    flow = await start(hass, SOURCE_USER)
    flow = await send(hass, flow, {CONF_HOST: "10.0.0.1", CONF_PORT: PORT})
    assert is_form(flow, "user", host=key)
    assert all(detail in words(flow) for detail in error.details.values())
    assert suggestions(flow) == {CONF_HOST: "10.0.0.1", CONF_PORT: PORT}

    client.info.side_effect = None
    flow = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


@pytest.mark.parametrize("typed", ["", "http://", "nas:abc", "nas:99999", "[::1"])
async def test_what_is_no_address_is_said_on_the_field(
    hass: HomeAssistant, client: MagicMock, typed: str
) -> None:
    flow = await start(hass, SOURCE_USER)
    flow = await send(hass, flow, {CONF_HOST: typed, CONF_PORT: PORT})
    assert is_form(flow, "user", host="invalid_host")
    client.info.assert_not_awaited()
    flow = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_typing_a_known_daemon_s_new_address_moves_it(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    flow = await start(hass, SOURCE_USER)
    result = await send(hass, flow, {CONF_HOST: "nas.local", CONF_PORT: 9000})
    assert is_abort(result, "already_configured")
    assert loaded.data == {CONF_HOST: "nas.local", CONF_PORT: 9000, CONF_TOKEN: TOKEN}


@pytest.mark.parametrize(
    ("key", "shown"),
    [("pairing_code_invalid", {CONF_CREDENTIAL: "000000"}), ("pairing_closed", {})],
)
async def test_a_refused_code_can_be_typed_again_and_a_mistyped_one_corrected(
    hass: HomeAssistant, client: MagicMock, key: str, shown: dict[str, str]
) -> None:
    client.pair.side_effect = IndexTTSRequestError(key, "No.")
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: "000000"})
    assert is_form(flow, "pair", credential=key)
    assert suggestions(flow) == shown
    client.pair.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


@pytest.mark.parametrize("code", ["12345", "123 456 7"])
async def test_a_code_with_too_few_or_too_many_digits_is_not_spent_at_the_daemon(
    hass: HomeAssistant, client: MagicMock, code: str
) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: code})
    assert is_form(flow, "pair", credential="pairing_code_invalid")
    client.pair.assert_not_called()
    client.voices.assert_not_called()
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_a_token_may_be_a_number(hass: HomeAssistant, client: MagicMock) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    data = {**ENTRY_DATA, CONF_TOKEN: "1234567890"}
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "1234567890"}), data)
    client.pair.assert_not_called()


async def test_a_refused_token_can_be_typed_again(hass: HomeAssistant, client: MagicMock) -> None:
    client.voices.side_effect = FORGOTTEN
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: "not-a-token"})
    assert is_form(flow, "pair", credential="invalid_token")
    assert suggestions(flow) == {}  # a secret is not shown again
    client.voices.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: TOKEN}), ENTRY_DATA)


@pytest.mark.parametrize(("error", "key"), MEETING_ERRORS)
async def test_a_daemon_that_goes_away_while_pairing_may_come_back(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, key: str
) -> None:
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    client.info.side_effect = error
    flow = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_form(flow, "pair", base=key)
    assert all(detail in words(flow) for detail in error.details.values())
    client.pair.assert_not_awaited()
    client.info.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


@pytest.mark.parametrize(("error", "key"), MEETING_ERRORS)
async def test_any_failure_of_pairing_itself_is_said_in_words(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, key: str
) -> None:
    client.pair.side_effect = error
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_form(flow, "pair", base=key)
    assert all(detail in words(flow) for detail in error.details.values())
    client.pair.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_a_daemon_that_moves_while_it_is_paired_again_is_asked_where_it_is(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await loaded.start_reauth_flow(hass)
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, CONF_HOST: "nas.local"})
    result = await send(hass, flow, {CONF_CREDENTIAL: TOKEN})
    assert is_abort(result, "reauth_successful")
    assert {call.args[1] for call in client_class.call_args_list[-3:]} == {"nas.local"}


async def test_a_forgotten_token_is_replaced_by_pairing_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await loaded.start_reauth_flow(hass)
    assert is_form(flow, "reauth_confirm")
    assert "nas no longer recognizes Home Assistant" in words(flow)

    client.info.side_effect = OTHER
    flow = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_form(flow, "reauth_confirm", base="other_instance")
    client.info.side_effect = None

    client.pair.return_value = replace(client.pair.return_value, token="new")  # noqa: S106
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_abort(result, "reauth_successful")
    assert loaded.data == {**ENTRY_DATA, CONF_TOKEN: "new"}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == (HOST, PORT, "new")


async def test_a_daemon_that_no_longer_asks_for_tokens_ends_pairing_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    flow = await loaded.start_reauth_flow(hass)
    client.info.return_value = OPEN_INFO
    assert is_abort(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), "reauth_successful")
    client.pair.assert_not_awaited()
    assert loaded.data == {**ENTRY_DATA, CONF_TOKEN: None}
    assert loaded.state is ConfigEntryState.LOADED


async def test_a_daemon_that_was_moved_unseen_is_led_to_with_its_token(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await loaded.start_reconfigure_flow(hass)
    assert is_form(flow, "reconfigure")
    assert "If nas has moved" in words(flow)
    assert suggestions(flow) == {CONF_HOST: HOST, CONF_PORT: PORT}

    settle(client_class, new=INFO)
    result = await send(hass, flow, {CONF_HOST: f"http://{NEW_HOST}:9000/", CONF_PORT: PORT})
    assert is_abort(result, "reconfigure_successful")
    client.info.assert_awaited_with(expect=INSTANCE_ID)
    client.pair.assert_not_awaited()
    assert hass.config_entries.async_entries(DOMAIN) == [loaded]
    assert loaded.data == {**NEW_PLACE, CONF_TOKEN: TOKEN}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == (NEW_HOST, 9000, TOKEN)


async def test_a_daemon_that_is_waited_for_can_be_led_to(
    hass: HomeAssistant, entry: MockConfigEntry, client_class: MagicMock
) -> None:
    settle(client_class, new=INFO)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    flow = await entry.start_reconfigure_flow(hass)
    assert is_abort(await send(hass, flow, NEW_PLACE), "reconfigure_successful")
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.parametrize(("error", "key"), MEETING_ERRORS)
async def test_only_the_same_daemon_takes_the_place_and_a_mistake_can_be_put_right(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, error: IndexTTSError, key: str
) -> None:
    flow = await loaded.start_reconfigure_flow(hass)
    client.info.side_effect = error
    client.voices.reset_mock()
    flow = await send(hass, flow, NEW_PLACE)
    assert is_form(flow, "reconfigure", host=key)
    assert all(detail in words(flow) for detail in error.details.values())
    assert suggestions(flow) == NEW_PLACE
    assert loaded.data == ENTRY_DATA
    client.voices.assert_not_awaited()  # which would have shown the token

    client.info.side_effect = None
    assert is_abort(await send(hass, flow, NEW_PLACE), "reconfigure_successful")
    assert loaded.data == {**NEW_PLACE, CONF_TOKEN: TOKEN}


async def test_a_daemon_that_is_lost_while_its_token_is_tried_can_be_tried_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    flow = await loaded.start_reconfigure_flow(hass)
    client.voices.side_effect = NO_ANSWER
    flow = await send(hass, flow, NEW_PLACE)
    assert is_form(flow, "reconfigure", host="cannot_connect")
    client.voices.side_effect = None
    assert is_abort(await send(hass, flow, NEW_PLACE), "reconfigure_successful")


async def test_what_is_no_address_is_said_when_a_daemon_is_led_to(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    flow = await loaded.start_reconfigure_flow(hass)
    flow = await send(hass, flow, {CONF_HOST: "nas:abc", CONF_PORT: PORT})
    assert is_form(flow, "reconfigure", host="invalid_host")
    assert is_abort(await send(hass, flow, NEW_PLACE), "reconfigure_successful")


async def test_a_daemon_that_forgot_the_token_at_its_new_place_is_paired_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    client.pair.return_value = replace(client.pair.return_value, token="new")  # noqa: S106
    client.voices.side_effect = FORGOTTEN
    flow = await loaded.start_reconfigure_flow(hass)
    flow = await send(hass, flow, NEW_PLACE)
    assert is_form(flow, "pair")
    assert loaded.data == ENTRY_DATA

    client.pair.side_effect = IndexTTSRequestError("pairing_code_invalid", "No.")
    flow = await send(hass, flow, {CONF_CREDENTIAL: "000000"})
    assert is_form(flow, "pair", credential="pairing_code_invalid")
    client.pair.side_effect = client.voices.side_effect = None

    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_abort(result, "reconfigure_successful")
    assert hass.config_entries.async_entries(DOMAIN) == [loaded]
    assert loaded.data == {**NEW_PLACE, CONF_TOKEN: "new"}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == (NEW_HOST, 9000, "new")


async def test_a_daemon_that_has_come_to_want_a_token_is_paired_where_it_is(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock
) -> None:
    hass.config_entries.async_update_entry(entry, data={**ENTRY_DATA, CONF_TOKEN: None})
    flow = await entry.start_reconfigure_flow(hass)
    flow = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_form(flow, "pair")
    client.voices.assert_not_awaited()
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_abort(result, "reconfigure_successful")
    assert entry.data == ENTRY_DATA


async def test_a_daemon_that_no_longer_asks_for_tokens_is_sent_none(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    client.info.return_value = OPEN_INFO
    flow = await loaded.start_reconfigure_flow(hass)
    result = await send(hass, flow, {CONF_HOST: HOST, CONF_PORT: PORT})
    assert is_abort(result, "reconfigure_successful")
    assert loaded.data == {**ENTRY_DATA, CONF_TOKEN: None}
    assert client_class.call_args.args[1:] == (HOST, PORT, None)
