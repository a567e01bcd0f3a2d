"""Files that are watched: a change is told once, when it is whole, however it was written."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
import errno
import os
from pathlib import Path
import random
import threading
import time
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from indextts_daemon.service import watching
from indextts_daemon.service.watching import SMALL, Place, Watch, is_temporary
from tests.daemon.editors import TEXT_WRITERS, WRITERS, Write, rename_over
from tests.daemon.rooms import shut

POLL_S = 0.02
TEXTS = tuple(f"language: {tag} # {tag * 400}\n".encode() for tag in ("en", "de", "fr"))
SOUNDS = tuple(bytes([seed]) * (SMALL + 500_000) for seed in range(3))


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hurried(Clock):
    """Every look at it is a second later."""

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Looks:
    """A watch whose looks are taken by hand, one of each scope at a time."""

    def __init__(self, **places: Place) -> None:
        self.clock = Clock()
        self._watch = Watch(places, clock=self.clock)

    def after(self, seconds: float) -> list[str]:
        """Let time pass, look, and return what is told."""
        self.clock.now += seconds
        return [name for name, scope in self._watch._scopes.items() if scope.look()]

    async def acknowledge(self, scope: str, content: bytes | None = None) -> None:
        await self._watch.acknowledge(scope, content)


@asynccontextmanager
async def told(
    places: dict[str, Place],
    note: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    poll_s: float = POLL_S,
) -> AsyncIterator[Watch]:
    """Watch in real time while inside; `note` hears each scope that is told."""
    watch = await asyncio.to_thread(Watch, places, poll_s=poll_s, clock=clock)

    async def listen() -> None:
        async for scope in watch.changes():
            note(scope)

    listening = asyncio.create_task(listen())
    try:
        yield watch
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 what is waited for tells nobody
            await asyncio.sleep(0.01)


def half_speed() -> float:
    """Tell half the time: on a busy machine, a writer's pause may take longer than it meant."""
    return time.monotonic() / 2


@pytest.mark.parametrize(
    ("name", "writers", "contents"),
    [("settings.yaml", TEXT_WRITERS, TEXTS), ("grandma.wav", WRITERS, SOUNDS)],
)
async def test_each_way_of_writing_is_told_once_and_whole(
    name: str, writers: dict[str, Write], contents: tuple[bytes, ...], tmp_path: Path
) -> None:
    files = {way: tmp_path / way / name for way in writers}
    for file in files.values():
        file.parent.mkdir()
        file.write_bytes(contents[0])
    depth = 0 if name == "settings.yaml" else 1
    places = {
        way: Place(path=file.parent if depth else file, depth=depth) for way, file in files.items()
    }
    seen: dict[str, list[int]] = {way: [] for way in writers}

    def note(way: str) -> None:
        content = files[way].read_bytes()
        seen[way].append(contents.index(content) if content in contents else -1)

    with ThreadPoolExecutor(len(writers)) as hands:
        async with told(places, note, clock=half_speed):
            for turn in (1, 2):
                await asyncio.gather(
                    *(
                        asyncio.get_running_loop().run_in_executor(
                            hands, write, files[way], content
                        )
                        for way, write in writers.items()
                        for content in [contents[turn]]
                    )
                )
                await until(lambda n=turn: all(len(heard) >= n for heard in seen.values()))
            await asyncio.sleep(3 * watching.QUIET_S)
    assert seen == {way: [1, 2] for way in writers}


def test_nothing_is_told_of_what_is_there_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_bytes(TEXTS[0])
    looks = Looks(
        config=Place(path=tmp_path / "settings.yaml"), voices=Place(path=tmp_path, depth=1)
    )
    assert [looks.after(1) for _ in range(5)] == [[]] * 5


def test_a_change_is_told_at_the_second_look_that_finds_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    looks = Looks(config=Place(path=file))
    file.write_bytes(TEXTS[0])
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]
    file.write_bytes(TEXTS[1])
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]
    file.unlink()
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]


@pytest.mark.parametrize("size", [1000, SMALL + 1000])
@pytest.mark.parametrize("gap_s", [0.3, 0.7, 0.95])
def test_what_grows_is_not_told_before_it_has_stopped(
    gap_s: float, size: int, tmp_path: Path
) -> None:
    """The looks come once a second, and some early."""
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    file, written, chance = tmp_path / "grandma.wav", 0.0, random.Random(1)  # noqa: S311
    file.write_bytes(bytes(size))
    now = looks.clock.now
    for second in range(40):
        for at in sorted({now + second, now + second + chance.uniform(0.1, 0.9)}):
            while now + written * gap_s <= at and written * gap_s < 38:
                written += 1
                with file.open("ab") as opened:
                    opened.write(b"more")
            if at < now + 38:
                assert not looks.after(at - looks.clock.now)
            looks.clock.now = at
    assert [looks.after(1) for _ in range(3)].count(["voices"]) == 1


def test_an_early_look_does_not_take_a_pause_for_the_end(tmp_path: Path) -> None:
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    (tmp_path / "grandma.wav").write_bytes(b"half")
    assert not looks.after(0)
    assert not looks.after(0.6)
    assert not looks.after(0.2)
    assert looks.after(0.2) == ["voices"]


def test_a_slow_look_does_not_shorten_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is how long ago the last look ended, and not when it was due."""
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    real = watching._look

    def slow(place: Place, before: object) -> object:
        looks.clock.now += 5
        return real(place, before)  # type: ignore[arg-type]

    (tmp_path / "grandma.wav").write_bytes(b"half")
    monkeypatch.setattr(watching, "_look", slow)
    assert not looks.after(1)
    monkeypatch.undo()
    assert not looks.after(0.2)
    assert looks.after(0.8) == ["voices"]


def test_a_folder_is_at_rest_when_all_its_files_are(tmp_path: Path) -> None:
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    (tmp_path / "grandma.wav").write_bytes(b"whole")
    for size in range(5):
        (tmp_path / "grandpa.wav").write_bytes(bytes(size))
        assert not looks.after(1)
    assert looks.after(1) == ["voices"]
    assert not looks.after(1)


def test_a_file_that_never_rests_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    assert [looks.after(1) for _ in range(100)] == [[]] * 100
    for size in range(200):
        (tmp_path / "grandma.wav").write_bytes(bytes(size))
        assert not looks.after(1)
        assert ("keeps changing" in caplog.text) == (size >= 60)
    assert caplog.messages == [
        "voices: 'grandma.wav' keeps changing; it is read once it is at rest"
    ]
    assert looks.after(1) == ["voices"]


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden.wav", ".grandma.wav.Qx81Tz", "..data", "~lock.wav", "grandma.wav~", "#moods#"),
        *("grandma.wav.part", "a.tmp", "a.crdownload", "a.partial", "a.download", "a.filepart"),
        *("4913", ".settings.yaml.swp", "grandma.swp", "A.PART", ".token.k2j_4h1a.unfinished"),
    ],
)
def test_work_in_progress_is_not_looked_at(name: str, tmp_path: Path) -> None:
    assert is_temporary(name)
    looks = Looks(voices=Place(path=tmp_path, depth=2))
    (tmp_path / name).write_bytes(b"half")
    assert [looks.after(1) for _ in range(3)] == [[]] * 3


@pytest.mark.parametrize("name", ["grandma.wav", "4913.wav", "part.wav", "tmp", "a~b.yaml"])
def test_other_names_are_looked_at(name: str, tmp_path: Path) -> None:
    assert not is_temporary(name)
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    (tmp_path / name).write_bytes(b"whole")
    assert [looks.after(1) for _ in range(3)] == [[], ["voices"], []]


def test_a_file_that_was_named_is_watched_whatever_its_name(tmp_path: Path) -> None:
    looks = Looks(config=Place(path=tmp_path / ".indextts.tmp"))
    (tmp_path / ".indextts.tmp").write_bytes(b"1")
    (tmp_path / "settings.yaml").write_bytes(b"1")
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]


def test_only_wanted_names_and_so_many_floors_count(tmp_path: Path) -> None:
    place = Place(path=tmp_path, depth=2, wanted=lambda name: name == "manifest.json")
    looks = Looks(models=place)
    (tmp_path / "a/deeper").mkdir(parents=True)
    (tmp_path / ".cache").mkdir()
    for other in ("a/weights", "a/deeper/manifest.json", ".cache/manifest.json"):
        (tmp_path / other).write_bytes(b"1")
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    (tmp_path / "a/manifest.json").write_bytes(b"1")
    assert [looks.after(1) for _ in range(3)] == [[], ["models"], []]
    (tmp_path / "a").rename(tmp_path / "b")
    assert [looks.after(1) for _ in range(3)] == [[], ["models"], []]


def test_scopes_are_told_apart(tmp_path: Path) -> None:
    looks = Looks(
        config=Place(path=tmp_path / "settings.yaml"),
        voices=Place(path=tmp_path / "voices", depth=1),
    )
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices/grandma.wav").write_bytes(b"1")
    assert [looks.after(1) for _ in range(2)] == [[], ["voices"]]
    (tmp_path / "settings.yaml").write_bytes(b"1")
    assert [looks.after(1) for _ in range(2)] == [[], ["config"]]


def test_a_missing_folder_is_an_empty_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks(voices=Place(path=tmp_path / "voices", depth=1))
    (tmp_path / "voices").mkdir()
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    (tmp_path / "voices/grandma.wav").write_bytes(b"1")
    assert [looks.after(1) for _ in range(2)] == [[], ["voices"]]
    (tmp_path / "voices").rename(tmp_path / "elsewhere")
    assert [looks.after(1) for _ in range(3)] == [[], ["voices"], []]
    (tmp_path / "voices").write_bytes(b"a file in place of the folder")
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    assert not caplog.messages


def test_a_folder_that_is_shut_is_told_of_once_and_no_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "grandma.wav").write_bytes(b"1")
    looks = Looks(voices=Place(path=folder, depth=1))
    for _ in range(2):
        caplog.clear()
        with shut(folder):
            assert [looks.after(1) for _ in range(3)] == [[]] * 3
        assert caplog.messages == ["voices: the folder cannot be read (Permission denied)"]
        assert [looks.after(1) for _ in range(3)] == [[]] * 3
    with shut(folder):
        assert not looks.after(1)
    (folder / "grandma.wav").write_bytes(b"2")
    assert [looks.after(1) for _ in range(3)] == [[], ["voices"], []]


def test_what_was_not_at_rest_when_the_folder_was_shut_waits(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    looks = Looks(voices=Place(path=folder, depth=1))
    (folder / "grandma.wav").write_bytes(b"1")
    assert not looks.after(1)
    with shut(folder):
        assert [looks.after(1) for _ in range(3)] == [[]] * 3
    assert looks.after(1) == ["voices"]


def test_what_is_shut_at_the_start_is_told_when_it_opens(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "grandma.wav").write_bytes(b"1")
    with shut(folder):
        looks = Looks(voices=Place(path=folder, depth=1), config=Place(path=folder / "x.yaml"))
        assert not looks.after(1)
    assert [looks.after(1) for _ in range(3)] == [[], ["voices", "config"], []]


def test_a_folder_within_that_cannot_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.json").write_bytes(b"1")
    looks, real = Looks(models=Place(path=tmp_path, depth=2)), os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/a"):
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [looks.after(1) for _ in range(3)] == [[], ["models"], []]
    (tmp_path / "other.json").write_bytes(b"1")
    assert [looks.after(1) for _ in range(3)] == [[], ["models"], []]
    monkeypatch.undo()
    assert [looks.after(1) for _ in range(3)] == [[], ["models"], []]
    assert not caplog.messages


def test_a_file_that_cannot_be_read_is_told_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    looks, real = Looks(config=Place(path=file)), Path.read_bytes
    file.write_bytes(TEXTS[0])

    def refused(path: Path) -> bytes:
        if path == file:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]
    monkeypatch.undo()
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]


def test_a_link_to_nothing_is_nothing(tmp_path: Path) -> None:
    looks = Looks(voices=Place(path=tmp_path, depth=1))
    (tmp_path / "grandma.wav").symlink_to(tmp_path / ".elsewhere")
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    (tmp_path / ".elsewhere").write_bytes(b"1")
    assert [looks.after(1) for _ in range(3)] == [[], ["voices"], []]


def test_links_in_a_circle_and_pipes_do_no_harm(tmp_path: Path) -> None:
    looks = Looks(voices=Place(path=tmp_path, depth=3), config=Place(path=tmp_path / "b.wav"))
    (tmp_path / "b.wav").symlink_to(tmp_path / "c.wav")
    (tmp_path / "c.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    assert [looks.after(1) for _ in range(3)] == [[], ["voices", "config"], []]


def test_a_flip_of_a_link_is_seen_though_no_file_was_written(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}/settings.yaml").write_bytes(TEXTS[number])
        os.utime(tmp_path / f"..{number}/settings.yaml", (1.7e9, 1.7e9))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "settings.yaml").symlink_to("..data/settings.yaml")
    looks = Looks(config=Place(path=tmp_path / "settings.yaml"))
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]


def test_a_small_file_that_is_written_again_as_it_was_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(TEXTS[0])
    looks = Looks(config=Place(path=file))
    for again in (lambda: rename_over(file, TEXTS[0]), file.touch, lambda: file.chmod(0o600)):
        again()
        assert [looks.after(1) for _ in range(3)] == [[]] * 3


class Coarse:
    """What the system says of one file, by a clock that the test moves."""

    time_s = 1.7e9

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        real = os.stat

        def stat(path: Any, **options: Any) -> Any:
            status = real(path, **options)
            if path != str(file):
                return status
            fields = {name: getattr(status, f"st_{name}") for name in ("mode", "size", "ino")}
            times = dict.fromkeys(("mtime", "ctime"), self.time_s)
            fine = {f"{name}_ns": int(self.time_s * 1e9) for name in times}
            told = fields | times | fine
            return SimpleNamespace(**{f"st_{name}": value for name, value in told.items()})

        monkeypatch.setattr(os, "stat", stat)


@pytest.mark.parametrize(
    "ages_s",
    [
        pytest.param([1.0], id="while it is young"),
        pytest.param([1.0, 1.9], id="just before it is old"),
        pytest.param([1.0, 5.0, 9.0, 0.5], id="after the clock was set back"),
    ],
)
def test_a_change_that_the_file_systems_clock_hides_is_seen(
    ages_s: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size, same place, same times: only the content differs."""
    file = tmp_path / "settings.yaml"
    file.write_bytes(b"speed: 1.0")
    coarse, now = Coarse(monkeypatch, file), 0.0
    monkeypatch.setattr(watching.time, "time", lambda: coarse.time_s + now)
    looks = Looks(config=Place(path=file))
    for now in ages_s:  # noqa: B007 the clock reads it
        assert not looks.after(1)
    file.write_bytes(b"speed: 1.5")
    told = []
    for _ in range(3):
        now += 1.1
        told.append(looks.after(1.1))
    assert told == [[], ["config"], []]


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_jump_of_the_clock_tells_nothing_and_hides_nothing(
    jump_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, real = tmp_path / "settings.yaml", time.time
    file.write_bytes(TEXTS[0])
    looks = Looks(config=Place(path=file))
    assert not looks.after(1)
    monkeypatch.setattr(watching.time, "time", lambda: real() + jump_s)
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    rename_over(file, TEXTS[1])
    assert not looks.after(1)
    monkeypatch.setattr(watching.time, "time", lambda: real() - jump_s)
    assert [looks.after(1) for _ in range(3)] == [["config"], [], []]


def test_a_file_at_rest_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, now = tmp_path / "settings.yaml", time.time() + 10
    file.write_bytes(TEXTS[0])
    monkeypatch.setattr(watching.time, "time", lambda: now)
    looks = Looks(config=Place(path=file))
    reads: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or real(path))
    for _ in range(5):
        looks.after(1)
    assert reads == []


async def test_what_we_wrote_ourselves_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    looks = Looks(config=Place(path=file), voices=Place(path=tmp_path, depth=1))
    rename_over(file, TEXTS[0])
    await looks.acknowledge("config", TEXTS[0])
    await looks.acknowledge("voices")
    assert [looks.after(1) for _ in range(3)] == [[]] * 3
    file.write_bytes(TEXTS[1])
    assert [looks.after(1) for _ in range(3)] == [[], ["config", "voices"], []]


async def test_what_somebody_else_wrote_meanwhile_is_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    looks = Looks(config=Place(path=file))
    rename_over(file, TEXTS[0])
    rename_over(file, TEXTS[1])
    await looks.acknowledge("config", TEXTS[0])
    assert [looks.after(1) for _ in range(3)] == [[], ["config"], []]


async def test_a_place_that_hangs_or_fails_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, gate, heard = watching._look, threading.Event(), list[str]()

    def look(place: Place, before: Mapping[str, Any]) -> dict[str, Any]:
        if place.path.name == "share":
            gate.wait(30)
        if place.path.name == "broken":
            raise ValueError("words that nobody may read")
        return real(place, before)

    places = {name: Place(path=tmp_path / name) for name in ("share", "broken", "config")}
    async with told(places, heard.append):
        monkeypatch.setattr(watching, "_look", look)
        (tmp_path / "config").write_bytes(b"1")
        try:
            await until(lambda: heard)
        finally:
            gate.set()
    assert heard == ["config"]
    assert "looking at broken failed: ValueError" in caplog.text
    assert "words" not in caplog.text


async def test_changes_that_nobody_takes_do_not_pile_up(tmp_path: Path) -> None:
    watch = Watch({"config": Place(path=tmp_path / "a")}, poll_s=POLL_S, clock=Hurried())
    changes = watch.changes()
    first = asyncio.ensure_future(anext(changes))
    for number in range(40):
        (tmp_path / "a").write_text(str(number))
        await asyncio.sleep(3 * POLL_S)
    assert await first == "config"
    after = 0
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(1):
                await anext(changes)
            after += 1
    await changes.aclose()
    assert 1 <= after <= 3


async def test_whoever_stops_listening_leaves_nothing_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with told({"config": Place(path=tmp_path / "a")}, lambda _: None):
        await asyncio.sleep(3 * POLL_S)
    assert asyncio.all_tasks() == before


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.sampled_from(["write", "grow", "rename", "remove", "touch", "look", "look", "early"]),
        max_size=40,
    )
)
def test_whatever_happens_what_is_told_last_is_what_is_there(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only what has been at rest is told, and every state at rest is."""
    folder = tmp_path_factory.mktemp("voices")
    looks = Looks(voices=Place(path=folder, depth=1))
    file, other = folder / "a.wav", folder / "b.wav"
    known, changed_at = content_of(folder), -10.0

    for number, step in enumerate([*steps, "look", "look"]):
        before = content_of(folder)
        if step in {"look", "early"}:
            if looks.after(1.0 if step == "look" else 0.3):
                assert looks.clock.now - changed_at >= 0.9
                assert before != known
                known = before
            continue
        if step == "write":
            file.write_bytes(f"{number}".encode())
        elif step == "grow" and file.exists():
            with file.open("ab") as opened:
                opened.write(b"+")
        elif step == "rename" and file.exists():
            file.rename(other)
        elif step == "remove":
            other.unlink(missing_ok=True)
        elif step == "touch" and file.exists():
            file.touch()
        if content_of(folder) != before:
            changed_at = looks.clock.now
    assert known == content_of(folder)


def content_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
