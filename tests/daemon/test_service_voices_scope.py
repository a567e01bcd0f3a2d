"""Voices while the house speaks: what is put in the folder is heard, and a bad edit is not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
import threading
from typing import Any

import pytest

from indextts_daemon.audio import coach, recording
from indextts_daemon.compose import _catch_up
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service import enrolled, studio, voices_scope
from indextts_daemon.service.castings import FakeCasting
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.hearing import Heard
from indextts_daemon.service.operations import Operation, Operations, Result
from indextts_daemon.service.placing import Placing
from indextts_daemon.service.reloading import Reloader
from indextts_daemon.service.sidecars import Stated
from indextts_daemon.service.studio import ChangedError
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.service.voices_scope import AddVoice, DeleteVoice, ReplaceVoice, VoicesScope
from indextts_daemon.speech import ModelInfo, Say, Voice
from tests.daemon.bad_recordings import BAD_RECORDINGS, Writer
from tests.daemon.recordings import MADE, RATE, encoded, heart
from tests.daemon.rooms import StubModel, generations_of, info, until, voice

GOOD, OTHER = encoded(heart()[: 5 * RATE]), encoded(heart()[RATE : 6 * RATE], container="FLAC")
STATED = Stated.of(consent="She said yes.", name="Anna", languages="en")


@cache
def heard(content: bytes) -> Heard:
    found = recording.read(content)
    return Heard(content=content, suffix=found.suffix, report=coach.examine(found)[0])


@dataclass(eq=False)
class Caster(StubModel):
    """A model of the fake engine without its process."""

    casting: FakeCasting | None = None
    fault: EngineUnavailableError | None = None

    @property
    def recast(self) -> Callable[[Say], Any] | None:
        return None if self.casting is None else self._recast

    async def _recast(self, say: Say) -> tuple[Voice, ...]:
        if self.fault is not None:
            raise self.fault
        assert self.casting is not None
        assert self.info is not None
        return await self.casting.recast(self.info, say)


class Nothing:
    """Models, of which nothing has changed."""

    name = "models"

    async def stage(self, _wish: object, _running: object) -> None:
        """Find that all is as it was."""


@dataclass
class House:
    """A data folder, the voices scope over it, and models that are loaded."""

    data: Path
    events: EventBus = field(default_factory=EventBus)
    written: int = 0

    def start(self) -> None:
        self.folder = self.data / "voices"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = VoiceStore(self.folder, self.data / "state/voices")
        own = info("fake", voice("own", "en", "de"))
        self.model = Caster(id="fake", knows=None, info=own, casting=FakeCasting(self.store))
        self.know(self.model, Caster(id="plain", knows=None))

    def know(self, *models: Caster) -> None:
        """Have these models, and a scope over them."""
        self.generations: Generations = generations_of(*models)
        self.reloader = Reloader(self.generations, Operations(self.events), self.events)
        self.scope = VoicesScope(self.store, self.generations, written=self._written)
        self.reloader.add(self.scope)

    async def _written(self) -> None:
        self.written += 1

    @property
    def now(self) -> Generation:
        return self.generations.current

    @property
    def voices(self) -> dict[str, Voice]:
        known: Any = self.now.info(self.model)  # type: ignore[arg-type]
        return {one.id: one for one in known.voices}

    @property
    def files(self) -> dict[str, bytes]:
        found = [path for path in self.folder.iterdir() if path.name != ".placing"]
        assert len(found) == len(list(self.folder.iterdir())), "something waits for ever"
        return {path.name: path.read_bytes() for path in found}

    async def reload(self) -> Operation:
        return await self.reloader.reload("voices", who="file")

    async def wish(self, wish: Any) -> Operation:
        action = type(wish).__name__.removesuffix("Voice").lower()
        return await self.reloader.reload(
            "voices", who="api", wish=wish, action=action, subject=wish.voice
        )

    def add(self, content: bytes = GOOD, *, voice: str = "anna", stated: Stated = STATED) -> Any:
        return self.wish(AddVoice(voice=voice, heard=heard(content), stated=stated))

    def replace(self, content: bytes = OTHER, *, match: frozenset[str] | None = None) -> Any:
        wish = ReplaceVoice(voice="anna", heard=heard(content), stated=STATED, match=match)
        return self.wish(wish)

    def traces(self, *words: str) -> list[str]:
        """Return the files whose name or content holds one of the words."""
        found = []
        for file in self.data.rglob("*"):
            held = file.read_bytes() if file.is_file() else b""
            found += [file.name for word in words if word.encode() in file.name.encode() + held]
        return found


async def hear(content: bytes) -> Heard:
    """Listen in this process: it is quicker, and who listens is tested elsewhere."""
    return await asyncio.to_thread(heard, content)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(studio, "hear", hear)
    house = House(tmp_path / "data")
    house.start()
    yield house
    await house.reloader.close()


async def settled(house: House) -> None:
    """Let what follows a commit come to its end."""
    async with asyncio.timeout(30):
        while house.reloader._tasks:
            await asyncio.gather(*house.reloader._tasks)


async def test_a_recording_that_is_put_in_the_folder_is_a_voice(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    done = await house.reload()
    assert done.result is Result.applied
    assert done.details["added"] == ["anna"]
    assert done.details["changed"] == done.details["removed"] == done.details["stale"] == []
    assert list(house.voices) == ["own", "anna"]
    assert house.voices["anna"].languages == ("en", "de")
    assert done.generation == house.now.number == 2


async def test_where_nothing_differs_the_generation_stays(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    await house.reload()
    done = await house.reload()
    assert (done.result, done.generation) == (Result.unchanged, 2)
    (house.folder / "anna.wav").write_bytes(GOOD)
    assert (await house.reload()).result is Result.unchanged


async def test_a_changed_and_a_removed_voice_are_told(house: House) -> None:
    for name in ("anna", "bob"):
        (house.folder / f"{name}.wav").write_bytes(GOOD)
    await house.reload()
    before = house.voices
    (house.folder / "anna.wav").unlink()
    (house.folder / "anna.flac").write_bytes(OTHER)
    (house.folder / "bob.wav").unlink()
    done = await house.reload()
    assert (done.details["changed"], done.details["removed"]) == (["anna"], ["bob"])
    assert house.voices["anna"].revision != before["anna"].revision
    assert house.voices["anna"].handle != before["anna"].handle


async def test_a_sidecar_changes_a_voice_and_not_its_sound(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    await house.reload()
    before = house.voices["anna"]
    (house.folder / "anna.yaml").write_text("name: Anna\nlanguages: [de]\n")
    done = await house.reload()
    assert done.details["changed"] == ["anna"]
    anna = house.voices["anna"]
    assert (anna.name, anna.languages) == ("Anna", ("de",))
    assert (anna.revision, anna.handle) == (before.revision, before.handle)


@pytest.mark.parametrize(
    ("kind", "write"), BAD_RECORDINGS, ids=[kind for kind, _ in BAD_RECORDINGS]
)
async def test_a_bad_recording_leaves_the_voice_as_it_was(
    house: House, kind: str, write: Writer
) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    await house.reload()
    before = house.now
    (house.folder / "anna.wav").unlink()
    write(house.folder / "anna.wav")
    done = await house.reload()
    assert done.result is Result.rejected
    assert done.code == "voices_invalid"
    assert any("anna" in problem.message for problem in done.errors)
    assert all(problem.message.endswith(".") for problem in done.errors)
    assert str(house.data) not in repr(done)
    assert done.details["stale"] == ["anna"]
    assert house.now is before
    assert (await house.reload()).errors == done.errors


async def test_a_bad_recording_beside_a_good_one_costs_only_itself(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    await house.reload()
    (house.folder / "anna.wav").write_bytes(b"no sound")
    (house.folder / "bob.flac").write_bytes(OTHER)
    done = await house.reload()
    assert done.result is Result.applied
    assert (done.details["added"], done.details["stale"]) == (["bob"], ["anna"])
    assert any("anna stays as it was" in problem.message for problem in done.errors)


async def test_the_last_good_recording_outlives_the_daemon(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    await house.reload()
    before = house.voices["anna"]
    (house.folder / "anna.wav").write_bytes(b"no sound")
    await house.reload()
    house.start()
    await house.reload()
    assert house.voices["anna"] == before
    assert house.store.known["anna"].stale


async def test_a_model_that_cannot_recast_changes_nothing(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    house.model.fault = EngineUnavailableError("The model cannot be read.", code="enrolment_failed")
    done = await house.reload()
    assert (done.result, done.code) == (Result.rejected, "enrolment_failed")
    assert list(house.voices) == ["own"]


async def test_a_model_that_was_never_loaded_is_left_alone(house: House) -> None:
    house.model.info = None
    (house.folder / "anna.wav").write_bytes(GOOD)
    assert (await house.reload()).result is Result.unchanged
    assert house.store.known["anna"].id == "anna"


async def test_an_uploaded_voice_is_there_with_all_that_was_said(house: House) -> None:
    done = await house.add()
    assert done.result is Result.applied
    assert (done.action, done.subject, done.details["added"]) == ("add", "anna", ["anna"])
    anna = house.voices["anna"]
    assert (anna.name, anna.languages) == ("Anna", ("en",))
    assert house.files["anna.wav"] == GOOD
    consent = house.store.known["anna"].consent
    assert isinstance(consent, str)
    assert consent.startswith("She said yes. (noted on 20")
    assert house.written == 1


async def test_an_uploaded_file_is_named_by_what_it_holds(house: House) -> None:
    await house.add(OTHER)
    assert sorted(house.files) == ["anna.flac", "anna.yaml"]


@pytest.mark.parametrize("taken", ["anna", "own", "heart", "bob"])
async def test_an_id_that_is_taken_is_refused(house: House, taken: str) -> None:
    await house.add()
    (house.folder / "bob.wav").write_bytes(b"no sound")
    before = house.files
    done = await house.add(OTHER, voice=taken)
    assert (done.result, done.code) == (Result.rejected, "voice_exists")
    assert house.files == before


async def test_what_the_coach_refuses_is_not_kept(house: House) -> None:
    done = await house.add(MADE["three words"]())
    assert (done.result, done.code) == (Result.rejected, "too_short")
    assert done.errors[0].message.startswith("There are only")
    assert house.files == {}
    assert list(house.voices) == ["own"]


async def test_a_voice_that_no_model_can_speak_is_put_back(house: House) -> None:
    stated = Stated.of(consent="Yes.", name=None, languages="fr")
    done = await house.add(stated=stated)
    assert (done.result, done.code) == (Result.rejected, "unsupported_language")
    assert house.files == {}
    assert house.store.known == {}
    assert house.traces("anna", heard(GOOD).sha256) == []


async def test_what_is_still_being_removed_takes_nothing_of_the_next_recording_along(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow, and who was refused the same recording does not wait for it."""
    await house.reload()  # the first look tidies too
    go, tidy = threading.Event(), enrolled.tidy

    def slowly(*paths: Path, **how: Any) -> None:
        go.wait(30)
        tidy(*paths, **how)

    monkeypatch.setattr(voices_scope, "LET_GO_S", 0.05)
    monkeypatch.setattr(enrolled, "tidy", slowly)
    refused = await house.add(stated=Stated.of(consent="Yes.", name=None, languages="fr"))
    assert refused.code == "unsupported_language"
    adding = asyncio.create_task(house.add())
    await asyncio.wait({adding}, timeout=0.5)
    go.set()
    assert (await adding).result is Result.applied
    await settled(house)
    notes = enrolled.notes(house.data / "state/voices").values()
    assert [note.content for note in notes] == [heard(GOOD).sha256]


async def test_of_all_changes_that_another_process_keeps_from_tidying_one_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = False
    waiting: list[object] = []
    release = VoiceStore.release

    async def held(store: VoiceStore, spoken: Callable[[], Any]) -> None:
        waiting.append(spoken)
        while not alone:  # noqa: ASYNC110 the lock tells nobody
            await asyncio.sleep(0.01)
        await release(store, spoken)

    monkeypatch.setattr(VoiceStore, "release", held)
    await house.add()
    await house.replace()
    await house.wish(DeleteVoice(voice="anna"))
    await asyncio.sleep(0.05)
    assert len(waiting) == 1
    alone = True
    await settled(house)
    assert len(waiting) == 2  # for what came meanwhile
    assert house.traces("anna", heard(GOOD).sha256, heard(OTHER).sha256) == []


async def test_a_replaced_voice_is_another_revision_and_keeps_its_moods(house: House) -> None:
    await house.add()
    before = house.voices["anna"]
    (house.folder / "anna.yaml").write_text("name: Old\nmoods: {sad: own}\n")
    done = await house.replace()
    assert done.result is Result.applied
    assert done.details["changed"] == ["anna"]
    assert sorted(house.files) == ["anna.flac", "anna.yaml"]
    assert b"sad: own" in house.files["anna.yaml"]
    assert house.voices["anna"].revision != before.revision


async def test_a_voice_is_replaced_only_as_it_was_read(house: House) -> None:
    await house.add()
    stale, current = frozenset({"0" * 16}), frozenset({house.voices["anna"].revision})
    done = await house.replace(match=stale)
    assert (done.result, done.code) == (Result.rejected, "precondition_failed")
    assert (await house.replace(match=current)).result is Result.applied
    assert (
        await house.wish(DeleteVoice(voice="anna", match=current))
    ).code == "precondition_failed"
    assert (await house.wish(DeleteVoice(voice="anna", match=frozenset("*")))).code == ""


@pytest.mark.parametrize(
    ("voice", "code"), [("nobody", "voice_not_found"), ("own", "voice_protected")]
)
async def test_only_a_recording_can_be_replaced_or_deleted(
    house: House, voice: str, code: str
) -> None:
    wish = ReplaceVoice(voice=voice, heard=heard(GOOD), stated=STATED)
    assert (await house.wish(wish)).code == code
    assert (await house.wish(DeleteVoice(voice=voice))).code == code
    assert house.files == {}


@pytest.mark.parametrize("when", ["recasting", "writing"])
async def test_what_fails_leaves_the_folder_and_the_voices_as_they_were(
    house: House, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    await house.add()
    files, generation = house.files, house.now
    if when == "recasting":
        house.model.fault = EngineUnavailableError("The disk is full.", code="enrolment_failed")
    else:
        monkeypatch.setattr(Placing, "begin", _full)
    for wish in (house.replace(), house.add(voice="bob"), house.wish(DeleteVoice(voice="anna"))):
        done = await wish
        assert done.result is Result.rejected
        assert done.code == ("enrolment_failed" if when == "recasting" else "voice_not_kept")
        assert house.files == files
        assert house.now is generation
    house.model.fault = None
    assert (await house.reload()).result is Result.unchanged


def _full(_: Placing) -> None:
    raise OSError(28, "No space left on device")


async def test_a_sidecar_that_cannot_be_read_is_not_written_over(house: House) -> None:
    await house.add()
    (house.folder / "anna.yaml").write_text("name: [\n")
    files = house.files
    done = await house.replace()
    assert (done.result, done.code) == (Result.rejected, "settings_invalid")
    assert house.files == files


async def test_who_gives_up_in_the_middle_leaves_the_folder_as_it_was(house: House) -> None:
    await house.add()
    files = house.files
    begun = asyncio.Event()

    async def slow(_: ModelInfo, __: Say) -> tuple[Voice, ...]:
        begun.set()
        await asyncio.sleep(600)
        return ()

    house.model.casting = Any  # type: ignore[assignment]
    house.model._recast = lambda say: slow(house.model.info, say)  # type: ignore[method-assign,arg-type]
    asking = asyncio.create_task(house.replace())
    await begun.wait()
    await house.reloader.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert house.files == files


async def test_a_deleted_voice_leaves_no_trace(house: House) -> None:
    await house.add(voice="zork", stated=Stated.of(consent="Yes.", name="Zork", languages=None))
    await house.add(OTHER, voice="anna")
    content = heard(GOOD).sha256
    assert house.traces("zork", content, content[:16])
    done = await house.wish(DeleteVoice(voice="zork"))
    await settled(house)
    assert (done.result, done.details["removed"]) == (Result.applied, ["zork"])
    assert list(house.voices) == ["own", "anna"]
    assert house.traces("zork", "Zork", content, content[:16]) == []
    assert house.traces(heard(OTHER).sha256)


async def test_a_deleted_voice_is_gone_though_its_recording_was_never_good(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(MADE["three words"]())
    await house.reload()
    done = await house.wish(DeleteVoice(voice="anna"))
    await settled(house)
    assert done.result is Result.applied
    assert house.traces("anna", heard(MADE["three words"]()).sha256) == []


async def test_a_model_of_which_the_files_have_changed_keeps_its_voices(house: House) -> None:
    await house.add(voice="bob")
    house.model.fault = ChangedError("Its files are not those that it was let in with.")
    kept, before = house.files, house.voices
    for done in (await house.reload(), await house.add()):  # nobody can speak with a recording
        assert done.result is Result.rejected
        assert done.errors[0].message == house.model.fault.message
    assert (house.files, house.voices) == (kept, before)


async def test_a_model_of_which_the_files_have_changed_costs_no_other_its_voices(
    house: House,
) -> None:
    own = info("other", voice("theirs", "en"))
    other = Caster(id="other", knows=None, info=own, casting=FakeCasting(house.store))
    house.know(house.model, other)
    await house.reload()
    house.model.fault = ChangedError("Its files are not those that it was let in with.")
    before = house.voices
    done = await house.add()
    assert done.result is Result.applied
    sentence = f"The voices of fake stay as they are. {house.model.fault.message}"
    assert [problem.message for problem in done.errors] == [sentence]
    theirs: Any = house.now.info(other)  # type: ignore[arg-type]
    assert [one.id for one in theirs.voices] == ["theirs", "anna"]
    assert house.voices == before
    house.model.fault = None
    assert (await house.reload()).errors == ()
    assert "anna" in house.voices


async def test_voices_that_were_put_off_are_taken_up_once_the_models_are_themselves_again(
    house: House,
) -> None:
    house.model.fault = ChangedError("Its files are not those that it was let in with.")
    (house.folder / "anna.wav").write_bytes(GOOD)
    assert (await house.reload()).result is Result.rejected
    house.reloader.add(Nothing(), then=partial(_catch_up, house.scope, house.reloader))
    house.model.fault = None
    await house.reloader.reload("models", who="file")
    await until(lambda: "anna" in house.voices)
    assert not house.scope.is_behind


async def test_who_lent_a_mood_is_missed_in_words(house: House) -> None:
    await house.add()
    (house.folder / "bob.flac").write_bytes(OTHER)
    (house.folder / "bob.yaml").write_text("moods:\n  sad: anna\n")
    await house.reload()
    assert house.voices["bob"].moods == (("sad", "anna"),)
    done = await house.wish(DeleteVoice(voice="anna"))
    assert house.voices["bob"].moods == ()
    sentence = "bob.yaml, line 2, sad: there is no voice anna. This mood is left out."
    assert sentence in [problem.message for problem in done.errors]


async def test_a_request_ends_on_the_recording_that_it_began_with(house: House) -> None:
    await house.add()
    content = heard(GOOD).sha256
    with house.generations.bound() as binding:
        known: Any = binding.generation.info(house.model)  # type: ignore[arg-type]
        (anna,) = [one for one in known.voices if one.id == "anna"]
        await house.wish(DeleteVoice(voice="anna"))
        await asyncio.sleep(0.2)
        assert anna.handle
        assert house.traces(content), "what it speaks with is gone"
    await settled(house)
    assert house.traces(content) == []


async def test_reloads_in_a_row_leave_only_what_is_spoken_with(house: House) -> None:
    for content in (GOOD, OTHER, GOOD, OTHER):
        for file in house.folder.iterdir():
            file.unlink()
        (house.folder / f"anna{heard(content).suffix}").write_bytes(content)
        assert (await house.reload()).result is Result.applied
    await settled(house)
    assert house.traces(heard(OTHER).sha256)
    assert house.traces(heard(GOOD).sha256) == []


async def test_a_swap_meanwhile_keeps_its_own_models(house: House) -> None:
    (house.folder / "anna.wav").write_bytes(GOOD)
    other = Caster(id="fake", knows=None, info=info("fake", voice("other", "en")))

    async def swapped(say: Say) -> tuple[Voice, ...]:
        house.generations.commit(lambda now: _with(now, other))
        return await FakeCasting(house.store).recast(house.model.info, say)  # type: ignore[arg-type]

    house.model._recast = swapped  # type: ignore[method-assign]
    await house.reload()
    assert house.now.models["fake"] is other  # type: ignore[comparison-overlap]
    assert list(house.now.voices) == []


def _with(generation: Generation, model: Any) -> Generation:
    return replace(generation, models={"fake": model})


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """Let a folder be a link in a circle, which nobody can follow."""
    aside = folder.rename(folder.with_name("aside"))
    folder.symlink_to(folder.name)
    yield
    folder.unlink()
    aside.rename(folder)


async def test_a_folder_that_cannot_be_read_changes_nothing(house: House) -> None:
    await house.add()
    before = house.now
    with unreadable(house.folder):
        done = await house.reload()
        added = await house.add(OTHER, voice="bob")
    assert (done.result, done.code) == (Result.rejected, "voices_unreadable")
    assert (added.result, added.code) == (Result.rejected, "voice_not_kept")
    assert house.now is before
    assert (await house.reload()).result is Result.unchanged
