"""The voice store: enrols what is new and only that, and keeps nothing of what is gone."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
import hashlib
import json
import logging
import os
from pathlib import Path
import sys
from typing import Any

import pytest

from indextts_daemon.audio.coach import Report
from indextts_daemon.checkpoints.layout import LayoutError
from indextts_daemon.posix import share
from indextts_daemon.service import enrolled, enrolment, listening, studio, voices
from indextts_daemon.service.enrolment import EnrolmentError, EnrolmentProgress
from indextts_daemon.service.studio import FakeStudio
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.speech import Voice
from tests.daemon import enrolling
from tests.daemon.checkpoint_files import write_published
from tests.daemon.recordings import MADE

ROOT = Path(__file__).parents[2]
LANGUAGES = ("zh", "en", "ja")


@dataclass
class House:
    """A voices folder, two models and the store between them."""

    folder: Path
    enrolled: Path
    model: Path
    store: VoiceStore

    def put(self, voice: str, kind: str = "good", sidecar: str = "") -> None:
        """Record a voice; the kind says how listening to it will go."""
        (self.folder / f"{voice}.wav").write_text(f"{kind} {voice}")
        if sidecar:
            (self.folder / f"{voice}.yaml").write_text(sidecar)

    async def prepare(self, model: Path | None = None) -> dict[str, dict[str, Any]]:
        """Do as the daemon does when it starts."""
        self.store = VoiceStore(self.folder, self.enrolled)
        return await self.again(model)

    async def again(self, model: Path | None = None) -> dict[str, dict[str, Any]]:
        """Do as it does when a worker is replaced, or another model is to load."""
        options = await self.store.prepare(model or self.model, languages=LANGUAGES)
        assert options["enrolled"] == str(self.enrolled)
        return {voice["id"]: voice for voice in options["voices"]}

    @property
    def asked(self) -> list[list[str]]:
        """Which voices each process was asked for."""
        return [launch["voices"] for launch in enrolling.launches(self.model)]

    @property
    def derived(self) -> set[str]:
        """What was made of recordings, but for the built-in one's."""
        return {file.name for file in self.enrolled.iterdir()} - {
            voices.REFERENCE,
            voices.LOCK,
            enrolled.GOOD,
        }


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(enrolment, "ENROL", enrolling.MODULE)
    monkeypatch.setattr(enrolment, "RECORD", enrolling.MODULE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder, enrolled, model = (tmp_path / name for name in ("voices", "enrolled", "model"))
    folder.mkdir()
    write_published(model)
    return House(folder, enrolled, model, VoiceStore(folder, enrolled))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 another process's file tells
            await asyncio.sleep(0.01)


async def test_a_recording_becomes_a_voice_and_heart_is_always_there(house: House) -> None:
    house.put("anna", sidecar="name: Anna\n")
    told = await house.prepare()
    assert list(told) == ["heart", "anna"]
    assert told["anna"] == {
        "id": "anna",
        "name": "Anna",
        "languages": list(LANGUAGES),
        "revision": told["anna"]["key"][:16],
        "moods": {},
        "key": told["anna"]["key"],
    }
    assert (house.enrolled / f"{told['anna']['key']}.safetensors").is_file()


async def test_what_is_enrolled_is_not_enrolled_again(house: House) -> None:
    house.put("anna")
    first = await house.prepare()
    assert await house.again() == first
    assert await house.prepare() == first
    assert house.asked == [["heart", "anna"]]


async def test_one_process_listens_to_all_that_is_new(house: House) -> None:
    house.put("anna")
    await house.prepare()
    house.put("bob")
    house.put("carl")
    assert list(await house.prepare()) == ["heart", "anna", "bob", "carl"]
    assert house.asked == [["heart", "anna"], ["bob", "carl"]]


async def test_a_replaced_recording_is_a_new_revision_and_nothing_is_left_of_the_old(
    house: House,
) -> None:
    house.put("anna")
    before = await house.prepare()
    house.put("anna", "good again")
    after = await house.prepare()
    assert after["anna"]["revision"] != before["anna"]["revision"]
    assert after["heart"] == before["heart"]
    assert not [name for name in house.derived if before["anna"]["key"] in name]


async def test_a_recording_that_is_gone_leaves_nothing_behind(house: House) -> None:
    house.put("anna")
    house.put("bob")
    told = await house.prepare()
    (house.folder / "anna.wav").unlink()
    assert list(await house.prepare()) == ["heart", "bob"]
    assert house.derived == {
        f"{told[voice]['key']}{suffix}"
        for voice in ("heart", "bob")
        for suffix in (".json", ".safetensors")
    }


async def test_a_recording_that_is_gone_leaves_nothing_behind_of_another_model(
    house: House, tmp_path: Path
) -> None:
    house.put("anna")
    other = tmp_path / "other"
    write_published(other, "2")
    await house.prepare(other)
    assert len(house.derived) == 4
    await house.prepare()
    assert len(house.derived) == 8
    (house.folder / "anna.wav").unlink()
    await house.prepare()
    assert len(house.derived) == 4


async def test_other_weights_make_other_voices_and_replace_the_old(house: House) -> None:
    house.put("anna")
    before = await house.prepare()
    (house.model / "s2mel.pth").write_text("trained on")
    after = await house.prepare()
    assert after["anna"]["revision"] != before["anna"]["revision"]
    assert len(house.derived) == 4


async def test_two_voices_of_the_same_recording_share_a_file(house: House) -> None:
    (house.folder / "anna.wav").write_text("good")
    (house.folder / "bob.wav").write_text("good")
    told = await house.prepare()
    assert told["anna"]["key"] == told["bob"]["key"]
    assert house.asked == [["heart", "bob"]]


async def test_a_recording_that_is_no_good_is_left_out_and_remembered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.put("anna", "refused")
    house.put("bob")
    assert list(await house.prepare()) == ["heart", "bob"]
    assert "the recording of voice anna is no good: Nobody speaks." in caplog.text
    assert list(await house.prepare()) == ["heart", "bob"]
    assert len(house.asked) == 1
    anna, bob = house.store.scan().recordings
    assert anna.refusal == "Nobody speaks."
    assert anna.report == Report.of_json(enrolling.REFUSED)
    assert bob.refusal is None
    assert bob.report == Report.of_json(enrolling.GOOD)


async def test_what_is_no_fault_of_the_recording_is_tried_again(house: House) -> None:
    house.put("anna", "passing")
    assert list(await house.prepare()) == ["heart"]
    assert list(await house.prepare()) == ["heart"]
    assert house.asked == [["heart", "anna"], ["anna"]]


async def test_a_recording_that_ends_the_process_costs_only_itself(house: House) -> None:
    house.put("anna")
    house.put("bob", "crash")
    house.put("carl")
    assert list(await house.prepare()) == ["heart", "anna", "carl"]
    assert house.asked == [["heart", "anna", "bob", "carl"], ["carl"]]


async def test_several_that_end_the_process_end_the_attempt(house: House) -> None:
    for voice in ("a", "b", "c", "d", "e"):
        house.put(voice, "crash")
    assert list(await house.prepare()) == ["heart"]
    assert len(house.asked) == listening.LIVES


async def test_a_process_that_hangs_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("anna", "hang")
    monkeypatch.setattr(enrolment, "SILENCE_S", 3.0)
    assert list(await house.prepare()) == ["heart"]


async def test_a_process_that_talks_nonsense_is_ended(house: House) -> None:
    house.put("anna", "odd")
    assert list(await house.prepare()) == ["heart"]


async def test_without_any_voice_the_reason_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "RECORD", "tests.daemon.nowhere")
    house.put("anna", "failing")
    with pytest.raises(EnrolmentError, match=r"The model is no good\.") as caught:
        await house.prepare()
    assert caught.value.error_code == "checkpoint_invalid"


async def test_without_a_built_in_voice_the_others_speak(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "RECORD", "tests.daemon.nowhere")
    house.put("anna")
    assert list(await house.prepare()) == ["anna"]


async def test_without_a_model_nothing_is_listened_to(house: House, tmp_path: Path) -> None:
    with pytest.raises(LayoutError):
        await house.prepare(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "no note", "odd note"])
async def test_a_damaged_voice_is_made_anew(house: House, damage: str) -> None:
    house.put("anna")
    told = await house.prepare()
    file = house.enrolled / f"{told['anna']['key']}.safetensors"
    note = file.with_suffix(".json")
    whole = file.read_bytes()
    match damage:
        case "flipped":
            file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        case "cut":
            file.write_bytes(whole[:-1])
        case "gone":
            file.unlink()
        case "no note":
            note.unlink()
        case "odd note":
            note.write_text(json.dumps(json.loads(note.read_text()) | {"sha256": 7}))
    assert await house.prepare() == told
    assert file.read_bytes() == whole
    assert house.asked == [["heart", "anna"], ["anna"]]


async def test_leaving_ends_the_process(house: House) -> None:
    house.put("anna", "hang")
    task = asyncio.create_task(house.prepare())
    await until(lambda: enrolling.launches(house.model))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(enrolling.launches(house.model)[0]["pid"], 0)


async def test_two_models_are_prepared_one_after_the_other(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("anna")
    other = tmp_path / "other"
    write_published(other, "2")
    running: list[int] = []

    async def counted(*args: Any) -> AsyncGenerator[Any]:
        running.append(running[-1] + 1 if running else 1)
        async with aclosing(enrolment.enrol(*args)) as heard:
            async for message in heard:
                yield message
        running.append(running[-1] - 1)

    monkeypatch.setattr(studio, "enrol", counted)
    one, two = await asyncio.gather(house.again(), house.again(other))
    assert running == [1, 0, 1, 0]
    assert list(one) == list(two) == ["heart", "anna"]
    assert one["anna"]["key"] != two["anna"]["key"]
    assert len(house.derived) == 8


async def test_progress_is_told_from_the_first_stage_to_the_last(house: House) -> None:
    house.put("anna")
    heard: list[EnrolmentProgress] = []
    await house.store.prepare(house.model, languages=LANGUAGES, progress=heard.append)
    assert [(each.stage, each.done, each.total) for each in heard] == [
        ("loading", 0, 2),
        ("listening", 0, 2),
        ("listening", 1, 2),
    ]


@pytest.mark.parametrize(
    ("said", "spoken"),
    [("[en, zh]", ["en", "zh"]), ("en-GB", ["en"]), ("[de, ja]", ["ja"]), ("[]", list(LANGUAGES))],
)
async def test_a_voice_speaks_what_its_sidecar_says(
    house: House, said: str, spoken: list[str]
) -> None:
    house.put("anna", sidecar=f"languages: {said}\n")
    assert (await house.prepare())["anna"]["languages"] == spoken


async def test_a_voice_of_no_language_of_the_model_is_left_out(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.put("anna", sidecar="languages: de\n")
    assert list(await house.prepare()) == ["heart"]
    assert "the model speaks none of its languages" in caplog.text


async def test_a_mood_is_another_voice_that_is_there(house: House) -> None:
    house.put("anna", sidecar="moods:\n  sad: anna-sad\n  mad: anna-mad\n")
    house.put("anna-sad")
    house.put("anna-mad", "refused")
    told = await house.prepare()
    assert told["anna"]["moods"] == {"sad": "anna-sad"}


async def test_no_path_leaves_the_room(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house.put("anna", sidecar="name: 7\n")
    house.put("Bob")
    house.put("carl", "refused")
    options = await house.store.prepare(house.model, languages=LANGUAGES)
    told = [repr(options["voices"]), repr(house.store.scan()), caplog.text]
    assert not [words for words in told if str(house.folder.parent) in words]


async def test_what_is_derived_is_for_the_owner_alone(house: House) -> None:
    await house.prepare()
    assert house.enrolled.stat().st_mode & 0o077 == 0


async def test_a_worker_that_is_replaced_waits_for_nothing_new(house: House) -> None:
    house.put("anna")
    house.put("carl", "passing")
    told = await house.prepare()
    house.put("bob")
    house.put("anna", "good again")
    assert await house.again() == told
    assert house.asked == [["heart", "anna", "carl"]]
    assert list(await house.prepare()) == ["heart", "anna", "bob"]


async def test_a_voice_that_is_lost_while_the_daemon_runs_is_back_with_the_next_worker(
    house: House,
) -> None:
    house.put("anna")
    told = await house.prepare()
    (house.enrolled / f"{told['anna']['key']}.safetensors").unlink()
    house.put("bob")
    assert await house.again() == told
    assert house.asked == [["heart", "anna"], ["anna"]]


async def test_a_recording_that_is_replaced_while_it_is_listened_to_is_listened_to_again(
    house: House,
) -> None:
    house.put("anna", "replacing")
    told = await house.prepare()
    assert list(told) == ["heart", "anna"]
    assert house.asked == [["heart", "anna"], ["anna"]]
    assert await house.prepare() == told
    assert len(house.derived) == 4


CHECK = """
import asyncio, pathlib, sys
from indextts_daemon.service import enrolment
from indextts_daemon.posix import share
from indextts_daemon.service.studio import FakeStudio
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.speech import Voice
enrolment.ENROL = enrolment.RECORD = "tests.daemon.enrolling"
folder, enrolled, model = map(pathlib.Path, sys.argv[1:])
options = asyncio.run(VoiceStore(folder, enrolled).prepare(model, languages=["en"]))
print(*(voice["id"] for voice in options["voices"]))
"""


async def beside(house: House) -> str:
    """Prepare the voices in another process, as `check` and `say` do; return which."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHECK, str(house.folder), str(house.enrolled), str(house.model)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().strip()


async def test_another_process_takes_nothing_away_from_the_one_that_speaks(house: House) -> None:
    house.put("anna")
    await house.prepare()
    before = house.derived
    unfinished = house.enrolled / ".0123.tmp"
    unfinished.touch()
    (house.model / "s2mel.pth").write_text("trained on")
    house.put("bob")
    assert await beside(house) == "heart anna bob"
    assert before < house.derived
    assert unfinished.exists()
    await house.prepare()
    assert not before & house.derived
    assert not unfinished.exists()


async def test_a_process_that_ended_keeps_nobody_from_tidying(house: House) -> None:
    house.put("anna")
    assert await beside(house) == "heart anna"
    (house.folder / "anna.wav").unlink()
    assert await beside(house) == "heart"
    assert len(house.derived) == 2


@pytest.mark.parametrize("in_the_way", ["folder", "lock"])
async def test_a_folder_that_cannot_be_kept_is_told_in_words(house: House, in_the_way: str) -> None:
    if in_the_way == "folder":
        house.enrolled.write_bytes(b"")
        with pytest.raises(EnrolmentError, match=r"^Voices cannot be kept \(File exists\)\.$"):
            await house.prepare()
    else:
        (house.enrolled / voices.LOCK).mkdir(parents=True)
        assert list(await house.prepare()) == ["heart"]


async def test_listening_keeps_to_the_processor_and_leaves_some_of_it(house: House) -> None:
    await house.prepare()
    (launch,) = enrolling.launches(house.model)
    assert launch["cards"] == ""
    assert launch["omp"] == str(launch["threads"])
    assert 1 <= launch["threads"] <= max(1, (os.cpu_count() or 1) // 2)


async def test_problems_of_the_folder_are_told_and_logged(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.put("Bob")
    (problem,) = house.store.scan().problems
    await house.prepare()
    assert problem.file == "Bob.wav"
    assert problem.message in caplog.text


async def recast(house: House, model: Path | None = None) -> dict[str, Voice]:
    """Look at the folder anew, as a reload does."""
    voices = await house.store.recast(model or house.model, languages=LANGUAGES)
    return {voice.id: voice for voice in voices}


async def test_a_recast_tells_the_same_voices_that_a_worker_was_told(house: House) -> None:
    house.put("anna", sidecar="name: Anna\nmoods: {sad: anna-sad}\n")
    house.put("anna-sad")
    told = await house.again()
    cast = await recast(house)
    assert list(cast) == list(told)
    anna = cast["anna"]
    assert (anna.name, anna.languages, anna.moods) == ("Anna", LANGUAGES, (("sad", "anna-sad"),))
    assert (anna.handle, anna.revision) == (told["anna"]["key"], told["anna"]["revision"])
    assert anna.models == ("indextts-2-5",)
    assert len(house.asked) == 1


async def test_a_recast_enrols_what_is_new_and_only_that(house: House) -> None:
    house.put("anna")
    await house.again()
    house.put("bob")
    assert list(await recast(house)) == ["heart", "anna", "bob"]
    assert list(await house.again()) == ["heart", "anna", "bob"]
    assert house.asked == [["heart", "anna"], ["bob"]]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("refused", "Nobody speaks."),
        ("crash", "It could not be listened to."),
        ("passing", "It was replaced."),
        ("too large", "It is larger than 20 MB."),
        ("a link out", "It is a link that leads out of the folder."),
        ("a pipe", "It is not a file."),
    ],
)
async def test_a_bad_recording_leaves_the_voice_as_it_was_and_says_why(
    house: House, caplog: pytest.LogCaptureFixture, damage: str, why: str
) -> None:
    house.put("anna", sidecar="name: Anna\n")
    house.put("bob")
    before = await recast(house) if await house.again() else {}
    spoil(house.folder / "anna.wav", damage)
    assert await recast(house) == before
    anna = house.store.known["anna"]
    assert (anna.stale, anna.refusal, anna.name) == (True, why, "Anna")
    assert anna.report == Report.of_json(enrolling.GOOD)
    assert not house.store.known["bob"].stale
    assert f"voice anna stays as it was: {why}" in caplog.text
    assert {voice.handle for voice in before.values()} == await handles(house)


def spoil(file: Path, damage: str) -> None:
    file.unlink()
    match damage:
        case "too large":
            with file.open("wb") as opened:
                opened.truncate((20 << 20) + 1)
        case "a link out":
            secret = file.parent.parent / "secret.wav"
            secret.write_text("good secret")
            file.symlink_to(secret)
        case "a pipe":
            os.mkfifo(file)
        case _:
            file.write_text(f"{damage} recording")


async def handles(house: House) -> set[str]:
    """Return the handles that the next daemon knows."""
    return {voice["key"] for voice in (await house.prepare()).values()}


async def test_a_bad_recording_that_never_was_good_is_no_voice(house: House) -> None:
    await house.again()
    house.put("anna", "refused")
    assert list(await recast(house)) == ["heart"]
    anna = house.store.known["anna"]
    assert (anna.stale, anna.refusal) == (False, "Nobody speaks.")


async def test_a_voice_that_was_kept_is_gone_with_its_file(house: House) -> None:
    house.put("anna")
    await house.again()
    house.put("anna", "refused")
    await recast(house)
    (house.folder / "anna.wav").unlink()
    assert list(await recast(house)) == ["heart"]
    house.put("anna", "refused")
    assert list(await recast(house)) == ["heart"]


async def test_a_mended_recording_is_a_voice_again(house: House) -> None:
    house.put("anna")
    before = await recast(house)
    house.put("anna", "refused")
    await recast(house)
    house.put("anna", "good again")
    after = await recast(house)
    assert after["anna"].revision != before["anna"].revision
    assert not house.store.known["anna"].stale


async def test_a_broken_recording_hides_no_good_one_of_the_same_voice(house: House) -> None:
    house.put("anna")
    before = await recast(house)
    (house.folder / "anna.flac").write_text("refused by the coach")
    assert await recast(house) == before
    assert not house.store.known["anna"].stale
    (problem,) = house.store.problems
    assert problem.message == "anna.flac is left out: Nobody speaks."
    assert {one.id: one.refusal for one in house.store.scan().recordings} == {"anna": None}


@contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """Let a folder be a link in a circle, which nobody can follow."""
    aside = folder.rename(folder.with_name("aside"))
    folder.symlink_to(folder.name)
    yield
    folder.unlink()
    aside.rename(folder)


async def test_a_folder_that_cannot_be_read_takes_no_voice_away(house: House) -> None:
    house.put("anna")
    before = await recast(house)
    with unreadable(house.folder), pytest.raises(EnrolmentError, match="cannot be read") as caught:
        await recast(house)
    assert caught.value.error_code == "voices_unreadable"
    assert await recast(house) == before


async def test_a_daemon_that_starts_without_its_folder_speaks_and_forgets_nothing(
    house: House,
) -> None:
    house.put("anna")
    before = await house.prepare()
    with unreadable(house.folder):
        assert list(await house.prepare()) == ["heart"]
        assert "cannot be read" in house.store.problems[0].message
    assert await house.prepare() == before
    assert len(house.asked) == 1


async def test_what_is_spoken_with_stays_until_it_is_released(house: House) -> None:
    house.put("anna")
    before = await recast(house)
    house.put("anna", "good again")
    after = await recast(house)
    await house.store.release(lambda: [before["anna"].handle])
    assert f"{before['anna'].handle}.safetensors" in house.derived
    await house.store.release(list)
    assert not [name for name in house.derived if before["anna"].handle in name]
    assert {f"{voice.handle}.safetensors" for voice in after.values()} <= house.derived


async def test_what_nobody_has_looked_at_since_stays(house: House) -> None:
    house.put("anna")
    before = await recast(house)
    (house.folder / "anna.wav").unlink()
    await house.store.release(list)
    assert f"{before['anna'].handle}.safetensors" in house.derived


async def test_a_release_waits_for_other_processes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices, "RELEASE_S", 0.01)
    house.put("anna")
    await recast(house)
    (house.folder / "anna.wav").unlink()
    await recast(house)
    with (house.enrolled / voices.LOCK).open("ab") as other:
        share(other)
        releasing = asyncio.create_task(house.store.release(list))
        await asyncio.sleep(0.1)
        assert len(house.derived) == 4
    await releasing
    assert len(house.derived) == 2


async def test_a_deleted_voice_leaves_nothing_behind_in_the_whole_data_folder(
    house: House, tmp_path: Path
) -> None:
    house.put("zork", sidecar="name: Zork\n")
    house.put("bob")
    other = tmp_path / "other"
    write_published(other, "2")
    await recast(house)
    await recast(house, other)
    content = hashlib.sha256((house.folder / "zork.wav").read_bytes()).hexdigest()
    assert traces(tmp_path, "zork", content)
    for name in ("zork.wav", "zork.yaml"):
        (house.folder / name).unlink()
    await recast(house)
    await house.store.release(list)
    for model in (house.model, other):
        (model / enrolling.LAUNCHES).unlink()
    assert traces(tmp_path, "zork", content) == []
    assert len(house.derived) == 8


def traces(folder: Path, *words: str) -> list[str]:
    """Return the files whose name or content holds one of the words, whatever their case."""
    return [
        file.name
        for file in folder.rglob("*")
        for word in words
        if word in file.name.lower()
        or (file.is_file() and word.encode() in file.read_bytes().lower())
    ]


FAKE = Voice(id="fake-01", name="Fake", languages=("en",), models=("fake",), revision="fake-1")


async def fake(house: House) -> dict[str, Voice]:
    """Look at the folder anew for the fake engine."""
    voices = await house.store.fake_cast((FAKE,), languages=("en", "de"))
    return {voice.id: voice for voice in voices}


@pytest.fixture(scope="module")
def good() -> bytes:
    return MADE["one sentence"]()


async def test_the_fake_engine_has_its_own_voices_and_the_recordings(
    house: House, good: bytes
) -> None:
    (house.folder / "anna.wav").write_bytes(good)
    (house.folder / "anna.yaml").write_text("name: Anna\nlanguages: de\n")
    (house.folder / "bob.mp3").write_bytes(b"no sound")
    cast = await fake(house)
    assert list(cast) == ["fake-01", "anna"]
    anna = cast["anna"]
    assert (anna.name, anna.languages, anna.models) == ("Anna", ("de",), ("fake",))
    assert anna.revision == hashlib.sha256(good).hexdigest()[:16]
    assert 16 < int(anna.handle) < 1 << 15
    assert house.store.known["bob"].refusal == "The file is not a wav, flac, ogg or mp3 recording."
    assert await fake(house) == cast


async def test_a_bad_recording_leaves_a_voice_of_the_fake_engine_as_it_was(
    house: House, good: bytes
) -> None:
    (house.folder / "anna.wav").write_bytes(good)
    before = await fake(house)
    (house.folder / "anna.wav").write_bytes(good[:1000])
    assert await fake(house) == before
    house.store = VoiceStore(house.folder, house.enrolled)
    assert await fake(house) == before
    assert house.store.known["anna"].stale


async def test_a_recording_takes_the_place_of_a_voice_of_the_engine(
    house: House, good: bytes
) -> None:
    (house.folder / "fake-01.wav").write_bytes(good)
    cast = await fake(house)
    assert list(cast) == ["fake-01"]
    assert cast["fake-01"].handle


def test_different_recordings_have_different_tags() -> None:
    studio = FakeStudio()
    tags = {studio.identity(f"{number:064x}")[1] for number in range(5000)}
    assert len(tags) == 5000
    assert all(16 < int(tag) < 1 << 15 for tag in tags)
    assert FakeStudio().identity("0" * 64) == studio.identity("0" * 64)
