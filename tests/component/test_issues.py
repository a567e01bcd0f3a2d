"""What a household has to put right stands under Repairs, exactly as long as it is so."""

from dataclasses import replace
from itertools import chain
import json
from pathlib import Path
from string import Formatter
from typing import Any
from unittest.mock import MagicMock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

import custom_components.indextts
from custom_components.indextts.client import (
    Canary,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
    Model,
    Readiness,
    Reload,
)
from custom_components.indextts.const import CONF_VOICE, DOMAIN
from tests.component.sample import LOADING, READY, STATUS, VOICES

CANARY = Canary(failed="It was silent.", model="indextts-2", version="new")
TOO_OLD = IndexTTSTooOldError("no", api="0", supported="1")
TOO_NEW = IndexTTSTooNewError("no", api="2", supported="1")
LOST = IndexTTSConnectionError("no answer", address="http://192.168.1.20:8818")
either_half = pytest.mark.parametrize("error", [TOO_OLD, TOO_NEW], ids=lambda error: error.code)


@pytest.fixture
def voice() -> str:
    """Name the voice that the household chose as default."""
    return "granny"


@pytest.fixture
def choosy(hass: HomeAssistant, entry: MockConfigEntry, voice: str) -> MockConfigEntry:
    """Return the entry, with a default voice."""
    hass.config_entries.async_update_entry(entry, options={CONF_VOICE: voice})
    return entry


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return what stands under Repairs, by its key."""
    found = ir.async_get(hass).issues.values()
    return {str(issue.translation_key): issue for issue in found if issue.domain == DOMAIN}


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 31) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


@either_half
async def test_a_half_that_is_too_old_at_setup_is_named_until_it_is_updated(
    hass: HomeAssistant, entry: MockConfigEntry, client: MagicMock, error: IndexTTSError
) -> None:
    client.info.side_effect = error
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert set(issues(hass)) == {error.code}
    issue = issues(hass)[error.code]
    assert issue.translation_placeholders == {"name": "nas", **error.details}
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.ERROR, False)
    assert str(issue.learn_more_url).startswith("https://github.com/indextts-home/indextts")

    client.info.side_effect = None
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == {}


@either_half
async def test_a_half_that_became_too_old_is_named_while_it_may_still_be(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    client: MagicMock,
    freezer: FrozenDateTimeFactory,
    error: IndexTTSError,
) -> None:
    client.info.side_effect = error
    await later(hass, freezer)
    assert set(issues(hass)) == {error.code}
    client.info.side_effect = LOST  # being updated
    await later(hass, freezer)
    assert set(issues(hass)) == {error.code}
    client.info.side_effect = None
    await later(hass, freezer)
    assert issues(hass) == {}


async def test_only_the_half_that_is_too_old_now_is_named(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    for error in (TOO_OLD, TOO_NEW):
        client.info.side_effect = error
        await later(hass, freezer)
        assert set(issues(hass)) == {error.code}


async def test_a_default_voice_that_is_gone_is_named_until_it_is_back(
    hass: HomeAssistant, choosy: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config_entries.async_setup(choosy.entry_id)
    issue = issues(hass)["default_voice_missing"]
    assert issue.translation_placeholders == {
        "name": "nas",
        "settings": "/config/integrations/integration/indextts",
        "voice": "granny",
    }
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.WARNING, False)

    client.voices.return_value = (*VOICES, VOICES[0].__class__(id="granny", name="", languages=()))
    await later(hass, freezer)
    assert issues(hass) == {}
    client.voices.return_value = VOICES
    await later(hass, freezer)
    assert set(issues(hass)) == {"default_voice_missing"}


@pytest.mark.parametrize("options", [{}, {CONF_VOICE: "heart"}])
async def test_another_default_voice_ends_the_trouble_with_the_old_one(
    hass: HomeAssistant, choosy: MockConfigEntry, client: MagicMock, options: dict[str, Any]
) -> None:
    await hass.config_entries.async_setup(choosy.entry_id)
    assert set(issues(hass)) == {"default_voice_missing"}
    hass.config_entries.async_update_entry(choosy, options=options)
    await hass.config_entries.async_reload(choosy.entry_id)
    assert issues(hass) == {}


@pytest.mark.parametrize("word", ["degraded", "paused"])
async def test_a_voice_is_not_missed_while_another_model_stands_in(
    hass: HomeAssistant,
    choosy: MockConfigEntry,
    client: MagicMock,
    freezer: FrozenDateTimeFactory,
    word: str,
) -> None:
    client.readiness.return_value = Readiness(ready=True, state=word)
    await hass.config_entries.async_setup(choosy.entry_id)
    assert issues(hass) == {}
    client.readiness.return_value = READY
    await later(hass, freezer)
    assert set(issues(hass)) == {"default_voice_missing"}


@pytest.mark.parametrize("voice", ["heart"])
async def test_a_voice_is_not_missed_while_the_daemon_cannot_list_it(
    hass: HomeAssistant, choosy: MockConfigEntry, client: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    client.readiness.return_value = LOADING
    client.voices.return_value = ()
    await hass.config_entries.async_setup(choosy.entry_id)
    assert issues(hass) == {}
    client.readiness.return_value = READY
    await later(hass, freezer, 6)
    assert set(issues(hass)) == {"default_voice_missing"}


@pytest.mark.parametrize("failure", [None, TOO_OLD])
async def test_nothing_is_said_of_a_daemon_that_is_no_longer_used(
    hass: HomeAssistant,
    choosy: MockConfigEntry,
    client: MagicMock,
    failure: IndexTTSError | None,
) -> None:
    client.info.side_effect = failure
    await hass.config_entries.async_setup(choosy.entry_id)
    assert len(issues(hass)) == 1
    await hass.config_entries.async_remove(choosy.entry_id)
    assert issues(hass) == {}


@pytest.mark.parametrize("failure", [None, TOO_OLD])
async def test_nothing_is_said_of_a_daemon_that_is_switched_off_here(
    hass: HomeAssistant,
    choosy: MockConfigEntry,
    client: MagicMock,
    failure: IndexTTSError | None,
) -> None:
    client.info.side_effect = failure
    await hass.config_entries.async_setup(choosy.entry_id)
    assert len(issues(hass)) == 1
    await hass.config_entries.async_set_disabled_by(choosy.entry_id, ConfigEntryDisabler.USER)
    assert issues(hass) == {}


async def test_a_version_that_failed_its_test_is_named_until_something_is_taken(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    async def look(canary: Canary | None) -> dict[str, ir.IssueEntry]:
        client.status.return_value = replace(STATUS, canary=canary)
        await loaded.runtime_data.async_refresh()
        return issues(hass)

    issue = (await look(CANARY))["canary_failed"]
    assert issue.translation_placeholders == {
        "model": "indextts-2",
        "name": "nas",
        "reason": "It was silent.",
        "version": "new",
    }
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.WARNING, True)
    assert await look(None) == {}


async def test_who_ignores_one_failed_version_hears_of_the_next(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    async def ignored(canary: Canary | None) -> list[bool]:
        client.status.return_value = replace(STATUS, canary=canary)
        await loaded.runtime_data.async_refresh()
        found = [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
        return [issue.dismissed_version is not None for issue in found]

    assert await ignored(CANARY) == [False]
    ir.async_ignore_issue(hass, DOMAIN, issues(hass)["canary_failed"].issue_id, ignore=True)
    assert await ignored(replace(CANARY, failed="It was silent again.")) == [True]
    assert await ignored(replace(CANARY, version="newer")) == [False]
    assert await ignored(None) == []


async def test_what_was_written_wrong_is_named_until_the_next_reload_is_good(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    async def look(**reloads: Reload) -> dict[str, ir.IssueEntry]:
        client.status.return_value = replace(STATUS, last_reload=reloads)
        await loaded.runtime_data.async_refresh()
        return issues(hass)

    bad = Reload(result="rejected", problems=("Line 3: no such key.", "Line 4: no number."))
    issue = (await look(config=bad, moods=Reload(result="rejected", problems=("Line 1: x.",))))[
        "settings_rejected"
    ]
    assert issue.translation_placeholders == {
        "name": "nas",
        "problems": "- Line 3: no such key.\n- Line 4: no number.\n- Line 1: x.",
    }
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.WARNING, False)
    many = Reload(result="rejected", problems=tuple(f"Line {line}: x." for line in range(99)))
    placeholders = (await look(config=many))["settings_rejected"].translation_placeholders
    assert placeholders is not None
    assert placeholders["problems"].splitlines()[-1] == "- Line 4: x."
    assert await look(config=Reload(result="applied"), moods=Reload(result="unchanged")) == {}


async def test_what_was_left_out_of_a_reload_that_was_taken_is_named_too(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    lena = Reload(result="applied", problems=("voices/lena.wav is no recording.",))
    client.status.return_value = replace(STATUS, last_reload={"voices": lena})
    await loaded.runtime_data.async_refresh()
    assert issues(hass)["settings_rejected"].translation_placeholders == {
        "name": "nas",
        "problems": "- voices/lena.wav is no recording.",
    }


async def test_what_befell_a_model_is_named_unless_its_failed_version_tells_it(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    torn = "The files of indextts-2-5 are not whole any more."
    again = f"indextts-2 failed with these files already: {CANARY.failed}"
    canary = replace(CANARY, failed=f"It failed. {CANARY.failed} It did not end.")
    for told, problems in ((CANARY, (CANARY.failed, again)), (canary, ("It did not end.",))):
        reload = Reload(result="rejected", problems=problems)
        client.status.return_value = replace(STATUS, canary=told, last_reload={"models": reload})
        await loaded.runtime_data.async_refresh()
        assert set(issues(hass)) == {"canary_failed"}

    reload = Reload(result="rejected", problems=(CANARY.failed, again, torn))
    client.status.return_value = replace(STATUS, canary=CANARY, last_reload={"models": reload})
    await loaded.runtime_data.async_refresh()
    assert set(issues(hass)) == {"canary_failed", "settings_rejected"}
    placeholders = issues(hass)["settings_rejected"].translation_placeholders
    assert placeholders is not None
    assert placeholders["problems"] == f"- {torn}"

    too_large = Reload(result="rejected", problems=("It lacks 2 GiB.",))
    client.status.return_value = replace(STATUS, last_reload={"models": too_large})
    await loaded.runtime_data.async_refresh()
    assert set(issues(hass)) == {"settings_rejected"}


@pytest.mark.parametrize("told", ["", "It was silent."])
async def test_a_version_that_speaks_already_is_only_offered_again_if_its_files_were_replaced(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock, told: str
) -> None:
    client.models.return_value = (Model(id="indextts-2", state="ready", version="new"),)
    reload = Reload(result="rejected", problems=(told,) if told else ())
    client.status.return_value = replace(
        STATUS, canary=CANARY, last_reload={"models": reload}, model="indextts-2"
    )
    await loaded.runtime_data.async_refresh()
    ((key, issue),) = issues(hass).items()
    assert (key, issue.is_fixable) == (
        ("canary_failed", True) if told else ("settings_failed", False)
    )
    assert issue.translation_placeholders == {
        "model": "indextts-2",
        "name": "nas",
        "reason": "It was silent.",
        "version": "new",
    }
    client.status.return_value = STATUS
    await loaded.runtime_data.async_refresh()
    assert issues(hass) == {}


@pytest.mark.parametrize("word", ["degraded", "paused"])
@pytest.mark.parametrize("options", [{}, {CONF_VOICE: "heart"}])
async def test_who_chose_another_voice_is_told_no_more_of_the_old_one_while_a_model_stands_in(
    hass: HomeAssistant,
    choosy: MockConfigEntry,
    client: MagicMock,
    options: dict[str, Any],
    word: str,
) -> None:
    await hass.config_entries.async_setup(choosy.entry_id)
    client.readiness.return_value = Readiness(ready=True, state=word)
    await choosy.runtime_data.async_refresh()
    assert set(issues(hass)) == {"default_voice_missing"}
    choosy.runtime_data.async_choose_voice(options.get(CONF_VOICE))
    assert issues(hass) == {}


async def test_what_somebody_ignores_stays_ignored_when_the_entry_is_reloaded(
    hass: HomeAssistant, choosy: MockConfigEntry, client: MagicMock
) -> None:
    bad = Reload(result="rejected", problems=("Line 3: no such key.",))
    client.status.return_value = replace(STATUS, canary=CANARY, last_reload={"config": bad})
    await hass.config_entries.async_setup(choosy.entry_id)
    for issue in issues(hass).values():
        ir.async_ignore_issue(hass, DOMAIN, issue.issue_id, ignore=True)
    await hass.config_entries.async_reload(choosy.entry_id)
    ignored = {key for key, issue in issues(hass).items() if issue.dismissed_version is not None}
    assert ignored == {"canary_failed", "default_voice_missing", "settings_rejected"}


async def test_nothing_is_said_of_a_change_of_a_daemon_that_is_no_longer_used(
    hass: HomeAssistant, loaded: MockConfigEntry, client: MagicMock
) -> None:
    bad = Reload(result="rejected", problems=("Line 3: no such key.",))
    client.status.return_value = replace(STATUS, canary=CANARY, last_reload={"config": bad})
    await loaded.runtime_data.async_refresh()
    assert set(issues(hass)) == {"canary_failed", "settings_rejected"}
    await hass.config_entries.async_remove(loaded.entry_id)
    assert issues(hass) == {}


def spoken(texts: dict[str, Any]) -> list[str]:
    """Return all words of an issue, those of its dialog too."""
    inner = [spoken(text) if isinstance(text, dict) else [text] for text in texts.values()]
    return [*chain(*inner)]


async def test_every_issue_has_words_that_name_only_what_is_known() -> None:
    folder = Path(custom_components.indextts.__file__).parent
    words = json.loads((folder / "translations/en.json").read_text(encoding="utf-8"))["issues"]
    known = {
        "canary_failed": {"model", "name", "reason", "version"},
        "daemon_too_new": {"api", "name", "supported"},
        "daemon_too_old": {"api", "name", "supported"},
        "default_voice_missing": {"name", "settings", "voice"},
        "settings_failed": {"model", "name", "reason", "version"},
        "settings_rejected": {"name", "problems"},
    }
    assert set(words) == set(known)
    for key, texts in words.items():
        for text in spoken(texts):
            assert {name for _, name, _, _ in Formatter().parse(text) if name} <= known[key]
