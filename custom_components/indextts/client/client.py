"""One daemon as typed questions and frozen answers."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

from .answers import Info, Languages, Model, Pairing, Readiness, Status, Voice, read_moods
from .changes import Operation, Reload
from .connection import Connection
from .errors import (
    IndexTTSOtherInstanceError,
    IndexTTSRequestError,
    IndexTTSTooNewError,
    IndexTTSTooOldError,
)
from .events import Event, events
from .reading import field
from .speech import SpeechOrder, speak

PRODUCT: Final = "indextts-daemon"
API_VERSION: Final = 1

_LONGEST_LOAD_S: Final = 3600  # the most that the daemon's `worker.load_timeout_s` allows
_TRIAL_S: Final = 300
# A daemon that goes away meanwhile hangs up.
_WORK_LIMITS: Final = aiohttp.ClientTimeout(total=_LONGEST_LOAD_S + _TRIAL_S, sock_connect=10)


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
        return await self._list("v1/moods", read_moods)

    async def models(self) -> tuple[Model, ...]:
        """List what the daemon can speak with."""
        return await self._list("v1/models", Model.read_all)

    async def operations(self, limit: int) -> tuple[Operation, ...]:
        """List the last changes, the newest first; one that can change nothing has none."""
        return (await self._list("v1/operations", Operation.read_all))[:limit]

    async def status(self) -> Status:
        """Ask how it goes."""
        return await self._connection.ask("v1/status", Status.read, with_token=True)

    async def pair(self, code: str, name: str) -> Pairing:
        """Exchange a pairing code for a token; `name` is how the daemon will remember us."""
        body = {"code": code, "name": name}
        return await self._connection.ask("v1/pair", Pairing.read, body=body)

    async def activate_model(self, model: str, *, version: str | None = None) -> Operation:
        """Speak with a model from now on, in that version; ends when it does, or will not."""
        body = {} if version is None else {"version": version}
        path = f"v1/models/{model}/activate?wait=true"
        return await self._work(path, body, Operation.read_one)

    async def rollback_model(self, model: str) -> Operation:
        """Speak with the version of a model that spoke before; ends when it does, or will not."""
        path = f"v1/models/{model}/rollback?wait=true"
        return await self._work(path, {}, Operation.read_one)

    async def prewarm(self) -> Operation:
        """Begin to load what speaks by default, so that the next message need not wait for it."""
        answers = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
        return await self._work("v1/prewarm", {}, Operation.read_one, answers=answers)

    async def reload(self) -> Reload:
        """Read anew all that the household wrote and put there; what is wrong is left out."""
        answers = (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY)
        return await self._work("v1/reload", {"scope": "all"}, Reload.read, answers=answers)

    async def pause(self, reason: str) -> None:
        """Leave the graphics card to other work, until `resume`."""
        await self._work("v1/pause", {"reason": reason}, _read_nothing)

    async def resume(self) -> None:
        """End the pause."""
        await self._work("v1/resume", {}, _read_nothing)

    def speak(self, texts: AsyncIterable[str], order: SpeechOrder) -> AsyncGenerator[bytes]:
        """Yield the encoded speech as it is made, while `texts` may still arrive.

        A refusal is raised by the first step, a failure half-way by a later one; only whole
        speech ends without an error. Closing the generator ends the daemon's work.
        """
        return speak(self._connection, texts, order)

    def events(self) -> AsyncGenerator[Event]:
        """Yield what happens, until the connection is lost, which is an error."""
        return events(self._connection)

    async def _list[T](self, path: str, read: Callable[[Any], tuple[T, ...]]) -> tuple[T, ...]:
        """List what is there; a daemon that does not know such a list has nothing of it."""
        try:
            return await self._connection.ask(path, read, with_token=True)
        except IndexTTSRequestError as err:
            if err.code == "not_found":
                return ()
            raise

    async def _work[T](
        self,
        path: str,
        body: dict[str, Any],
        read: Callable[[Any], T],
        *,
        answers: tuple[HTTPStatus, ...] = (HTTPStatus.OK,),
    ) -> T:
        """Have something changed, however long that takes."""
        async with self._connection.request(
            path, answers=answers, with_token=True, limits=_WORK_LIMITS, body=body
        ) as response:
            return read(await self._connection.json(response))


def _read_nothing(_: Any) -> None:
    """Leave what the answer says to the status, which says it as well."""


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
