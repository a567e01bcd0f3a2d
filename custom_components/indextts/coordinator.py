"""Keeps what is known about one daemon fresh, and says when it is away."""

from dataclasses import dataclass, replace
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed
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
from .const import LOGGER, POLL_INTERVAL, WAKING_POLL_INTERVAL
from .errors import translated

type IndexTTSConfigEntry = ConfigEntry[IndexTTSCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTTSData:
    """One look at the daemon."""

    info: Info
    readiness: Readiness
    languages: Languages
    voices: tuple[Voice, ...]
    status: Status


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
            always_update=False,
        )
        self.client = client

    async def async_meet(self) -> Info:
        """Make sure that the daemon which was set up answers, for the token goes to no other."""
        return await self.client.info(expect=self.config_entry.unique_id)

    @override
    async def _async_update_data(self) -> IndexTTSData:
        try:
            info = await self.async_meet()
            readiness = await self.client.readiness()
            status = await self.client.status()
            if self.data and not readiness.ready:  # while it loads it may have no voices to list
                data = replace(self.data, info=info, readiness=readiness, status=status)
            else:
                data = IndexTTSData(
                    info=info,
                    readiness=readiness,
                    languages=await self.client.languages(),
                    voices=await self.client.voices(),
                    status=status,
                )
        except IndexTTSAuthError as err:
            raise translated(ConfigEntryAuthFailed, err) from err
        except IndexTTSError as err:
            failure = translated(UpdateFailed, err)
            failure.retry_after = err.retry_after_s
            raise failure from err
        self.update_interval = POLL_INTERVAL if readiness.ready else WAKING_POLL_INTERVAL
        return data
