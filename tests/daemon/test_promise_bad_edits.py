"""A bad edit never changes how the house speaks, not by a byte, and everywhere it is said why."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
import os
from pathlib import Path
import re
import shutil
import signal
import socket
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
import pytest
import yaml

from tests.daemon.bad_documents import BAD_LEXICONS, BAD_MOODS
from tests.daemon.bad_edits import BAD_SETTINGS
from tests.daemon.bad_recordings import BAD_RECORDINGS
from tests.daemon.bad_versions import BAD_VERSIONS
from tests.daemon.house import (
    DOCUMENTS,
    FILES,
    SETTINGS,
    House,
    Reports,
    ask,
    behavior,
    differing,
    furnish,
    put_version,
    taken,
)
from tests.daemon.recordings import RATE, encoded, heart

Spoil = Callable[[Path], object]
SOON = SETTINGS + "worker: {load_timeout_s: 5.0}\n"  # for what never ends loading
ANNA = "voices/anna.wav"
HER_LINE = {"voice": "anna", "input": "I am of flesh and blood.", "seed": 3}
WAYS = ("watched", "asked", "signal", "put")


def _written(content: bytes | str) -> Spoil:
    raw = content.encode() if isinstance(content, str) else content
    return lambda file: file.write_bytes(raw)


BAD_TOKENS: tuple[tuple[str, Spoil], ...] = (
    ("two words", _written("two words\n")),
    ("another alphabet", _written("ключ\n")),
    ("nothing", _written("")),
    ("a letter too many", _written("x" * 1025)),
    ("a folder", Path.mkdir),
    ("a pipe", os.mkfifo),
    ("no file", lambda _: None),
)
BAD: Mapping[str, Sequence[tuple[str, Spoil]]] = {
    "config": [(name, _written(content)) for name, content in BAD_SETTINGS],
    "moods": [(name, _written(content)) for name, content in BAD_MOODS],
    "lexicon": [(name, _written(content)) for name, content in BAD_LEXICONS],
    "token": BAD_TOKENS,
    "voices": BAD_RECORDINGS,
}
IN_SHORT = {"config": 12, "moods": 8, "lexicon": 8, "token": 4, "voices": 6, "models": 9}
NAMED = {**FILES, "voices": "anna", "models": ""}  # what the reason has to name
Wish = tuple[str, Mapping[str, object], str]
BAD_WISHES: tuple[Wish, ...] = (  # well written, but for what comes of them; and how that is told
    (
        "an address that the machine does not have",
        {"server": {"host": ["192.0.2.1"], "port": 0}},
        "192.0.2.1",
    ),
    ("a model that fails to load", {"fake": {"load": "fail"}}, "fail"),
    ("a model that dies while it loads", {"fake": {"load": "crash"}}, "exit code 70"),
    ("a model that nobody has", {"engine": "indextts", "indextts": {"model": "/nowhere"}}, "model"),
)


def few(scope: str, kinds: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return some kinds, from the whole length of the list."""
    number = min(IN_SHORT[scope], len(kinds))
    return [kinds[place * len(kinds) // number] for place in range(number)]


@cache
def recording() -> bytes:
    return encoded(heart()[: 5 * RATE])


def is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One daemon that gets bad edits, and how it was before."""

    house: House
    session: aiohttp.ClientSession
    reports: Reports
    good: Mapping[str, bytes]  # what the files hold, by scope
    before: Mapping[str, bytes]

    def file(self, scope: str) -> Path:
        return self.house.data_dir / (ANNA if scope == "voices" else FILES[scope])

    def put_back(self, scope: str) -> None:
        if self.file(scope).is_dir():
            remove(self.file(scope))
        temporary = self.file(scope).with_name(f".{scope}.tmp")
        temporary.write_bytes(self.good[scope])
        temporary.rename(self.file(scope))

    async def assert_as_before(self, what: object) -> None:
        now = await behavior(self.session, HER_LINE)
        assert differing(self.before, now) == [], what

    async def assert_told(
        self, operation: Mapping[str, Any], what: object, *, names: str = ""
    ) -> None:
        """See the reason wherever somebody may look for it."""
        scope, errors = operation["scope"], operation["errors"]
        assert operation["result"] == "rejected", what
        assert errors, what
        for error in errors:
            self.assert_reason(error, names or NAMED[scope], what)
            self.house.line(f"ERROR .*{scope} .* rejected: {re.escape(error['message'])}")
        last = (await taken(self.session, "GET", "/v1/status"))["last_reload"].get(scope)
        successful = await self.figure("config_last_reload_successful", scope=scope)
        known = (await taken(self.session, "GET", "/v1/operations"))["operations"]
        assert operation in known, what
        id_ = operation["id"]
        assert await taken(self.session, "GET", f"/v1/operations/{id_}") == operation
        assert await self.figure("reloads_total", scope=scope, result="rejected") > 0, what
        if operation["action"] == "reload":  # else the files are fine
            assert last is not None, what
            assert (last["result"], last["errors"]) == ("rejected", errors), what
            assert last["at"] >= operation["ended_at"], what  # it may have been read once more
            assert successful == 0, what

    def assert_reason(self, error: Mapping[str, Any], names: str, what: object) -> None:
        """Hold a reason to name what is wrong, and the line wherever it is of one."""
        assert names in error["message"], what
        assert str(self.house.data_dir) not in error["message"], what
        assert error["line"] is None or f"line {error['line']}" in error["message"], what

    async def figure(self, name: str, **labels: str) -> float:
        async with self.session.get("/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        (value,) = (
            sample.value
            for family in families
            for sample in family.samples
            if (sample.name, sample.labels) == (f"indextts_{name}", labels)
        )
        return float(value)

    async def round(
        self, way: str, kinds: Mapping[str, tuple[str, Spoil]], *, names: str = ""
    ) -> None:
        """Spoil one file of each scope in one way, see that nothing changes, and put all back."""
        what = (way, {scope: name for scope, (name, _) in kinds.items()})
        since = len(self.reports.ended)
        refused = [
            operation
            for scope, (_, spoil) in kinds.items()
            for operation in await self.spoil(way, scope, spoil)
        ]
        if way != "put":
            await self.read_again(way, kinds)
            refused += [await self.reports.next(scope, "rejected", since=since) for scope in kinds]
        await self.assert_as_before(what)
        for operation in refused:
            await self.assert_told(operation, what, names=names)
        since = len(self.reports.ended)
        for scope in kinds:
            self.put_back(scope)
        await self.read_again(way if way != "put" else "asked", kinds)
        for scope in kinds:
            await self.reports.next(scope, "unchanged", since=since)
            assert await self.figure("config_last_reload_successful", scope=scope) == 1, what

    async def spoil(self, way: str, scope: str, spoil: Spoil) -> list[Mapping[str, Any]]:
        """Write a bad file, or send it; return what is known of the operation at once."""
        file = self.file(scope)
        if way != "put":
            remove(file)
            spoil(file)
            return []
        sent = file.with_name(f".{file.name}.sent")
        spoil(sent)
        body = sent.read_bytes()
        sent.unlink()
        status, answer = await ask(
            self.session,
            "PUT",
            f"/v1/{scope}",
            data=body,
            headers={"Content-Type": "application/yaml"},
        )
        assert file.read_bytes() == self.good[scope]
        assert status in {413, 422}, answer
        assert answer["error"]["message"]
        if status == 413 or not is_text(body):  # it does not come as far as to be an operation
            return []
        return list(answer["operations"])

    async def read_again(self, way: str, scopes: Mapping[str, object]) -> None:
        match way:
            case "signal":
                self.house.process.send_signal(signal.SIGHUP)
            case "asked":
                for scope in scopes:
                    await ask(self.session, "POST", "/v1/reload", json={"scope": scope})


@asynccontextmanager
async def on_trial(house: House) -> AsyncIterator[Trial]:
    """Let a good recording become a voice, and listen to how all is."""
    (house.data_dir / "voices").mkdir(exist_ok=True)
    (house.data_dir / ANNA).write_bytes(recording())
    good = {scope: text.encode() for scope, text in {**DOCUMENTS, "config": SOON}.items()}
    good |= {"token": (house.data_dir / "token").read_bytes(), "voices": recording()}
    timeout = aiohttp.ClientTimeout(60)
    headers = {"Authorization": f"Bearer {house.token}"}
    async with (
        aiohttp.ClientSession(house.url, headers=headers, timeout=timeout) as session,
        Reports.of(session) as reports,
    ):
        await taken(session, "POST", "/v1/reload", json={"scope": "voices"})
        before = await behavior(session, HER_LINE)
        assert await behavior(session, HER_LINE) == before
        yield Trial(house=house, session=session, reports=reports, good=good, before=before)


def rounds(short: bool) -> Iterator[tuple[str, dict[str, tuple[str, Spoil]]]]:  # noqa: FBT001
    """Deal the kinds out: in each round one of every scope, and the ways in turn."""
    left = {scope: few(scope, kinds) if short else [*kinds] for scope, kinds in BAD.items()}
    turn = 0
    while any(left.values()):
        way = WAYS[turn % len(WAYS)]
        turn += 1
        here = [s for s, kinds in left.items() if kinds and (way != "put" or s in DOCUMENTS)]
        if here:
            yield way, {scope: left[scope].pop(0) for scope in here}


def assert_enough(short: bool) -> None:  # noqa: FBT001
    """Hold a trial to forty kinds at least."""
    number = sum(len(kinds) for _, kinds in rounds(short)) + len(BAD_WISHES) + 1
    number += len(few("models", BAD_VERSIONS) if short else BAD_VERSIONS)
    assert number >= 45


async def try_all(data_dir: Path, *, short: bool) -> None:
    assert_enough(short)
    furnish(data_dir, config=SOON)
    with House(data_dir) as house:
        async with on_trial(house) as trial:
            for way, kinds in rounds(short):
                await trial.round(way, kinds)
            await try_wishes(trial)
            await try_versions(trial, few("models", BAD_VERSIONS) if short else BAD_VERSIONS)
            await try_active_version(trial)
            for scope in BAD:
                remove(trial.file(scope))
                BAD[scope][1][1](trial.file(scope))
            before = await behavior(trial.session, HER_LINE, counted=False)
            headers = dict(trial.session.headers)
        house.process.kill()
        house.process.wait()
    with House(data_dir) as house:
        async with aiohttp.ClientSession(house.url, headers=headers) as session:
            now = await behavior(session, HER_LINE, counted=False)
            assert differing(before, now) == []
            last = (await taken(session, "GET", "/v1/status"))["last_reload"]
            for scope in DOCUMENTS:
                assert last[scope]["result"] == "rejected"
                assert FILES[scope] in last[scope]["errors"][0]["message"]


async def try_wishes(trial: Trial) -> None:
    """Try settings that are well written and cannot be had."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = {"server": {"host": ["127.0.0.1"], "port": port}}
        taken_port: Wish = ("a port that is taken", server, str(port))
        for name, wish, names in (taken_port, *BAD_WISHES):
            text = yaml.safe_dump({**yaml.safe_load(SOON), **wish})
            for way in ("put", "asked"):
                await trial.round(way, {"config": (name, _written(text))}, names=names)


async def try_versions(trial: Trial, kinds: Sequence[tuple[str, Any]]) -> None:
    """Try to activate versions that are no good."""
    for number, (name, make) in enumerate(kinds):
        folder = trial.house.data_dir / "models" / f"fake.bad-{number}"
        folder.mkdir()
        make(folder)
        since = len(trial.reports.ended)
        status, answer = await ask(
            trial.session,
            "POST",
            "/v1/models/fake/activate?wait=true",
            json={"version": f"bad-{number}"},
        )
        assert status in {422, 507}, (name, answer)
        assert answer["error"]["message"], name
        operation = await trial.reports.next("models", "rejected", since=since)
        assert operation == answer["operation"], name
        await trial.assert_as_before(name)
        await trial.assert_told(operation, name)


async def try_active_version(trial: Trial) -> None:
    """Spoil the very files that the model that speaks was loaded from."""
    options = put_version(trial.house.data_dir, "main", {"generation": 1}) / "fake.yaml"
    good = options.read_bytes()
    for name, content in {
        "cut off": b"voices: {attic: 1",
        "silent": b"generation: 1\nsound: silent\n",
        "gone": None,
    }.items():
        since = len(trial.reports.ended)
        if content is None:
            options.unlink()
        else:
            options.write_bytes(content)
        operation = await trial.reports.next("models", "rejected", since=since)
        assert operation["who"] == "file"
        await trial.assert_as_before(name)
        await trial.assert_told(operation, name)
        since = len(trial.reports.ended)
        options.write_bytes(good)
        await trial.reports.next("models", "unchanged", since=since)
        assert await trial.figure("config_last_reload_successful", scope="models") == 1
        await trial.assert_as_before(name)


async def test_no_bad_edit_changes_a_byte_of_what_is_answered(tmp_path: Path) -> None:
    """Some of each kind; the long form tries them all."""
    await try_all(tmp_path / "data", short=True)


@pytest.mark.long
async def test_no_bad_edit_of_all_that_are_known_changes_a_byte(tmp_path: Path) -> None:
    await try_all(tmp_path / "data", short=False)
