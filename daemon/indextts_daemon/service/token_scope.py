"""The token as a thing that is reloaded: whoever asks next has to know the new one."""

import asyncio
from pathlib import Path

from indextts_daemon.errors import SettingsError
from indextts_daemon.identity import Identity, read_token, remember

from .generation import Generation
from .operations import Running
from .reloading import Change

NEW_ONE = "`indextts-daemon token --new` makes a new one; the old one still counts."


class TokenScope:
    """Reads the token's file again, unless the token was given when the daemon started."""

    name = "token"

    def __init__(self, identity: Identity, data_dir: Path, *, given: str | None) -> None:
        """`given` is INDEXTTS_TOKEN, which wins over the file."""
        self._identity = identity
        self._data_dir = data_dir
        self._given = (given or "").strip()

    async def stage(self, wish: object, running: Running) -> Change | None:  # noqa: ARG002 no wishes
        """Read the file. Raises SettingsError where no token is in it that could count."""
        if self._given:
            running.detail(shadowed=["token"])
            return None
        token = await asyncio.to_thread(self._read)
        if token == self._identity.token:
            return None
        await asyncio.to_thread(remember, self._data_dir, self._identity, token=token)

        def apply(generation: Generation) -> Generation:
            self._identity.token = token
            return generation

        return Change(apply=apply)

    def _read(self) -> str:
        try:
            token = read_token(self._data_dir)
        except SettingsError as err:
            message = err.message.replace(str(self._data_dir / "token"), "The file token")
            raise SettingsError(message) from err
        if token is None:
            raise SettingsError(f"The file token is empty or gone. {NEW_ONE}")
        return token
