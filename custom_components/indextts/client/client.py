"""One daemon as typed questions and frozen answers."""

from collections.abc import AsyncGenerator, AsyncIterable
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

from .answers import Info, Languages, Pairing, Readiness, Status, Voice, field, read_moods
from .connection import Connection
from .errors import (
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
)
from .events import events
from .speech import SpeechOrder, speak

PRODUCT: Final = "indextts-daemon"
API_VERSION: Final = 1


class IndexTTSClient:
    """One daemon at one address. The session is borrowed and never closed here.

    The token goes out with all but `info`, `readiness` and `pair`: ask `info` first.
    """

    def __init__(
        self, session: aiohttp.ClientSession, host: str, port: int, token: str | None = None
    ) -> None:
        self.url = URL.build(scheme="http", host=host, port=port)
        self._connection = Connection(session, self.url, token)

    async def info(self, *, expect: str | None = None) -> Info:
        """Ask who answers, and insist on the instance id `expect` if one is given."""
        info = await self._connection.ask("v1/info", _read_info)
        if info.instance_id != (expect or info.instance_id):
            raise IndexTTSOtherInstanceError(
                f"Another daemon answers at {self.url}", address=str(self.url), other=info.name
            )
        return info

    async def readiness(self) -> Readiness:
        """Ask whether the daemon would speak now."""
        answers = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        async with self._connection.request("readyz", answers=answers) as response:
            return Readiness(
                ready=response.status == HTTPStatus.OK,
                state=field(await self._connection.json(response), "state", str),
            )

    async def languages(self) -> Languages:
        """List what can be spoken, with the voices for it."""
        return await self._connection.ask("v1/languages", Languages.read, with_token=True)

    async def voices(self) -> tuple[Voice, ...]:
        """List the voices."""
        return await self._connection.ask("v1/voices", Voice.read_all, with_token=True)

    async def moods(self) -> tuple[str, ...]:
        """List the household's moods; a daemon from before there were moods has none."""
        try:
            return await self._connection.ask("v1/moods", read_moods, with_token=True)
        except IndexTTSRequestError as err:
            if err.code == "not_found":
                return ()
            raise

    async def status(self) -> Status:
        """Ask how it goes."""
        return await self._connection.ask("v1/status", Status.read, with_token=True)

    async def pair(self, code: str, name: str) -> Pairing:
        """Exchange a pairing code for a token; `name` is how the daemon will remember us."""
        body = {"code": code, "name": name}
        return await self._connection.ask("v1/pair", Pairing.read, body=body)

    def speak(self, texts: AsyncIterable[str], order: SpeechOrder) -> AsyncGenerator[bytes]:
        """Yield the encoded speech as it is made, while `texts` may still arrive.

        A refusal is raised by the first step, a failure half-way by a later one; only whole
        speech ends without an error. Closing the generator ends the daemon's work.
        """
        return speak(self._connection, texts, order)

    def events(self) -> AsyncGenerator[str]:
        """Yield the names of what happens, until the connection is lost, which is an error."""
        return events(self._connection)


def _read_info(data: Any) -> Info:
    """Read who answers, which only a daemon of our API says in words that are known here."""
    if field(data, "product", str) != PRODUCT:
        raise ValueError("product")
    if (api := field(data, "api", int)) != API_VERSION:
        kind = IndexTTSTooOldError if api < API_VERSION else IndexTTSTooNewError
        raise kind(
            f"The daemon speaks API {api}, not {API_VERSION}",
            api=str(api),
            supported=str(API_VERSION),
        )
    return Info.read(data)
