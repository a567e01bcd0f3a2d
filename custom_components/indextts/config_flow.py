"""Meets a daemon, makes sure that it is the right one, and earns a token from it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import chain, count
import re
from typing import Any, Final, override

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import probatio
from yarl import URL

from .client import (
    IndexTTSAuthError,
    IndexTTSClient,
    IndexTTSConnectionError,
    IndexTTSError,
    IndexTTSRequestError,
    Info,
)
from .const import DEFAULT_PORT, DOMAIN
from .errors import error_key
from .options_flow import IndexTTSOptionsFlow

CONF_CREDENTIAL: Final = "credential"

_PAIRING_CODE: Final = re.compile("[0-9]{6}")
_LONGEST_CODE: Final = 7  # digits that are taken for a mistyped code, rather than for a token
_CREDENTIAL_ERRORS: Final = frozenset({"invalid_token", "pairing_closed", "pairing_code_invalid"})
# What the dialogs have sentences of their own for: those that end them, and those that go on.
_ABORTS: Final = frozenset(
    {"cannot_connect", "daemon_too_new", "daemon_too_old", "not_indextts", "other_instance"}
)
_ERRORS: Final = _ABORTS | _CREDENTIAL_ERRORS | {"draining", "loading"}

# Of plain texts, the frontend puts the cursor into the first: people type at once.
_PLACE_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_HOST): str,
        probatio.Required(CONF_PORT, default=DEFAULT_PORT): cv.port,
    }
)
_CREDENTIAL_SCHEMA: Final = probatio.Schema({probatio.Required(CONF_CREDENTIAL): str})

type Place = tuple[str, int]  # host and port


class IndexTTSConfigFlow(ConfigFlow, domain=DOMAIN):
    """One flow for a daemon that was found, typed in, has moved, or has forgotten us."""

    VERSION = 1

    _place: Place
    _name: str

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> IndexTTSOptionsFlow:
        return IndexTTSOptionsFlow()

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Meet a daemon that announced itself, wherever it lives by now."""
        instance_id, port = discovery_info.properties.get("id"), discovery_info.port
        if not instance_id or port is None:
            return self.async_abort(
                reason="not_indextts", description_placeholders={"address": discovery_info.host}
            )
        known = await self.async_set_unique_id(instance_id)
        places = [(address, port) for address in discovery_info.addresses]
        if known and known.source == SOURCE_IGNORE:
            self._abort_if_unique_id_configured()
        elif known:
            places.insert(0, (known.data[CONF_HOST], known.data[CONF_PORT]))
        try:
            info = await self._async_meet(places, instance_id)
        except IndexTTSError as err:
            return self.async_abort(
                reason=error_key(err, _ABORTS),
                description_placeholders={"message": str(err), **err.details},
            )
        self._abort_if_unique_id_configured(updates=self._address)
        self.context["title_placeholders"] = {"name": self._name}
        self.context["configuration_url"] = self._page
        if info.auth:
            return await self.async_step_pair()
        return await self.async_step_zeroconf_confirm()

    async def async_step_zeroconf_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to add a found daemon that wants no token, unless it wants one by now."""
        errors: dict[str, str] = {}
        details: dict[str, str] = {}
        if user_input is not None:
            try:
                info = await self._async_meet([self._place], self.unique_id)
            except IndexTTSError as err:
                errors["base"] = error_key(err, _ERRORS)
                details = err.details
            else:
                return await self.async_step_pair() if info.auth else self._async_finish(None)
        return self.async_show_form(
            step_id="zeroconf_confirm",
            errors=errors,
            description_placeholders={**details, "name": self._name},
        )

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Meet a daemon at an address that was typed in."""
        return await self._async_ask_place("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Meet the daemon that was set up at another address, and no other daemon."""
        return await self._async_ask_place("reconfigure", user_input, self._get_reconfigure_entry())

    async def async_step_pair(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Earn a token from a daemon that was just met."""
        return await self._async_ask_credential("pair", user_input)

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002 - the signature is core's
    ) -> ConfigFlowResult:
        """Start over with a daemon that no longer knows our token."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Earn a new token, wherever the daemon has moved to since this was first shown."""
        entry = self._get_reauth_entry()
        self._place = entry.data[CONF_HOST], entry.data[CONF_PORT]
        self._name = entry.title
        return await self._async_ask_credential("reauth_confirm", user_input)

    async def _async_ask_place(
        self, step_id: str, user_input: dict[str, Any] | None, entry: ConfigEntry | None = None
    ) -> ConfigFlowResult:
        """Meet the daemon where it is said to be: that of `entry`, else any that is new."""
        errors: dict[str, str] = {}
        shown: Mapping[str, Any] | None = entry.data if entry else None
        details = {"name": entry.title} if entry else {}
        if user_input is not None:
            shown = user_input
            try:
                place = _read_place(user_input[CONF_HOST], user_input[CONF_PORT])
                info = await self._async_meet([place], entry.unique_id if entry else None)
                token = entry.data[CONF_TOKEN] if entry and info.auth else None
                welcome = await self._async_is_welcome(info, token)
            except ValueError:
                errors[CONF_HOST] = "invalid_host"
            except IndexTTSError as err:
                errors[CONF_HOST] = error_key(err, _ERRORS)
                details |= err.details
            else:
                await self.async_set_unique_id(info.instance_id, raise_on_progress=False)
                if entry is None:
                    self._abort_if_unique_id_configured(updates=self._address)
                return self._async_finish(token) if welcome else await self.async_step_pair()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(_PLACE_SCHEMA, shown),
            errors=errors,
            description_placeholders=details,
        )

    async def _async_ask_credential(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        details: dict[str, str] = {}
        if user_input is not None:
            try:
                token = await self._async_earn_token(user_input[CONF_CREDENTIAL])
            except IndexTTSError as err:
                key = error_key(err, _ERRORS)
                errors[CONF_CREDENTIAL if key in _CREDENTIAL_ERRORS else "base"] = key
                details = err.details
            else:
                return self._async_finish(token)
        mistyped = "pairing_code_invalid" in errors.values()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                _CREDENTIAL_SCHEMA, user_input if mistyped else None
            ),
            errors=errors,
            description_placeholders={**details, "name": self._name, "page": self._page},
        )

    async def _async_meet(self, places: Sequence[Place], instance_id: str | None = None) -> Info:
        """Settle on the first place where the daemon answers, or raise the most telling error."""
        failures: list[IndexTTSError] = []
        for place in places:
            self._place = place
            try:
                info = await self._client().info(expect=instance_id)
            except IndexTTSError as err:
                failures.append(err)
            else:
                self._name = info.name
                return info
        raise min(failures, key=lambda err: isinstance(err, IndexTTSConnectionError))

    async def _async_is_welcome(self, info: Info, token: str | None) -> bool:
        """Say whether the daemon lets us in with this token, or without one."""
        if token is None:
            return not info.auth
        try:
            await self._client(token).voices()
        except IndexTTSAuthError:
            return False
        return True

    async def _async_earn_token(self, credential: str) -> str | None:
        """Exchange a pairing code for a token, or try the token that was given instead.

        None if the daemon has stopped asking for one.
        """
        if not (await self._client().info(expect=self.unique_id)).auth:
            return None
        word = "".join(credential.split())
        if word.isdecimal() and len(word) <= _LONGEST_CODE:
            if not _PAIRING_CODE.fullmatch(word):  # not worth one of the five misses
                raise IndexTTSRequestError("pairing_code_invalid", "A code has six digits.")
            return (await self._client().pair(word, "Home Assistant")).token
        await self._client(word).voices()
        return word

    def _async_finish(self, token: str | None) -> ConfigFlowResult:
        """Keep where the daemon is and what it knows us by: in its entry, else in a new one."""
        if self.source == SOURCE_REAUTH:
            return self.async_update_reload_and_abort(
                self._get_reauth_entry(),
                data_updates={CONF_TOKEN: token},
                reason="reauth_successful",
            )
        data = {**self._address, CONF_TOKEN: token}
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_reload_and_abort(
                self._get_reconfigure_entry(), data_updates=data, reason="reconfigure_successful"
            )
        return self.async_create_entry(title=self._free_title(), data=data)

    def _free_title(self) -> str:
        """Return the daemon's name, with a number if another one is named so."""
        taken = {entry.title for entry in self._async_current_entries(include_ignore=False)}
        titles = chain([self._name], (f"{self._name} {number}" for number in count(2)))
        return next(title for title in titles if title not in taken)

    @property
    def _address(self) -> dict[str, Any]:
        host, port = self._place
        return {CONF_HOST: host, CONF_PORT: port}

    @property
    def _page(self) -> str:
        """The daemon's own page, for people."""
        return str(self._client().url)

    def _client(self, token: str | None = None) -> IndexTTSClient:
        return IndexTTSClient(async_get_clientsession(self.hass), *self._place, token)


def _read_place(text: str, port: int) -> Place:
    """Read a host, a host with a port or a pasted URL; anything else is a ValueError."""
    text = text.strip()
    with suppress(ValueError):
        return str(ip_address(text)), port
    url = URL(text if "://" in text else f"//{text}")
    if not url.host:
        raise ValueError(text)
    return url.host, url.explicit_port or port
