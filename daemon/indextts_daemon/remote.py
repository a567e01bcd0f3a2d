"""How the command line talks to a running daemon."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
import io
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from .errors import EngineUnavailableError, SpeechError

NOT_OURS = (aiohttp.ContentTypeError, ValueError, LookupError, TypeError)  # no answer of ours
HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 where a daemon bound so is reached
LOOK = aiohttp.ClientTimeout(total=3.0)
OURS = {"X-IndexTTS-Client": "cli"}
PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=60.0)

# A change may have to load a model first.
CHANGE = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=3600.0)


class NoDaemonError(EngineUnavailableError):
    """No daemon answers at the address."""

    code = "no_daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A daemon's address, and the token for it."""

    url: str
    token: str | None

    @classmethod
    def at(cls, host: str, port: int, token: str | None) -> Self:
        """Return the daemon that listens on `host`, as seen from this machine."""
        address = HERE.get(host, host)
        shown = f"[{address}]" if ":" in address else address
        return cls(url=f"http://{shown}:{port}", token=token)

    async def look(self) -> tuple[str, str]:
        """Ask who answers, and how it is: its instance id and its state; needs no token."""
        async with self._ask("GET", "/v1/info", timeout=LOOK) as response:
            try:
                instance_id = str((await response.json())["instance_id"])
            except NOT_OURS as err:
                raise _something_else(response) from err
        async with self._ask("GET", "/readyz", good=(200, 503), timeout=LOOK) as response:
            return instance_id, str((await response.json())["state"])

    async def open_pairing(self) -> tuple[str, int]:
        """Ask for a pairing code; returns it and its seconds to live."""
        async with self._ask("POST", "/v1/pair/code") as response:
            try:
                body = await response.json()
                return str(body["code"]), int(body["expires_in_s"])
            except NOT_OURS as err:
                raise _something_else(response) from err

    async def models(self) -> dict[str, dict[str, Any]]:
        """Ask what is served; returns what /v1/models says of each, by id."""
        async with self._ask("GET", "/v1/models") as response:
            try:
                return {str(model["id"]): model for model in (await response.json())["data"]}
            except NOT_OURS as err:
                raise _something_else(response) from err

    async def config(self) -> dict[str, Any]:
        """Ask which settings count."""
        async with self._ask("GET", "/v1/config") as response:
            return await _object(response, "settings")

    async def put_config(self, text: str, *, dry: bool = False) -> dict[str, Any]:
        """Send a document for the settings, `dry` only to be looked at; returns what came of it."""
        kind = {"Content-Type": "application/yaml"}
        path = "/v1/config?dry_run=1" if dry else "/v1/config"
        return await self._change("PUT", path, data=text.encode(), headers=kind)

    async def config_versions(self) -> list[dict[str, Any]]:
        """Ask for the good versions of the settings, the newest first."""
        async with self._ask("GET", "/v1/config/versions") as response:
            return list((await _object(response, "versions"))["versions"])

    async def roll_config_back(self, version: int | None) -> dict[str, Any]:
        """Ask for a good version of the settings, or the one before; returns what came of it."""
        named = {} if version is None else {"version": version}
        return await self._change("POST", "/v1/config/rollback", json=named)

    async def reload(self, scope: str) -> dict[str, Any]:
        """Have everything read again, or one kind of it; returns what came of it."""
        return await self._change("POST", "/v1/reload", json={"scope": scope})

    async def document(self, name: str) -> tuple[str, str]:
        """Ask for `lexicon` or `moods` as it is written; returns the text and its mark."""
        async with self._ask("GET", f"/v1/{name}") as response:
            text = str((await _object(response, "document"))["document"])
            return text, response.headers.get("ETag", "")

    async def put_document(self, name: str, text: str, *, match: str = "") -> dict[str, Any]:
        """Send another one, in place of the one of that mark; returns what came of it."""
        headers = {"Content-Type": "application/yaml"} | ({"If-Match": match} if match else {})
        return await self._change("PUT", f"/v1/{name}", data=text.encode(), headers=headers)

    async def preview(self, body: Mapping[str, str]) -> dict[str, Any]:
        """Ask how a text is read aloud; `body` and answer are those of POST /v1/text/preview."""
        async with self._ask("POST", "/v1/text/preview", json=dict(body)) as response:
            return await _object(response, "sentences")

    async def pause(self, wishes: Mapping[str, object]) -> dict[str, Any]:
        """Have the models leave the GPU; returns `paused` and `operation` once they have."""
        path, body = "/v1/pause?wait=1", dict(wishes)
        async with self._ask("POST", path, json=body, timeout=CHANGE) as response:
            return await _object(response, "operation")

    async def resume(self) -> dict[str, Any]:
        """Have the models come back; returns the operation."""
        async with self._ask("POST", "/v1/resume") as response:
            return dict((await _object(response, "operation"))["operation"])

    async def prewarm(self, model: str | None) -> dict[str, Any]:
        """Load a model, or the default; returns the operation once it has ended well."""
        path, body = "/v1/prewarm?wait=1", {} if model is None else {"model": model}
        async with self._ask("POST", path, json=body, timeout=CHANGE) as response:
            return dict((await _object(response, "operation"))["operation"])

    async def model_versions(self, model: str) -> list[dict[str, Any]]:
        """Ask which versions of a model there are."""
        async with self._ask("GET", f"/v1/models/{quote(model, safe='')}/versions") as response:
            return list((await _object(response, "versions"))["versions"])

    async def change_model(self, model: str, action: str, version: str | None) -> dict[str, Any]:
        """Have a model loaded, unloaded, activated or rolled back; returns what has begun."""
        path = f"/v1/models/{quote(model, safe='')}/{action}"
        named = {} if version is None else {"version": version}
        async with self._ask("POST", path, good=(202,), json=named) as response:
            return dict((await _object(response, "operation"))["operation"])

    async def operations(self) -> list[dict[str, Any]]:
        """Ask what was changed, the newest first."""
        async with self._ask("GET", "/v1/operations") as response:
            return list((await _object(response, "operations"))["operations"])

    async def operation(self, operation: str) -> dict[str, Any]:
        """Ask how far an operation has come."""
        async with self._ask("GET", f"/v1/operations/{operation}") as response:
            return await _object(response, "result")

    async def add_voice(self, audio: bytes, said: Mapping[str, str]) -> dict[str, Any]:
        """Send a recording for a new voice, with what is said of it; returns the voice."""
        form, good = _form(audio, said), (201,)
        async with self._ask(
            "POST", "/v1/voices", good=good, data=form, timeout=CHANGE
        ) as response:
            return await _object(response, "quality")

    async def replace_voice(
        self, voice: str, audio: bytes, said: Mapping[str, str]
    ) -> dict[str, Any]:
        """Send another recording for a voice; returns the voice."""
        path, form = f"/v1/voices/{quote(voice, safe='')}", _form(audio, said)
        async with self._ask("PUT", path, data=form, timeout=CHANGE) as response:
            return await _object(response, "quality")

    async def delete_voice(self, voice: str) -> dict[str, Any]:
        """Have a voice forgotten; returns the operation."""
        path = f"/v1/voices/{quote(voice, safe='')}"
        async with self._ask("DELETE", path, timeout=CHANGE) as response:
            return dict((await _object(response, "operation"))["operation"])

    async def speak(self, body: dict[str, Any]) -> AsyncGenerator[bytes]:
        """Yield encoded speech as it is made."""
        async with self._ask("POST", "/v1/audio/speech", json=body) as response:
            if not response.content_type.startswith("audio/"):
                raise _something_else(response)
            async for part in response.content.iter_any():
                yield part

    async def _change(self, method: str, path: str, **extra: Any) -> dict[str, Any]:
        """Ask for a change; what was tried and rejected is returned too."""
        good = (200, 412, 422, 500, 507)
        async with self._ask(method, path, good=good, timeout=CHANGE, **extra) as response:
            if response.ok:
                return await _object(response, "result")
            body = await _object(response, "error")
            if "result" not in body:
                raise await _refusal(response)
            return body

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, *, good: Collection[int] = (200,), **extra: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send, and read the envelope of a refusal. Raises NoDaemonError, SpeechError."""
        headers = OURS | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        try:
            async with (
                aiohttp.ClientSession(timeout=PATIENCE, headers=headers) as session,
                session.request(method, f"{self.url}{path}", **extra) as response,
            ):
                if response.status not in good:
                    raise await _refusal(response)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as err:
            raise NoDaemonError(f"No daemon answers at {self.url}.") from err
        except (aiohttp.ClientError, TimeoutError) as err:
            raise SpeechError(f"The daemon at {self.url} broke off.", code="broken_off") from err


def _form(audio: bytes, said: Mapping[str, str]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in said.items():
        form.add_field(name, value)
    form.add_field("audio", io.BytesIO(audio), filename="recording")
    return form


async def _object(response: aiohttp.ClientResponse, holding: str) -> dict[str, Any]:
    """Return the object in an answer, which holds at least one thing."""
    try:
        body = dict(await response.json())
        body[holding]
    except NOT_OURS as err:
        raise _something_else(response) from err
    return body


async def _refusal(response: aiohttp.ClientResponse) -> SpeechError:
    try:
        error = (await response.json())["error"]
        return SpeechError(str(error["message"]), code=str(error["code"]), param=error["param"])
    except NOT_OURS:
        return _something_else(response)


def _something_else(response: aiohttp.ClientResponse) -> SpeechError:
    return SpeechError(f"Something else answers at {response.url.origin()}.", code="not_indextts")
