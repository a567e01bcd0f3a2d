"""Whatever a disk or a person did to a file in the data folder, the daemon starts and speaks."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
import shutil
import wave

import pytest

from indextts_daemon.api.keys import Services
from indextts_daemon.compose import build
from indextts_daemon.config import Settings, Source, boot, settings_history
from indextts_daemon.doorless import first_words
from indextts_daemon.identity import Pairing, open_identity
from indextts_daemon.service.settings_file import SettingsFile
from tests.daemon.running import RunningDaemon

SETTINGS = "language: de\nqueue:\n  capacity: 7\n"
MOODS = "sleepy:\n  speed: 0.8\n"
LEXICON = "- say: Ikea\n  like: ee-kay-ah\n"
FAKES = {"fake": "voices: {tone: 1}\n", "fake.two": "generation: 2\nvoices: {tone: 1}\n"}
EXPECTED = {  # at least these are there once everything was used
    *("token", "instance.json", "settings.yaml", "moods.yaml", "lexicon.yaml"),
    *("state/identity.json", "state/paired", "state/operations.json", "state/revision.json"),
    *("state/paused.json", "state/models.json", "voices/grandma.wav", "voices/grandma.yaml"),
    *("models/fake/fake.yaml", "models/fake.two/fake.yaml"),
}


def folder_at(file: Path) -> None:
    file.unlink()
    (file / "below").mkdir(parents=True)


def circle_at(file: Path) -> None:
    """Leave what nobody can read, not even root."""
    file.unlink()
    file.symlink_to(file.name)


def cut(part: float) -> Callable[[Path], None]:
    def shorten(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(part * len(content))])

    return shorten


def filled(content: bytes) -> Callable[[Path], None]:
    def fill(file: Path) -> None:
        file.write_bytes(content)

    return fill


NO_SENSE: dict[str, Callable[[Path], None]] = {  # nobody can take that for what he wrote
    "zeros": filled(bytes(300)),
    "garbage": filled(b"\xff\xfe{]}\x00" * 50),
    "a folder": folder_at,
    "nothing that can be read": circle_at,
}
DAMAGE: dict[str, Callable[[Path], None]] = NO_SENSE | {
    "empty": filled(b""),
    "a quarter": cut(0.25),
    "half": cut(0.5),
    "nearly all": cut(0.97),
    "another kind": filled(b'{"a": [1, null, {"b": "c"}]}'),
    "another kind yet": filled(b"- 5\n- x: 1\n"),
    "nothing much": filled(b"null"),
    "deep": filled(b"[" * 10_000),
}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a daemon that has done whatever leaves something there."""
    folder = tmp_path_factory.mktemp("used") / "data"
    for place, text in {
        "settings.yaml": SETTINGS,
        "moods.yaml": MOODS,
        "lexicon.yaml": LEXICON,
        "voices/grandma.yaml": "name: Grandma\n",
        **{f"models/{name}/fake.yaml": text for name, text in FAKES.items()},
    }.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    with wave.open(str(folder / "voices/grandma.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(32000))
    with RunningDaemon(folder) as daemon:
        asyncio.run(_use(daemon))
        assert daemon.stop() == 0
    return folder


async def _use(daemon: RunningDaemon) -> None:
    async with daemon.session() as session:

        async def ask(method: str, path: str, **given: object) -> dict[str, object]:
            async with session.request(method, path, **given) as answer:  # type: ignore[arg-type]
                assert answer.status < 300, await answer.text()
                return dict(await answer.json()) if "json" in answer.content_type else {}

        code = (await ask("POST", "/v1/pair/code"))["code"]
        await ask("POST", "/v1/pair", json={"code": code, "name": "a test"})
        await ask("PUT", "/v1/config", data=f"{SETTINGS}# edited\n")
        await ask("POST", "/v1/models/fake/activate?wait=true", json={"version": "two"})
        await ask("POST", "/v1/pause", json={})
        await ask("POST", "/v1/resume", json={})
        await ask("POST", "/v1/audio/speech", json={"input": "Good night."})
        await asyncio.sleep(1.5)  # it remembers once a second


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "data"))


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def started(data: Path) -> tuple[Settings, Services]:
    """Do what `serve` does before anything runs."""
    source, history = (
        Source(file=data / "settings.yaml", flags={"engine": "fake"}),
        settings_history(data),
    )
    settings, problems = boot(source, history)
    services = build(
        settings,
        open_identity(data),
        Pairing(data),
        data_dir=data,
        settings_file=SettingsFile(source, history, problems=problems),
    )
    services.encoders.shutdown()
    return settings, services


def in_force(data: Path) -> tuple[object, ...]:
    """Start, and return what the household would notice."""
    settings, services = started(data)
    now = services.generations.current
    return settings, dict(now.moods), now.lexicon.rules, services.identity


def test_everything_that_is_kept_is_in_the_folder(used: Path) -> None:
    assert set(files(used)) >= EXPECTED


@pytest.mark.parametrize("damage", DAMAGE)
async def test_it_starts_whichever_file_is_damaged(damage: str, used: Path, tmp_path: Path) -> None:
    whole, failed = in_force(used), {}
    for number, name in enumerate(files(used)):
        data = tmp_path / str(number)
        shutil.copytree(used, data)
        DAMAGE[damage](data / name)
        try:
            now = in_force(data)
        except Exception as err:  # noqa: BLE001 all are told together
            failed[name] = repr(err)
        else:
            if damage in NO_SENSE and now != whole:
                failed[name] = "something else is in force"
        shutil.rmtree(data)
    assert failed == {}


@pytest.mark.parametrize("damage", NO_SENSE)
async def test_it_speaks_with_every_file_of_its_own_damaged_at_once(
    damage: str, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And with the recordings and the models; the good copies of documents are all it has."""
    copies = ("state/identity.json", "state/settings/", "state/moods/", "state/lexicon/")
    for name in files(data):
        if not name.startswith(copies):
            DAMAGE[damage](data / name)
    await assert_it_speaks(data)
    assert "Traceback" not in caplog.text


async def test_it_speaks_with_what_killed_writers_left_beside_every_file(data: Path) -> None:
    for name in files(data):
        file = data / name
        (file.parent / f".{file.name}.a1b2c3d4.unfinished").write_bytes(file.read_bytes()[:20])
    before = in_force(data)
    await assert_it_speaks(data)
    assert in_force(data) == before


async def assert_it_speaks(data: Path) -> None:
    async with AsyncExitStack() as stack:
        _, services = started(data)
        stack.push_async_callback(services.pool.close)
        stack.push_async_callback(services.sharing.close)
        stack.push_async_callback(services.reloader.close)
        assert await first_words(services) == ""
        for scope in services.reloader.scopes:
            await services.reloader.reload(scope, who="signal")
        assert await first_words(services) == ""


def test_a_process_starts_with_all_of_it_damaged(data: Path) -> None:
    copies = ("state/identity.json", "state/settings/", "state/moods/", "state/lexicon/")
    for name in files(data):
        if not name.startswith(copies):
            DAMAGE["garbage"](data / name)
    with RunningDaemon(data) as daemon:
        assert "Traceback" not in daemon.log
        assert daemon.stop() == 0
