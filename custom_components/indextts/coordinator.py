"""Keeps what is known about one daemon fresh, and says when it is away."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSError,
    Info,
    Languages,
    Model,
    Readiness,
    Status,
    Voice,
)
from .const import (
    CONF_VOICE,
    DEGRADED,
    EVENT_COOLDOWN_S,
    LOGGER,
    LONGEST_PAUSE_S,
    PAUSED,
    POLL_INTERVAL,
    SHORTEST_PAUSE_S,
    WAKING_POLL_INTERVAL,
)
from .errors import translated
from .issues import (
    async_check_changes,
    async_check_compatibility,
    async_check_default_voice,
)

type IndexTTSConfigEntry = ConfigEntry[IndexTTSCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSData:
    """One look at the daemon."""

    info: Info
    readiness: Readiness
    languages: Languages
    voices: tuple[Voice, ...]
    moods: tuple[str, ...]  # the household's; a voice may have recorded more
    models: tuple[Model, ...]
    status: Status

    @property
    def stood_in_for(self) -> bool:
        """Whether the model that should speak is not there, and another one is listed for it."""
        return self.readiness.state in {DEGRADED, PAUSED}

    def voice(self, id_: str | None) -> Voice | None:
        """Return the voice of that id, None if the daemon has none."""
        return next((voice for voice in self.voices if voice.id == id_), None)


class IndexTTSCoordinator(DataUpdateCoordinator[IndexTTSData]):
    """Owns the client. While the daemon is away, `data` stays what was last seen."""

    config_entry: IndexTTSConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: IndexTTSConfigEntry, client: IndexTTSClient
    ) -> None:
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=POLL_INTERVAL,
            request_refresh_debouncer=Debouncer(
                hass, LOGGER, cooldown=EVENT_COOLDOWN_S, immediate=True
            ),
            always_update=False,
        )
        self.client = client
        self._something_happened = False  # since the last look began

    async def async_meet(self) -> Info:
        """Make sure that the daemon which was set up answers, for the token goes to no other."""
        return await self.client.info(expect=self.config_entry.unique_id)

    async def async_listen(self) -> None:
        """Look again at every event and when events end; try to hear more of them, for ever."""
        pause_s = SHORTEST_PAUSE_S
        trouble: type[IndexTTSError] | None = None
        while True:
            was_lost, known = True, trouble
            try:
                await self.async_meet()
                was_lost = False  # if only its events are refused, nothing has changed
                async with aclosing(self.client.events()) as events:
                    async for event in events:
                        was_lost = True
                        pause_s = SHORTEST_PAUSE_S
                        if not event.is_progress:
                            self._something_happened = True
                            await self.async_request_refresh()
            except IndexTTSError as err:
                trouble = type(err)
            # While it is known to be away, only trouble of another kind is news.
            if was_lost if self.last_update_success else trouble is not known:
                await self.async_refresh()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    @override
    async def _async_update_data(self) -> IndexTTSData:
        self._something_happened = False
        try:
            data = await self._async_look()
        except IndexTTSError as err:
            if self._shutdown_requested:  # the entry went away meanwhile: nobody asks any more
                return self.data
            raise self._absence(err) from err
        finally:
            if self._something_happened:  # meanwhile, perhaps after it was asked for
                await self.async_request_refresh()  # later: two looks never overlap
        if not self._shutdown_requested:
            self._follow(data)
        return data

    @callback
    def async_choose_voice(self, voice: str | None) -> None:
        """Keep a voice as the entry's default, None for the daemon's own, without a reload."""
        kept = {name: it for name, it in self.config_entry.options.items() if name != CONF_VOICE}
        chosen = {} if voice is None else {CONF_VOICE: voice}
        self.hass.config_entries.async_update_entry(self.config_entry, options={**kept, **chosen})
        self._check_voice(self.data)
        self.async_update_listeners()

    def failure(self, err: IndexTTSError, **names: str) -> HomeAssistantError:
        """Return `err` in words that may name `names`; a token that fell out of use is renewed."""
        if isinstance(err, IndexTTSAuthError):
            self.config_entry.async_start_reauth(self.hass)
        return translated(HomeAssistantError, err, **names)

    def _absence(self, err: IndexTTSError) -> ConfigEntryAuthFailed | UpdateFailed:
        self.update_interval = POLL_INTERVAL
        if isinstance(err, IndexTTSAuthError):
            return translated(ConfigEntryAuthFailed, err)
        async_check_compatibility(self.hass, self.config_entry, err)
        failure = translated(UpdateFailed, err)
        failure.retry_after = err.retry_after_s
        return failure

    def _follow(self, data: IndexTTSData) -> None:
        async_check_compatibility(self.hass, self.config_entry, None)
        async_check_changes(self.hass, self.config_entry, data.status, data.models)
        self._check_voice(data)
        settled = data.readiness.ready or data.readiness.state == PAUSED
        self.update_interval = POLL_INTERVAL if settled else WAKING_POLL_INTERVAL

    def _check_voice(self, data: IndexTTSData) -> None:
        chosen = self.config_entry.options.get(CONF_VOICE)
        are_all_there = data.readiness.ready and not data.stood_in_for
        if are_all_there or chosen is None or data.voice(chosen):
            async_check_default_voice(self.hass, self.config_entry, data.voices)

    async def _async_look(self) -> IndexTTSData:
        info = await self.async_meet()
        readiness = await self.client.readiness()
        status = await self.client.status()
        models = await self.client.models()
        is_coming = not readiness.ready and readiness.state != PAUSED  # with no voices to list yet
        if self.data and is_coming:
            return replace(self.data, info=info, readiness=readiness, status=status, models=models)
        data = IndexTTSData(
            info=info,
            readiness=readiness,
            languages=await self.client.languages(),
            voices=await self.client.voices(),
            moods=await self.client.moods(),
            models=models,
            status=status,
        )
        if self.data and data.stood_in_for:
            return replace(data, languages=_joined(data.languages, self.data.languages))
        return data


def _joined(now: Languages, before: Languages) -> Languages:
    """Keep the languages that were spoken before: Home Assistant refuses what is not listed."""
    codes = {language.code for language in now.languages}
    kept = tuple(language for language in before.languages if language.code not in codes)
    return replace(now, languages=now.languages + kept)
