"""The daemon over HTTP: typed questions, frozen answers, one tree of errors.

Knows no Home Assistant: standard library, aiohttp and yarl only.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

PRODUCT: Final = "indextts-daemon"
API_VERSION: Final = 1

_ANSWER_LIMITS: Final = aiohttp.ClientTimeout(total=10)
# Speech may queue and may be long: only silence on the wire is an error.
_SPEECH_LIMITS: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


class IndexTTSError(Exception):
    """Base of all that can go wrong; `code` is stable, `details` are what a sentence may name."""

    code: str
    retry_after_s: float | None = None

    def __init__(self, message: str, /, **details: str) -> None:
        super().__init__(message)
        self.details = details


class IndexTTSConnectionError(IndexTTSError):
    """Nobody answers, too slowly, or the connection broke."""

    code = "cannot_connect"


class IndexTTSNotADaemonError(IndexTTSError):
    """Something else answers at this address."""

    code = "not_indextts"


class IndexTTSOtherInstanceError(IndexTTSError):
    """A daemon answers, but not the one that was expected."""

    code = "other_instance"


class IndexTTSIncompatibleError(IndexTTSError):
    """A daemon answers, but speaks another version of the API."""

    code = "incompatible"


class IndexTTSAuthError(IndexTTSError):
    """The daemon does not know our token."""

    code = "invalid_token"


class IndexTTSRequestError(IndexTTSError):
    """The daemon refused a request, for the reason that `code` names."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, message=message)
        self.code = code
        self.retry_after_s = retry_after_s


class IndexTTSFailureError(IndexTTSRequestError):
    """The daemon could not do what was asked, and the request was not to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """Who the daemon is."""

    instance_id: str
    name: str
    version: str
    engine: str
    model_name: str
    auth: bool  # a token is asked for
    revision: str | None  # changes when the same words would sound different; None while loading


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language that can be spoken, and the ids of its voices, its default first."""

    code: str
    name: str
    voices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Languages:
    """All that can be spoken, and what is spoken unless something else is asked for."""

    default: str
    languages: tuple[Language, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice that the daemon can speak with."""

    id: str
    name: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the daemon would speak now, and its own word for its state."""

    ready: bool
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What a pairing code was exchanged for."""

    token: str
    instance_id: str


class IndexTTSClient:
    """One daemon at one address. The session is borrowed and never closed here.

    The token goes out with `languages`, `voices` and `stream_speech` alone: ask `info` first.
    """

    def __init__(
        self, session: aiohttp.ClientSession, host: str, port: int, token: str | None = None
    ) -> None:
        self._session = session
        self.url = URL.build(scheme="http", host=host, port=port)
        self._credentials = {"Authorization": f"Bearer {token}"} if token else {}

    async def info(self, *, expect: str | None = None) -> Info:
        """Ask who answers, and insist on the instance id `expect` if one is given."""
        data = await self._ask("v1/info")
        if self._field(data, "product", str) != PRODUCT:
            raise self._not_a_daemon()
        if (api := self._field(data, "api", int)) != API_VERSION:
            raise IndexTTSIncompatibleError(
                f"The daemon speaks API {api}, not {API_VERSION}",
                api=str(api),
                supported=str(API_VERSION),
            )
        name = self._field(data, "name", str)
        if (instance_id := self._field(data, "instance_id", str)) != (expect or instance_id):
            raise IndexTTSOtherInstanceError(
                f"Another daemon answers at {self.url}", address=str(self.url), other=name
            )
        return Info(
            instance_id=instance_id,
            name=name,
            version=self._field(data, "version", str),
            engine=self._field(self._field(data, "engine", dict), "id", str),
            model_name=self._field(data, "model_name", str),
            auth=self._field(data, "auth", bool),
            revision=self._field(data, "revision", str) if data.get("revision") else None,
        )

    async def readiness(self) -> Readiness:
        """Ask whether the daemon would speak now."""
        answers = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        async with self._request("readyz", answers=answers) as response:
            return Readiness(
                ready=response.status == HTTPStatus.OK,
                state=self._field(await self._json(response), "state", str),
            )

    async def languages(self) -> Languages:
        """List what can be spoken, with the voices for it."""
        data = await self._ask("v1/languages", headers=self._credentials)
        return Languages(
            default=self._field(data, "default", str),
            languages=tuple(
                Language(
                    code=self._field(item, "code", str),
                    name=self._field(item, "name", str),
                    voices=self._strings(item, "voices"),
                )
                for item in self._field(data, "languages", list)
            ),
        )

    async def voices(self) -> tuple[Voice, ...]:
        """List the voices."""
        data = await self._ask("v1/voices", headers=self._credentials)
        return tuple(
            Voice(
                id=self._field(item, "id", str),
                name=self._field(item, "name", str),
                languages=self._strings(item, "languages"),
            )
            for item in self._field(data, "voices", list)
        )

    async def pair(self, code: str, name: str) -> Pairing:
        """Exchange a pairing code for a token; `name` is how the daemon will remember us."""
        data = await self._ask("v1/pair", body={"code": code, "name": name})
        return Pairing(
            token=self._field(data, "token", str),
            instance_id=self._field(data, "instance_id", str),
        )

    async def stream_speech(
        self, text: str, *, language: str, voice: str | None, response_format: str
    ) -> AsyncGenerator[bytes]:
        """Yield the encoded speech as it is made. Closing the generator ends the daemon's work.

        A refusal is raised by the first step, a failure half-way by a later one.
        """
        body = {"input": text, "language": language, "response_format": response_format}
        if voice is not None:
            body["voice"] = voice
        async with self._request(
            "v1/audio/speech", headers=self._credentials, limits=_SPEECH_LIMITS, body=body
        ) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    async def _ask(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> Any:
        async with self._request(path, headers=headers, body=body) as response:
            return await self._json(response)

    @asynccontextmanager
    async def _request(
        self,
        path: str,
        *,
        answers: tuple[HTTPStatus, ...] = (HTTPStatus.OK,),
        headers: dict[str, str] | None = None,
        limits: aiohttp.ClientTimeout | None = None,
        body: dict[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a response whose status is one of `answers`; reading it raises our errors too."""
        try:
            async with self._session.request(
                HTTPMethod.GET if body is None else HTTPMethod.POST,
                self.url / path,
                json=body,
                headers=headers,
                timeout=limits or _ANSWER_LIMITS,
                allow_redirects=False,  # the token goes to this address or nowhere
            ) as response:
                if response.status not in answers:
                    raise await self._refusal(response)
                yield response
        except aiohttp.ClientResponseError as err:
            raise self._not_a_daemon() from err
        except (aiohttp.ClientError, OSError) as err:  # TimeoutError is an OSError
            raise IndexTTSConnectionError(
                f"No answer from {self.url}", address=str(self.url)
            ) from err

    async def _refusal(self, response: aiohttp.ClientResponse) -> IndexTTSError:
        error = self._field(await self._json(response), "error", dict)
        code = self._field(error, "code", str)
        message = self._field(error, "message", str)
        if response.status == HTTPStatus.UNAUTHORIZED:
            return IndexTTSAuthError(message)
        seconds = response.headers.get("Retry-After", "")
        failed = response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = IndexTTSFailureError if failed else IndexTTSRequestError
        return kind(code, message, float(seconds) if seconds.isdecimal() else None)

    async def _json(self, response: aiohttp.ClientResponse) -> Any:
        if response.content_type != "application/json":
            raise self._not_a_daemon()
        try:
            return await response.json()
        except ValueError as err:
            raise self._not_a_daemon() from err

    def _field[T](self, data: Any, key: str, kind: type[T]) -> T:
        value = data.get(key) if isinstance(data, dict) else None
        if not isinstance(value, kind):
            raise self._not_a_daemon()
        return value

    def _strings(self, data: Any, key: str) -> tuple[str, ...]:
        values = self._field(data, key, list)
        if not all(isinstance(value, str) for value in values):
            raise self._not_a_daemon()
        return tuple(values)

    def _not_a_daemon(self) -> IndexTTSNotADaemonError:
        return IndexTTSNotADaemonError(
            f"What answers at {self.url} is not an IndexTTS daemon", address=str(self.url)
        )
