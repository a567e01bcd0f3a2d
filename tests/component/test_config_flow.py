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
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
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
)
from custom_components.indextts.config_flow import CONF_CREDENTIAL
from custom_components.indextts.const import DOMAIN
from tests.component.sample import HOST, INFO, INSTANCE_ID, PORT, TOKEN, announcement

ADDRESS = f"http://{HOST}:{PORT}"
NO_ANSWER = IndexTTSConnectionError("no answer", address=ADDRESS)
FOREIGN = IndexTTSNotADaemonError("not a daemon", address=ADDRESS)
INCOMPATIBLE = IndexTTSTooNewError("too new", api="2", supported="1")
OTHER = IndexTTSOtherInstanceError("another", address=ADDRESS, other="attic")
BROKEN = IndexTTSFailureError("internal", "It broke.")
MEETING_ERRORS = [
    (NO_ANSWER, "cannot_connect"),
    (FOREIGN, "not_indextts"),
    (INCOMPATIBLE, "daemon_too_new"),
    (OTHER, "other_instance"),
    (BROKEN, "failed"),
]
OPEN_INFO = replace(INFO, auth=False)
ENTRY_DATA = {CONF_HOST: HOST, CONF_PORT: PORT, CONF_TOKEN: TOKEN}


async def start(
    hass: HomeAssistant, source: str, data: ZeroconfServiceInfo | None = None
) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": source}, data=data)


async def send(
    hass: HomeAssistant, flow: ConfigFlowResult, data: dict[str, Any]
) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], data)
    await hass.async_block_till_done()
    return result


def is_form(result: ConfigFlowResult, step_id: str, **errors: str) -> bool:
    return (result["type"], result["step_id"], result["errors"] or {}) == (
        FlowResultType.FORM,
        step_id,
        errors,
    )


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
    assert flow["description_placeholders"] == {"name": "nas"}
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["context"]["title_placeholders"] == {"name": "nas"}

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
    assert flow["description_placeholders"] == {"name": "nas"}
    assert is_entry(await send(hass, flow, {}), {**ENTRY_DATA, CONF_TOKEN: None})


@pytest.mark.parametrize("missing", ["instance_id", "port"])
async def test_an_announcement_without_its_essentials_is_not_ours(
    hass: HomeAssistant, client: MagicMock, missing: str
) -> None:
    result = await start(hass, SOURCE_ZEROCONF, announcement(**{missing: None}))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "not_indextts")
    client.info.assert_not_awaited()


@pytest.mark.parametrize(("error", "reason"), MEETING_ERRORS)
async def test_a_found_daemon_that_cannot_be_met_is_left_alone(
    hass: HomeAssistant, client: MagicMock, error: IndexTTSError, reason: str
) -> None:
    client.info.side_effect = error
    result = await start(hass, SOURCE_ZEROCONF, announcement())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)
    assert result["description_placeholders"] == error.details


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
    client.info.side_effect = [NO_ANSWER, INCOMPATIBLE, NO_ANSWER]
    result = await start(hass, SOURCE_ZEROCONF, announcement("10.0.0.1", "10.0.0.2", "10.0.0.3"))
    assert result["reason"] == "daemon_too_new"


async def test_a_daemon_is_found_once(hass: HomeAssistant, client: MagicMock) -> None:
    await start(hass, SOURCE_ZEROCONF, announcement())
    result = await start(hass, SOURCE_ZEROCONF, announcement())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_in_progress")


async def test_a_moved_daemon_is_followed(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    client.info.side_effect = [NO_ANSWER, INFO, INFO]  # there, here, and here for the reload
    result = await start(hass, SOURCE_ZEROCONF, announcement("192.168.1.99", port=9000))
    await hass.async_block_till_done()
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert loaded.data == {CONF_HOST: "192.168.1.99", CONF_PORT: 9000, CONF_TOKEN: TOKEN}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == ("192.168.1.99", 9000, TOKEN)


async def test_a_daemon_that_still_answers_where_it_was_is_not_moved(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    client_class.reset_mock()
    result = await start(hass, SOURCE_ZEROCONF, announcement("10.8.0.2", "192.168.1.99"))
    await hass.async_block_till_done()
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert loaded.data == ENTRY_DATA
    assert {call.args[1] for call in client_class.call_args_list} == {HOST}


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


async def test_an_ignored_daemon_stays_ignored(hass: HomeAssistant, client: MagicMock) -> None:
    MockConfigEntry(domain=DOMAIN, unique_id=INSTANCE_ID, source=SOURCE_IGNORE).add_to_hass(hass)
    result = await start(hass, SOURCE_ZEROCONF, announcement())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


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
    assert flow["description_placeholders"] == error.details

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
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert loaded.data == {CONF_HOST: "nas.local", CONF_PORT: 9000, CONF_TOKEN: TOKEN}


@pytest.mark.parametrize(
    ("code", "key"),
    [("pairing_code_invalid", "pairing_code_invalid"), ("pairing_closed", "pairing_closed")],
)
async def test_a_refused_code_can_be_typed_again(
    hass: HomeAssistant, client: MagicMock, code: str, key: str
) -> None:
    client.pair.side_effect = IndexTTSRequestError(code, "No.")
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: "000000"})
    assert is_form(flow, "pair", credential=key)
    client.pair.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_a_refused_token_can_be_typed_again(hass: HomeAssistant, client: MagicMock) -> None:
    client.voices.side_effect = IndexTTSAuthError("No.")
    flow = await start(hass, SOURCE_ZEROCONF, announcement())
    flow = await send(hass, flow, {CONF_CREDENTIAL: "not-a-token"})
    assert is_form(flow, "pair", credential="invalid_token")
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
    assert flow["description_placeholders"] == {**error.details, "name": "nas"}
    client.pair.assert_not_awaited()
    client.info.side_effect = None
    assert is_entry(await send(hass, flow, {CONF_CREDENTIAL: "123456"}), ENTRY_DATA)


async def test_a_daemon_that_moves_while_it_is_paired_again_is_asked_where_it_is(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await loaded.start_reauth_flow(hass)
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, CONF_HOST: "nas.local"})
    result = await send(hass, flow, {CONF_CREDENTIAL: TOKEN})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert {call.args[1] for call in client_class.call_args_list[-3:]} == {"nas.local"}


async def test_a_forgotten_token_is_replaced_by_pairing_again(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, client_class: MagicMock
) -> None:
    flow = await loaded.start_reauth_flow(hass)
    assert is_form(flow, "reauth_confirm")
    assert flow["description_placeholders"] == {"name": "nas"}

    client.info.side_effect = OTHER
    flow = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert is_form(flow, "reauth_confirm", base="other_instance")
    client.info.side_effect = None

    client.pair.return_value = replace(client.pair.return_value, token="new")  # noqa: S106
    result = await send(hass, flow, {CONF_CREDENTIAL: "123456"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert loaded.data == {**ENTRY_DATA, CONF_TOKEN: "new"}
    assert loaded.state is ConfigEntryState.LOADED
    assert client_class.call_args.args[1:] == (HOST, PORT, "new")
