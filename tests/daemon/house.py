"""A house that talks, for tests of promises: its good files, what it answers, what it reports."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
import json
from pathlib import Path
import sys
from typing import Any

import aiohttp
import yaml

from tests.daemon.running import RunningDaemon

SETTINGS = """\
# Ours, with care.
engine: fake
language: en
server:
  host: [127.0.0.1]
  port: 0
discovery:
  enabled: false
models:
  probation_s: 0
fake:
  voices: {attic: 101, cellar: 107}
"""
MOODS = "calm: {speed: 0.9, emotion: {calm: 0.5}}\nparty: {emotion: {happy: 0.8}}\n"
LEXICON = """\
rules:
- {from: Saoirse, say: Seersha}
- {pattern: 'Kitchen([0-9])', say: 'Kitchen number \\1'}
- {from: Ikea, say: ee-kay-ah, voices: [attic]}
"""
VERSIONS = {"main": 1, "other": 2, "third": 3}  # and what each puts into its samples
DOCUMENTS = {"config": SETTINGS, "moods": MOODS, "lexicon": LEXICON}
FILES = {
    "config": "settings.yaml",
    "moods": "moods.yaml",
    "lexicon": "lexicon.yaml",
    "token": "token",
}
LINES: tuple[Mapping[str, object], ...] = (
    {"voice": "attic", "input": "Saoirse is in Kitchen4. The lamp from Ikea is on."},
    {"voice": "cellar", "input": "The lamp from Ikea costs 25 dollars.", "seed": 5},
    {"voice": "cellar", "input": "Guten Morgen, Saoirse.", "language": "de", "seed": 1},
    {"voice": "cellar", "input": "Good night.", "mood": "calm", "response_format": "pcm"},
    {"voice": "attic", "input": "Hooray!", "mood": "party", "speed": 1.2},
    {"input": "Who speaks unless somebody is named?", "mood": "cheerful"},
)
SPOKEN = ("Generation", "Language", "Model", "Revision", "Voice")  # headers that say how
SHOWN = ("info", "voices", "moods", "lexicon", "languages", "capabilities", "config", "models")
OF_FILES = ("document", "shadowed")  # what is written, whether it counts or not
NOT_HEARD = {"voices": ("state", "reason"), "models": ("memory_bytes",)}  # also of files; measured


class House(RunningDaemon):
    """A daemon of which the settings are all in its file."""

    def __init__(self, data_dir: Path, *launcher: str, **given: Any) -> None:
        super().__init__(data_dir, **given)
        program = launcher or ("-m", "indextts_daemon")
        self._command = [sys.executable, *program, "serve", "--data-dir", str(data_dir)]

    @property
    def command(self) -> tuple[str, ...]:
        """Return what it is started with."""
        return tuple(self._command)


def furnish(data_dir: Path, **documents: str) -> None:
    """Put good files and the versions of the model in the data folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    for scope, text in {**DOCUMENTS, **documents}.items():
        (data_dir / FILES[scope]).write_text(text)
    for version, generation in VERSIONS.items():
        put_version(data_dir, version, {"generation": generation})


def put_version(data_dir: Path, version: str, options: Mapping[str, object]) -> Path:
    """Put a version of the fake model in the models folder."""
    folder = data_dir / "models" / ("fake" if version == "main" else f"fake.{version}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fake.yaml").write_text(yaml.safe_dump(dict(options)))
    return folder


def children(pid: int) -> list[int]:
    """Return the processes that one has started and that run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return [child for child in found if not is_gone(child)]


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def ask(
    session: aiohttp.ClientSession, method: str, path: str, **given: Any
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON of an answer."""
    async with session.request(method, path, **given) as answer:
        return answer.status, await answer.json()


async def taken(session: aiohttp.ClientSession, method: str, path: str, **given: Any) -> Any:
    """Return the JSON of an answer, which has to be a good one."""
    status, body = await ask(session, method, path, **given)
    assert status in {200, 201, 202}, body
    return body


async def behavior(
    session: aiohttp.ClientSession, *lines: Mapping[str, object], counted: bool = True
) -> dict[str, bytes]:
    """Return all by which a household could tell one state of the daemon from another.

    That is the bytes of the LINES and `lines`, who spoke them, and what the daemon says of itself;
    the number of the generation only where it is `counted`.
    """
    found: dict[str, bytes] = {}
    kept = [name for name in SPOKEN if counted or name != "Generation"]
    for number, line in enumerate((*LINES, *lines)):
        order = {"response_format": "wav", **line}
        async with session.post("/v1/audio/speech", json=order) as answer:
            assert answer.status == 200, await answer.text()
            told = " ".join(answer.headers.get(f"X-IndexTTS-{name}", "") for name in kept)
            found[f"line {number}"] = told.encode() + b"\n" + await answer.read()
    for name in SHOWN:
        status, body = await ask(session, "GET", f"/v1/{name}")
        if name == "config" and status == 422:
            continue  # it shows the file, which cannot be read
        assert status == 200, body
        left_out = {*OF_FILES, *NOT_HEARD.get(name, ()), *(() if counted else ("generation",))}
        found[name] = json.dumps(_lasting(body, left_out), sort_keys=True).encode()
    now = await taken(session, "GET", "/v1/status")
    state = [now[key] for key in ("state", "model", "revision", "paused")]
    found["status"] = json.dumps([*state, now["generation"] if counted else 0]).encode()
    return found


def _lasting(body: Any, left_out: AbstractSet[str]) -> Any:
    """Leave out some keys, however deep they are."""
    match body:
        case dict():
            return {k: _lasting(value, left_out) for k, value in body.items() if k not in left_out}
        case list():
            return [_lasting(value, left_out) for value in body]
    return body


def differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Name the answers that are not the same; one that there was not is none."""
    return sorted(name for name in one.keys() & other.keys() if one[name] != other[name])


@dataclass(slots=True, eq=False)
class Reports:
    """Hears, as every client may, how operations end."""

    ended: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def of(cls, session: aiohttp.ClientSession) -> AsyncIterator["Reports"]:
        """Listen to the events of a daemon while inside."""
        reports = cls()
        async with session.get("/v1/events", timeout=aiohttp.ClientTimeout(None)) as stream:
            await stream.content.readuntil(b"\n\n")  # the state now: from here on all is heard
            listening = asyncio.create_task(reports._listen(stream))
            try:
                yield reports
            finally:
                listening.cancel()
                await asyncio.wait({listening})

    async def next(self, scope: str, *results: str, since: int) -> dict[str, Any]:
        """Return the first operation from the `since`th on that ended so; wait for it."""
        async with asyncio.timeout(30):
            while True:
                for one in self.ended[since:]:
                    if one["scope"] == scope and one["result"] in results:
                        return one
                self._news.clear()
                await self._news.wait()

    async def _listen(self, stream: aiohttp.ClientResponse) -> None:
        while event := await stream.content.readuntil(b"\n\n"):
            name, _, data = event.decode().strip().partition("\n")
            if name == "event: operation":
                operation = json.loads(data.removeprefix("data: "))
                if operation["ended_at"] is not None:
                    self.ended.append(operation)
                    self._news.set()
