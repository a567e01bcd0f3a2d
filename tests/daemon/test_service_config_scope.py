"""Settings while the house is talking: a good change counts whole, a bad one not at all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.config import Settings, Source, boot
from indextts_daemon.errors import EngineUnavailableError, Problem, SettingsError
from indextts_daemon.history import History
from indextts_daemon.service.config_scope import ConfigScope, ConfigWish
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.operations import Operation, Operations, Result, Running
from indextts_daemon.service.reloading import Change, Reloader
from indextts_daemon.service.settings_file import SettingsFile, etag
from tests.daemon.bad_edits import BAD_SETTINGS
from tests.daemon.test_storage import BEFORE, FULL, names

GOOD = "language: de  # at home\n"
OTHER = "language: fr\nserver:\n  port: 1\n"


@dataclass
class Stage:
    """What stands for the models and doors that new settings may ask for."""

    refusal: Exception | None = None
    needs: bool = True
    asked: list[Settings] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    async def restage(self, settings: Settings, running: Running) -> Change | None:
        self.asked.append(settings)
        running.say("The stage is set.")
        self.meanwhile()
        if self.refusal is not None:
            raise self.refusal
        if not self.needs:
            return None
        default = f"default for {settings.language}"
        return Change(
            apply=lambda now: replace(now, default=default),
            after=self._noting("after"),
            give_up=self._noting("give up"),
        )

    def _noting(self, what: str) -> Callable[[], Any]:
        async def note() -> None:
            self.told.append(what)

        return note


class House:
    """A daemon's settings, with everything around them real but the models."""

    def __init__(self, folder: Path, *, state: History | None = None, **source: Any) -> None:
        self.folder = folder
        self.path = folder / "settings.yaml"
        layers = Source(**{"file": self.path} | source)
        history = state or History(folder / "state")
        settings, problems = boot(layers, history)
        self.file = SettingsFile(layers, history, problems=problems)
        self.generations = Generations(
            Generation(settings=settings, models={}, default="as it was")
        )
        self.stage = Stage()
        self.written: list[bytes] = []
        events = EventBus()
        self.reloader = Reloader(self.generations, Operations(events), events)
        self.reloader.add(
            ConfigScope(self.file, self.generations, self.stage.restage, written=self._note)
        )

    async def _note(self, content: bytes) -> None:
        assert self.path.read_bytes() == content
        self.written.append(content)

    @property
    def settings(self) -> Settings:
        return self.generations.current.settings

    @property
    def kept(self) -> list[str]:
        return [version.text for version in self.file.history.versions()]

    async def read(self) -> Operation:
        return await self.reloader.reload("config", who="file")

    async def put(self, text: str, **wish: Any) -> Operation:
        wished = ConfigWish(text=text, **wish)
        return await self.reloader.reload("config", who="api", wish=wished, action="put")

    async def roll_back(self) -> Operation:
        version = self.file.before()
        return await self.put(version.text, back_to=version)


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "settings.yaml").write_text(GOOD)
    return House(tmp_path)


async def test_a_good_edit_counts_whole_with_what_it_needs(house: House) -> None:
    house.path.write_text(OTHER)
    done = await house.read()
    now = house.generations.current
    assert (done.result, done.generation, now.number) == (Result.applied, 2, 2)
    assert (now.settings.language, now.settings.server.port) == ("fr", 1)
    assert now.default == "default for fr"
    assert done.details == {"changed": ["language", "server.port"], "shadowed": []}
    assert house.stage.asked == [now.settings]
    assert house.stage.told == ["after"]
    assert house.kept == [OTHER, GOOD]
    assert house.path.read_text() == OTHER
    assert house.written == []


async def test_a_change_that_needs_nothing_ready_counts_all_the_same(house: House) -> None:
    house.stage.needs = False
    house.path.write_text(OTHER)
    assert (await house.read()).result is Result.applied
    assert house.settings.language == "fr"
    assert house.generations.current.default == "as it was"


@pytest.mark.parametrize("text", [GOOD, "# moved\nlanguage: de\n", 'language: "de"\n'])
async def test_an_edit_that_changes_no_setting_makes_no_generation(house: House, text: str) -> None:
    house.path.write_text(text)
    done = await house.read()
    assert (done.result, done.generation) == (Result.unchanged, 1)
    assert house.stage.asked == []
    assert house.kept[0] == text


@pytest.mark.parametrize("content", [one for _, one in BAD_SETTINGS], ids=dict(BAD_SETTINGS))
async def test_a_bad_edit_changes_nothing_and_is_told_in_words(
    house: House, content: bytes
) -> None:
    before = house.generations.current
    house.path.write_bytes(content)
    done = await house.read()
    assert (done.result, done.generation, done.code) == (Result.rejected, 1, "settings_invalid")
    assert done.errors
    assert all(one.message.startswith("settings.yaml") for one in done.errors)
    assert all(str(house.folder) not in one.message for one in done.errors)
    assert house.generations.current is before
    assert house.stage.asked == []
    assert house.kept == [GOOD]
    assert house.file.problems == done.errors
    assert house.path.read_bytes() == content
    house.path.write_text(GOOD)
    assert (await house.read()).result is Result.unchanged
    assert house.file.problems == ()


TEXTS = {name: content for name, content in BAD_SETTINGS if content.isascii()}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
async def test_a_bad_document_that_is_sent_leaves_the_file_as_it_was(
    house: House, content: bytes
) -> None:
    before = house.generations.current
    done = await house.put(content.decode())
    assert (done.result, done.code) == (Result.rejected, "settings_invalid")
    assert house.generations.current is before
    assert house.path.read_text() == GOOD
    assert names(house.folder) == ["settings.yaml", "state"]
    assert house.file.problems == ()
    assert house.written == []


def test_there_are_more_than_forty_kinds_of_bad_edit() -> None:
    assert len(dict(BAD_SETTINGS)) == len(BAD_SETTINGS) > 40


async def test_a_problem_has_its_key_and_line(house: House) -> None:
    house.path.write_text("\nserver:\n  port: 99999\nzork: 1\n")
    done = await house.read()
    assert {(one.path, one.line) for one in done.errors} == {("server.port", 3), ("zork", 4)}


async def test_a_document_that_is_sent_is_written_as_it_is(house: House) -> None:
    text = "# Küche\r\nlanguage: fr   # for the guests\n"
    done = await house.put(text)
    assert (done.result, house.settings.language) == (Result.applied, "fr")
    assert house.path.read_bytes() == text.encode()
    assert house.written == [text.encode()]
    assert house.kept == [text, GOOD]


async def test_a_document_that_differs_in_comments_only_is_written_too(house: House) -> None:
    done = await house.put(GOOD + "# more\n")
    assert (done.result, done.generation) == (Result.unchanged, 1)
    assert house.path.read_text() == GOOD + "# more\n"


async def test_a_document_that_is_sent_mends_a_bad_file(house: House) -> None:
    house.path.write_text("language: [")
    await house.read()
    assert house.file.trouble
    assert (await house.put(OTHER)).result is Result.applied
    assert house.file.trouble == ""


@pytest.mark.parametrize("text", [OTHER, "language: ["])
async def test_a_dry_run_changes_and_writes_nothing(house: House, text: str) -> None:
    before = house.generations.current
    done = await house.put(text, dry=True)
    assert done.result is (Result.unchanged if text == OTHER else Result.rejected)
    assert house.generations.current is before
    assert house.path.read_text() == GOOD
    assert house.kept == [GOOD]
    assert (house.stage.asked, house.written) == ([], [])


async def test_a_dry_run_tells_what_would_change(house: House) -> None:
    done = await house.put(OTHER, dry=True)
    assert done.details == {"changed": ["language", "server.port"], "shadowed": []}


async def test_of_two_who_have_read_the_same_only_the_first_is_taken(house: House) -> None:
    mark = frozenset({etag(GOOD)})
    first, second = await asyncio.gather(
        house.put("language: fr\n", match=mark), house.put("language: it\n", match=mark)
    )
    assert (first.result, second.result) == (Result.applied, Result.rejected)
    assert second.code == "precondition_failed"
    assert house.path.read_text() == "language: fr\n"
    assert house.settings.language == "fr"


async def test_an_edit_by_hand_since_then_is_not_overwritten(house: House) -> None:
    mark = frozenset({etag(GOOD)})
    house.path.write_text("language: it\n")
    done = await house.put("language: fr\n", match=mark)
    assert done.code == "precondition_failed"
    assert house.path.read_text() == "language: it\n"


@pytest.mark.parametrize("content", [GOOD.encode(), b"\xff"])
async def test_any_document_is_overwritten_by_who_says_so(house: House, content: bytes) -> None:
    house.path.write_bytes(content)
    assert (await house.put(OTHER, match=frozenset("*"))).result is Result.applied


async def test_an_unreadable_file_has_no_mark_that_anybody_could_have_read(house: House) -> None:
    house.path.write_bytes(b"\xff")
    done = await house.put(OTHER, match=frozenset({etag("")}))
    assert done.code == "precondition_failed"


@pytest.mark.parametrize("step", [step for step, (_, error) in BEFORE.items() if error is FULL])
async def test_a_write_that_fails_lets_go_of_what_was_made_ready(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = house.generations.current
    patch, _ = BEFORE[step]
    patch(monkeypatch)
    done = await house.put(OTHER)
    monkeypatch.undo()
    assert done.result is Result.rejected
    assert [one.message for one in done.errors] == [
        "settings.yaml cannot be written (No space left on device)."
    ]
    assert house.generations.current is before
    assert house.stage.told == ["give up"]
    assert house.path.read_text() == GOOD
    assert house.kept == [GOOD]


@pytest.mark.parametrize(
    "refusal",
    [
        SettingsError("Port 1 is taken.", problems=[Problem(message="Port 1 is taken.")]),
        EngineUnavailableError("Port 1 is taken.", code="insufficient_memory"),
    ],
)
async def test_settings_that_cannot_be_made_ready_do_not_count(
    house: House, refusal: Exception
) -> None:
    before = house.generations.current
    house.stage.refusal = refusal
    sent = await house.put(OTHER)
    assert (sent.result, house.path.read_text()) == (Result.rejected, GOOD)
    assert house.file.problems == ()
    house.path.write_text(OTHER)
    edited = await house.read()
    assert (edited.result, house.file.trouble) == (Result.rejected, "Port 1 is taken.")
    assert house.generations.current is before
    assert house.kept == [GOOD]


async def test_a_key_that_something_else_overrides_is_told(tmp_path: Path) -> None:
    house = House(tmp_path, environment={"INDEXTTS_LANGUAGE": "it"})
    done = await house.put(OTHER)
    assert done.details == {"changed": ["server.port"], "shadowed": ["language"]}
    assert (house.settings.language, house.settings.server.port) == ("it", 1)


async def test_what_others_change_meanwhile_stays_changed(house: House) -> None:
    staged = asyncio.Event()
    go_on = asyncio.Event()
    restage = house.stage.restage

    async def slow(settings: Settings, running: Running) -> Change | None:
        staged.set()
        await go_on.wait()
        return await restage(settings, running)

    scope = ConfigScope(house.file, house.generations, slow)
    house.reloader.add(scope)
    going = asyncio.create_task(house.put(OTHER))
    await staged.wait()
    house.generations.commit(lambda now: replace(now, reason="somebody else's"))
    go_on.set()
    assert (await going).generation == 3
    assert house.generations.current.reason == "somebody else's"
    assert house.settings.language == "fr"


async def test_the_last_ten_good_documents_are_kept(house: House) -> None:
    for port in range(1, 15):
        await house.put(f"server: {{port: {port}}}\n")
    assert house.kept == [f"server: {{port: {port}}}\n" for port in range(14, 4, -1)]


async def test_rolling_back_twice_goes_two_steps_back(house: House) -> None:
    await house.put("language: fr\n")
    await house.put("language: it\n")
    assert (await house.roll_back()).result is Result.applied
    assert house.settings.language == "fr"
    assert (await house.roll_back()).result is Result.applied
    assert house.settings.language == "de"
    assert house.path.read_text() == GOOD
    with pytest.raises(SettingsError, match="No version from before this one is kept"):
        house.file.before()


async def test_a_step_back_from_a_bad_file_is_to_the_good_document_before_it(house: House) -> None:
    house.path.write_text("language: [")
    await house.read()
    done = await house.roll_back()
    assert (done.result, house.path.read_text()) == (Result.unchanged, GOOD)
    assert house.file.trouble == ""


async def test_a_version_that_is_bad_today_is_not_rolled_back_to(house: House) -> None:
    house.file.remember("a_setting_of_old: 1\n")
    house.path.write_text(OTHER)
    await house.read()
    done = await house.roll_back()
    assert (done.result, done.errors[0].path) == (Result.rejected, "a_setting_of_old")
    assert house.path.read_text() == OTHER
    assert house.settings.language == "fr"


async def test_a_file_that_vanishes_takes_no_setting_along(house: House) -> None:
    house.path.unlink()
    done = await house.read()
    assert done.result is Result.rejected
    assert done.errors[0].message.startswith("settings.yaml is gone; ")
    assert house.settings.language == "de"
    assert house.file.trouble
    house.path.touch()
    assert (await house.read()).result is Result.applied
    assert house.settings.language == "en"


async def test_a_daemon_that_started_from_its_last_good_settings_says_so_until_it_is_mended(
    house: House,
) -> None:
    house.path.write_text("language: [")
    again = House(house.folder)
    assert again.settings.language == "de"
    assert again.file.trouble.startswith("settings.yaml, line 1: ")
    again.path.write_text(OTHER)
    await again.read()
    assert (again.settings.language, again.file.trouble) == ("fr", "")


async def test_a_disk_that_cannot_remember_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("in the way")
    house = House(tmp_path)
    assert (await house.put(OTHER)).result is Result.applied
    assert house.settings.language == "fr"
    assert "could not be kept" in caplog.text
