"""Reloads of every scope, as a household makes them: one after the other in each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
import hashlib
from pathlib import Path
import random
import secrets
import signal
import time
from typing import Any

import aiohttp
import yaml

from indextts_daemon.service.studio import FakeStudio
from tests.daemon.household import Household, free_port
from tests.daemon.ledger import Facts
from tests.daemon.recordings import encoded, heart
from tests.daemon.spoken import lexicon_document, moods_document, version_options

VERSIONS = ("main", "b", "c", "d")
SHARES = {
    "config": 22,
    "lexicon": 20,
    "moods": 16,
    "voices": 18,
    "token": 4,
    "models": 20,
}  # of 100
RECORDED = ("anna", "ben")  # they are replaced; a guest comes and goes
GUEST = "guest"
BEGINNING: Mapping[str, Any] = {
    "language": "en",
    "log_level": "info",
    "queue": {"capacity": 64},
    "worker": {"step_timeout_s": 60, "load_timeout_s": 300},
    "models": {"drain_timeout_s": 60, "probation_s": 600},
}
YAML = {"Content-Type": "application/yaml"}


def recording(number: int) -> bytes:
    """Return a good recording, another for every number."""
    return encoded(heart()[: 24000 * 7] * (1 - number % 200 / 1000))


@dataclass(frozen=True, slots=True)
class Tags:
    """The numbers by which the fake engine marks voices of recordings, as they come."""

    _studio: FakeStudio = field(default_factory=FakeStudio)

    def of(self, content: bytes) -> int:
        """Return the number of a recording."""
        return int(self._studio.identity(hashlib.sha256(content).hexdigest())[1])


def put_in_place(file: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file as editors do: beside it, and then renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.chmod(mode)
    beside.rename(file)


@dataclass(kw_only=True)
class Reloads:
    """Changes a house at random, and keeps the ledger."""

    home: Household
    people: int
    chance: random.Random
    versions: tuple[str, ...] = VERSIONS
    options: Mapping[str, object] = field(default_factory=dict)  # of all of them, besides
    done: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)  # in the files of the versions
    _edition: int = 0
    _tags: Tags = field(default_factory=Tags)
    _written_at: float = 0.0  # when a recording was last put there
    _disk: asyncio.Lock = field(default_factory=asyncio.Lock)  # a model's files are being changed

    def furnish(self) -> None:
        """Put there what is spoken with, before the house is lived in."""
        (self.home.house.data_dir / "moods.yaml").write_text(moods_document(0))
        for number, version in enumerate(self.versions, start=1):
            self._numbers[version] = number
            self._put_version(version)

    async def all(self, count: int) -> None:
        """Make so many reloads, of all scopes side by side."""
        lanes: dict[str, list[Callable[[], Awaitable[None]]]] = {}
        for scope, share in SHARES.items():
            ways = self._ways[scope]
            lane = [ways[place % len(ways)] for place in range(max(1, round(count * share / 100)))]
            self.chance.shuffle(lane)
            lanes[scope] = lane
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes.values():
                tasks.create_task(self._in_turn(lane))

    @property
    def _ways(self) -> Mapping[str, tuple[Callable[[], Awaitable[None]], ...]]:
        return {
            "config": (self.edit_settings, self.put_settings, self.edit_settings, self.move),
            "lexicon": (self.edit_lexicon, self.put_lexicon),
            "moods": (self.edit_moods, self.put_moods),
            "voices": (
                self.post_guest,
                self.replace_recording,
                self.replace_by_upload,
            ),
            "token": (self.change_token,),
            "models": (self.activate, self.activate, self.roll_back, self.edit_model, self.reload),
        }

    async def _in_turn(self, lane: list[Callable[[], Awaitable[None]]]) -> None:
        for way in lane:
            await asyncio.sleep(self.chance.random() / 2)
            await way()
            self.done.append(way.__name__)

    # Settings

    async def edit_settings(self) -> None:
        async with self._disk:
            self._vary()
            self.home.ledger.expect("config", _nothing_heard)
            await self._rewrite("settings.yaml", yaml.safe_dump(self.home.house.settings))
            await self.home.ledger.settled("config")

    async def put_settings(self) -> None:
        async with self._disk:
            self._vary()
            self.home.ledger.expect("config", _nothing_heard)
            text = yaml.safe_dump(self.home.house.settings)
            await self.home.ask("PUT", "/v1/config", data=text, headers=YAML)
            await self.home.ledger.settled("config")

    async def move(self) -> None:
        """Listen on another port, or on another address as well."""
        async with self._disk:
            server = dict(self.home.house.settings["server"])
            hosts = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"]]
            if self.chance.random() < 0.5:
                server["port"] = free_port()
            else:
                server["host"] = self.chance.choice([h for h in hosts if h != server["host"]])
            self.home.house.settings["server"] = server
            self.home.ledger.expect("config", _nothing_heard)
            await self._rewrite("settings.yaml", yaml.safe_dump(self.home.house.settings))
            # Whoever asks for the operations has to know where: a door is open before it is told.
            host, port = self.chance.choice(server["host"]), server["port"]
            await _door_opens(host, port)
            self.home.url = f"http://{host}:{port}"
            await self.home.ledger.settled("config")

    def _vary(self) -> None:
        """Change one setting that is not heard."""
        settings, chance = self.home.house.settings, self.chance
        ways: list[tuple[str, str, list[Any]]] = [
            ("", "language", ["en", "de", "zh", "fr"]),
            ("", "log_level", ["debug", "info", "warning", "error"]),
            ("queue", "capacity", list(range(48, 200))),
            ("worker", "step_timeout_s", list(range(30, 90))),
            ("worker", "load_timeout_s", list(range(100, 400))),
            ("server", "idle_client_timeout_s", list(range(20, 60))),
            ("server", "drain_timeout_s", list(range(20, 60))),
            ("models", "drain_timeout_s", list(range(40, 90))),
            ("models", "probation_s", list(range(1, 100))),
            ("discovery", "name", ["Hall", "Kitchen", "Attic"]),
        ]
        section, key, values = chance.choice(ways)
        below = settings.setdefault(section, {}) if section else settings
        below[key] = chance.choice([one for one in values if one != below.get(key)])

    # Token

    async def change_token(self) -> None:
        self.home.ledger.expect("token", _nothing_heard)
        await self._rewrite("token", f"{secrets.token_urlsafe(32)}\n", mode=0o600)
        await self.home.ledger.settled("token")

    # Documents

    async def edit_lexicon(self) -> None:
        edition = self._expect_edition("lexicon")
        await self._rewrite("lexicon.yaml", lexicon_document(edition))
        await self.home.ledger.settled("lexicon")

    async def put_lexicon(self) -> None:
        text = lexicon_document(self._expect_edition("lexicon"))
        await self.home.ask("PUT", "/v1/lexicon", data=text, headers=YAML)
        await self.home.ledger.settled("lexicon")

    async def edit_moods(self) -> None:
        edition = self._expect_edition("moods")
        await self._rewrite("moods.yaml", moods_document(edition))
        await self.home.ledger.settled("moods")

    async def put_moods(self) -> None:
        text = moods_document(self._expect_edition("moods"))
        await self.home.ask("PUT", "/v1/moods", data=text, headers=YAML)
        await self.home.ledger.settled("moods")

    def _expect_edition(self, scope: str) -> int:
        self._edition += 1
        edition = self._edition

        def changed(facts: Facts) -> Facts:
            if scope == "moods":
                return replace(facts, mood=edition)
            return replace(facts, lexicon=edition)

        self.home.ledger.expect(scope, changed)
        return edition

    # Voices

    async def replace_recording(self) -> None:
        """Put another recording into the folder."""
        await self.record(self.chance.choice(RECORDED))

    async def record(self, voice: str) -> None:
        content = self._recording(voice)
        await self._rewrite(f"voices/{voice}.wav", content)
        self._written_at = time.time()
        await self._came(voice)

    async def replace_by_upload(self) -> None:
        voice = self.chance.choice(RECORDED)
        content = self._recording(voice)
        await self._upload("PUT", f"/v1/voices/{voice}", content, status=200)
        await self._came(voice, action="replace")

    async def post_guest(self) -> None:
        """Take up a voice, or delete it once nobody asks for it any more; who speaks, speaks on."""
        home = self.home
        if GUEST not in home.guests:
            content = self._recording(GUEST)
            await self._upload("POST", "/v1/voices", content, status=201, id=GUEST)
            await self._came(GUEST, action="add")
            home.guests.add(GUEST)
            return
        home.guests.discard(GUEST)
        while home.asking[GUEST]:  # noqa: ASYNC110 nothing tells us
            await asyncio.sleep(0.01)
        if self.chance.random() < 0.5:
            await home.ask("DELETE", f"/v1/voices/{GUEST}")
            return
        since = time.time()
        for file in (home.house.data_dir / "voices").glob(f"{GUEST}.*"):
            file.unlink()
        await home.ledger.looked("voices", since=since)

    def _recording(self, voice: str) -> bytes:
        self._edition += 1
        content = recording(self._edition)
        self.home.ledger.coming(voice, self._tags.of(content))
        return content

    async def _came(self, voice: str, *, action: str = "") -> None:
        """Wait until the folder has been looked at: from then on nothing else can be heard."""
        since = self._written_at
        generation = await self.home.ledger.looked("voices", since=since, action=action)
        self.home.ledger.came(voice, generation)

    async def _upload(
        self, method: str, path: str, content: bytes, *, status: int, **fields: str
    ) -> None:
        form = {**fields, "consent": "Anna agreed on 1 May.", "audio": content}
        self._written_at = time.time()

        def body() -> aiohttp.FormData:
            data = aiohttp.FormData()
            for name, value in form.items():
                file = {"filename": "a.wav", "content_type": "audio/wav"} if name == "audio" else {}
                data.add_field(name, value, **file)
            return data

        await self.home.ask(method, path, status, data=body())

    # Models

    async def activate(self) -> None:
        active = await self._version("active")
        wanted = self.chance.choice([one for one in self.versions if one != active])
        self._expect_model(wanted)
        await self._model("activate", json={"version": wanted})

    async def roll_back(self) -> None:
        previous = await self._version("previous")
        if previous is None:
            return await self.activate()
        self._expect_model(previous)
        return await self._model("rollback")

    async def edit_model(self) -> None:
        """Replace the files of the version that speaks."""
        async with self._disk:
            active = await self._version("active")
            assert active is not None
            self._numbers[active] = max(self._numbers.values()) + 1
            self._expect_model(active)
            await asyncio.to_thread(self._put_version, active)
            await self.home.ledger.settled("models")

    async def reload(self) -> None:
        """Unload what speaks, and load it again: whoever comes meanwhile waits."""
        await self._model("unload")
        await self._model("load")
        self.home.house.process.send_signal(signal.SIGHUP)  # nothing has changed

    async def _model(self, action: str, **body: Any) -> None:
        await self.home.ask("POST", f"/v1/models/fake/{action}", params={"wait": "1"}, **body)
        await self.home.ledger.settled("models")

    async def _version(self, state: str) -> str | None:
        listed = (await self.home.ask("GET", "/v1/models/fake/versions"))["versions"]
        return next((str(one["version"]) for one in listed if one["state"] == state), None)

    def _expect_model(self, version: str) -> None:
        number = self._numbers[version]
        self.home.ledger.expect("models", lambda facts: replace(facts, model=number))

    def _put_version(self, version: str) -> None:
        pace: dict[str, object] = {"chunk_s": 0.4, "step_sleep_s": 0.04}  # swaps meet answers
        options = version_options(
            self._numbers[version], people=self.people, **pace, **self.options
        )
        self.home.house.version(version, options)

    async def _rewrite(self, name: str, content: str | bytes, *, mode: int = 0o644) -> None:
        await asyncio.to_thread(put_in_place, self.home.house.data_dir / name, content, mode=mode)


async def _door_opens(host: str, port: int) -> None:
    """Wait until a new connection is taken; those that there were are no sign of a door."""
    async with asyncio.timeout(45):
        while True:
            try:
                _, knocking = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            knocking.close()
            await knocking.wait_closed()
            return


def _nothing_heard(facts: Facts) -> Facts:
    return facts
