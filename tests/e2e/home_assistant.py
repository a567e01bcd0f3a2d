"""Home Assistant as its owner's browser and players use it: HTTP, WebSocket and the log."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import re
import time
from typing import Any

import aiohttp

from tests.e2e.waiting import eventually

LOG_S = 10
LISTEN_S = 60
LOUDSPEAKER = "media_player.loudspeaker"
# What a Home Assistant says about itself outside of its container, or after many changes.
BENIGN = re.compile(
    r"Skipping pip installation|has not been tested by Home Assistant|zlib|turbojpeg|marketplace"
    r"|for translation: Invalid domain \w+\.|is logging too frequently",
    re.IGNORECASE,
)
_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
_COMPLAINT = re.compile(
    r"^\S+ \S+ (WARNING|ERROR|CRITICAL) |^Traceback|^\w*(Error|Warning): ", re.MULTILINE
)


class CommandError(Exception):
    """Home Assistant refused a command, in its own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A part of a sound, and when it came."""

    at: float  # Unix
    sound: bytes


class HomeAssistant:
    """One running process at `url`, whose files are in `folder`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._session = session
        self._tokens: dict[str, Any] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._commands = 0
        self._log_read = 0

    async def log_in(self, code: str) -> None:
        """Become the person to whom the authorization code was given."""
        grant = {"grant_type": "authorization_code", "client_id": f"{self.url}/", "code": code}
        self._tokens = await self.request("POST", "auth/token", data=grant)
        self._socket = await self._connect()

    async def hang_up(self) -> None:
        """End the commands; Home Assistant's own end would wait for it."""
        if self._socket is not None:
            await self._socket.close()

    def login_script(self) -> str:
        """Return the JavaScript that logs a browser in as the same person."""
        tokens = self._tokens | {
            "hassUrl": self.url,
            "clientId": f"{self.url}/",
            "expires": int(time.time() + self._tokens["expires_in"]) * 1000,
        }
        return f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})"

    async def live_in(self, language: str) -> None:
        """Have every page that is opened, and every entity that is added, in a language."""
        await self.command("config/core/update", language=language)
        formats = ("number_format", "time_format", "date_format", "first_weekday")
        value = {"language": language, "time_zone": "local"} | dict.fromkeys(formats, "language")
        await self.command("frontend/set_user_data", key="language", value=value)

    async def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the JSON that `path` answers with."""
        async with self._session.request(
            method, f"{self.url}/{path}", headers=self._headers, **arguments
        ) as response:
            assert response.ok, f"{path}: {response.status} {await response.text()}"
            return await response.json()

    async def command(self, kind: str, **arguments: Any) -> Any:
        """Send a WebSocket command and return its result. Raises CommandError."""
        assert self._socket is not None
        self._commands += 1
        await self._socket.send_json({"id": self._commands, "type": kind, **arguments})
        while (answer := await self._socket.receive_json()).get("id") != self._commands:
            pass
        if not answer["success"]:
            raise CommandError(answer["error"]["message"])
        return answer["result"]

    async def events(self, kind: str, **arguments: Any) -> AsyncGenerator[dict[str, Any]]:
        """Send a command on a connection of its own and yield its events. Raises CommandError."""
        async with await self._connect() as socket:
            await socket.send_json({"id": 1, "type": kind, **arguments})
            async for message in socket:
                answer = message.json()
                if answer["type"] == "event":
                    yield answer["event"]
                elif not answer["success"]:
                    raise CommandError(answer["error"]["message"])

    async def state(self, entity_id: str) -> str | None:
        states = await self.command("get_states")
        return next((one["state"] for one in states if one["entity_id"] == entity_id), None)

    async def device(self, device_id: str) -> dict[str, Any] | None:
        devices = await self.command("config/device_registry/list")
        return next((device for device in devices if device["id"] == device_id), None)

    async def entries(self, domain: str) -> list[dict[str, Any]]:
        return list(await self.command("config_entries/get", domain=domain))

    async def connection(self, entry_id: str) -> dict[str, Any] | None:
        """Read what an entry keeps of its device; the disk has it a second after the memory."""
        kept = json.loads((self.folder / ".storage" / "core.config_entries").read_text())
        by_id = {entry["entry_id"]: entry["data"] for entry in kept["data"]["entries"]}
        return by_id.get(entry_id)

    @asynccontextmanager
    async def without(self, entry_id: str) -> AsyncIterator[None]:
        """Leave an entry alone, as if it were switched off, and take it up again afterwards."""
        await self.command("config_entries/disable", entry_id=entry_id, disabled_by="user")
        yield
        await self.command("config_entries/disable", entry_id=entry_id, disabled_by=None)

    async def reload(self, entry_id: str) -> None:
        await self.request("POST", f"api/config/config_entries/entry/{entry_id}/reload")

    async def remove(self, entry_id: str) -> None:
        await self.request("DELETE", f"api/config/config_entries/entry/{entry_id}")

    async def discovered(self, name: str) -> dict[str, Any] | None:
        """Return the flow behind the card of a found device of this name."""
        flows = await self.command("config_entries/flow/progress")
        shown = [flow["context"].get("title_placeholders", {}).get("name") for flow in flows]
        return flows[shown.index(name)] if name in shown else None

    async def start_flow(self, domain: str) -> dict[str, Any]:
        asked = {"handler": domain}
        return dict(await self.request("POST", "api/config/config_entries/flow", json=asked))

    async def answer_flow(self, flow_id: str, **answers: Any) -> dict[str, Any]:
        path = f"api/config/config_entries/flow/{flow_id}"
        return dict(await self.request("POST", path, json=answers))

    async def choose(self, entry_id: str, **answers: Any) -> None:
        """Settle how an entry behaves, in its own dialog, and wait until it does."""
        path = "api/config/config_entries/options/flow"
        form = await self.request("POST", path, json={"handler": entry_id})
        done = await self.request("POST", f"{path}/{form['flow_id']}", json=answers)
        assert done["type"] == "create_entry", done
        await self.reload(entry_id)  # after the one that this has begun

    async def abandon_flow(self, flow_id: str) -> None:
        await self.request("DELETE", f"api/config/config_entries/flow/{flow_id}")

    async def diagnostics(self, entry_id: str) -> dict[str, Any]:
        """Download what an entry tells about itself."""
        return dict((await self.request("GET", f"api/diagnostics/config_entry/{entry_id}"))["data"])

    async def voices(self, entity_id: str, language: str) -> list[str]:
        """Return the ids of the voices that a person can choose for a language."""
        found = await self.command("tts/engine/voices", engine_id=entity_id, language=language)
        return [voice["voice_id"] for voice in found["voices"] or []]

    async def speech(
        self, entity_id: str, message: str, *, cache: bool = False, **options: Any
    ) -> tuple[int, bytes]:
        """Have a message spoken, and fetch the sound as a player does: without credentials."""
        place = await self.place(entity_id, message, cache=cache, **options)
        async with self._session.get(f"{self.url}{place}") as response:
            return response.status, await response.read()

    async def forget_speech(self) -> None:
        """Empty the cache: `cache=False` still gets what was spoken within minutes."""
        await self.command("call_service", domain="tts", service="clear_cache", service_data={})

    async def place(
        self, entity_id: str, message: str, *, cache: bool = False, **options: Any
    ) -> str:
        """Have a message spoken, and return the path where a player gets the sound."""
        asked = {"engine_id": entity_id, "message": message, "cache": cache, "options": options}
        return str((await self.request("POST", "api/tts_get_url", json=asked))["path"])

    async def listen(self, path: str) -> AsyncGenerator[Arrival]:
        """Yield a sound as it comes to a player. Raises aiohttp's errors where it breaks off."""
        async with self._session.get(
            f"{self.url}{path}", raise_for_status=True, timeout=aiohttp.ClientTimeout(LISTEN_S)
        ) as response:
            async for sound in response.content.iter_any():
                yield Arrival(at=time.time(), sound=sound)

    async def speak(self, entity_id: str, message: str, **options: Any) -> None:
        """Say it on the loudspeaker, as an automation does. Raises CommandError."""
        data = {
            "media_player_entity_id": LOUDSPEAKER,
            "message": message,
            "cache": False,
            "options": options,
        }
        await self.command(
            "call_service",
            domain="tts",
            service="speak",
            service_data=data,
            target={"entity_id": entity_id},
        )

    @property
    def heard(self) -> Path:
        """The file of what the loudspeaker played last."""
        return self.folder / "heard"

    @property
    def output(self) -> Path:
        """The file of what the process writes."""
        return self.folder / "output.log"

    async def catch_up(self) -> None:
        """Wait until all that has happened is in the log, which is written a moment later."""
        mark = f"Up to here: {time.monotonic()}"
        data = {"message": mark, "level": "info"}
        await self.command("call_service", domain="system_log", service="write", service_data=data)

        async def is_written() -> bool | None:
            return mark in self.output.read_text() or None

        await eventually(is_written, what="Home Assistant's log", within_s=LOG_S)

    def complaints(self) -> list[str]:
        """Read on in the log, and return the records that would worry its reader."""
        with self.output.open() as log:
            log.seek(self._log_read)
            text = log.read()
            self._log_read = log.tell()
        records = [record.strip() for record in _RECORD.split(text)]
        return [one for one in records if _COMPLAINT.search(one) and not BENIGN.search(one)]

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        socket = await self._session.ws_connect(f"{self.url}/api/websocket")
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": self._tokens["access_token"]})
        assert (await socket.receive_json())["type"] == "auth_ok"
        return socket

    @property
    def _headers(self) -> Mapping[str, str]:
        token = self._tokens.get("access_token")
        return {"Authorization": f"Bearer {token}"} if token else {}
