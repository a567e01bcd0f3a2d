"""Keeps what is known about one daemon fresh, and says when it is away."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSError,
    Info,
    Languages,
    Readiness,
    Status,
    Voice,
)
from .const import (
    DEGRADED,
    EVENT_COOLDOWN_S,
    LOGGER,
    LONGEST_PAUSE_S,
    POLL_INTERVAL,
    SHORTEST_PAUSE_S,
    WAKING_POLL_INTERVAL,
)
from .errors import translated
from .issues import async_check_compatibility, async_check_default_voice

type IndexTTSConfigEntry = ConfigEntry[IndexTTSCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSData:
    """One look at the daemon."""

    info: Info
    readiness: Readiness
    languages: Languages
    voices: tuple[Voice, ...]
    moods: tuple[str, ...]  # the household's; a voice may have recorded more
    status: Status

    @property
    def stood_in_for(self) -> bool:
        """Whether the model that should speak is not there, and another one is listed for it."""
        return self.readiness.state == DEGRADED

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
                    async for _ in events:
                        was_lost = True
                        pause_s = SHORTEST_PAUSE_S
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
        try:
            data = await self._async_look()
        except IndexTTSError as err:
            if self._shutdown_requested:  # the entry went away meanwhile: nobody asks any more
                return self.data
            raise self._failure(err) from err
        if not self._shutdown_requested:
            self._follow(data)
        return data

    def _failure(self, err: IndexTTSError) -> ConfigEntryAuthFailed | UpdateFailed:
        self.update_interval = POLL_INTERVAL
        if isinstance(err, IndexTTSAuthError):
            return translated(ConfigEntryAuthFailed, err)
        async_check_compatibility(self.hass, self.config_entry, err)
        failure = translated(UpdateFailed, err)
        failure.retry_after = err.retry_after_s
        return failure

    def _follow(self, data: IndexTTSData) -> None:
        async_check_compatibility(self.hass, self.config_entry, None)
        if data.readiness.ready and not data.stood_in_for:  # all voices are there
            async_check_default_voice(self.hass, self.config_entry, data.voices)
        self.update_interval = POLL_INTERVAL if data.readiness.ready else WAKING_POLL_INTERVAL

    async def _async_look(self) -> IndexTTSData:
        info = await self.async_meet()
        readiness = await self.client.readiness()
        status = await self.client.status()
        if self.data and not readiness.ready:  # while it loads it may have no voices to list
            return replace(self.data, info=info, readiness=readiness, status=status)
        data = IndexTTSData(
            info=info,
            readiness=readiness,
            languages=await self.client.languages(),
            voices=await self.client.voices(),
            moods=await self.client.moods(),
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
