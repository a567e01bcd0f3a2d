"""The voices folder: what is taken for a voice, what is left out, and in which words."""

import os
from pathlib import Path

import pytest

from indextts_daemon.audio.recording import MAX_BYTES
from indextts_daemon.service.recordings import Kept, Shelf, look


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "voices"
    made.mkdir()
    return made


def put(folder: Path, name: str, content: str = "sound") -> Path:
    file = folder / name
    file.write_text(content)
    return file


def kept(shelf: Shelf) -> dict[str, Kept]:
    return {one.recording.id: one for one in shelf.kept}


def said(shelf: Shelf) -> list[str]:
    return [problem.message for problem in shelf.problems]


def test_a_recording_is_a_voice_by_the_name_of_its_file(folder: Path) -> None:
    for name in ("anna.wav", "b.flac", "c-1.ogg", "d_2.mp3", "e.WAV"):
        put(folder, name)
    shelf = look(folder)
    assert list(kept(shelf)) == ["anna", "b", "c-1", "d_2", "e"]
    assert kept(shelf)["anna"].recording.name == "anna"
    assert not shelf.problems


def test_without_a_folder_there_is_no_voice(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere") == Shelf(kept=(), problems=())


def test_a_revision_is_of_the_content_alone(folder: Path) -> None:
    put(folder, "anna.wav", "one")
    first = look(folder).kept[0]
    put(folder, "anna.yaml", "name: Anna")
    os.utime(folder / "anna.wav", (0, 0))
    second = look(folder).kept[0]
    put(folder, "anna.wav", "two")
    third = look(folder).kept[0]
    assert first.recording.revision == second.recording.revision == first.content[:16]
    assert third.recording.revision != first.recording.revision


def test_a_sidecar_says_what_the_household_knows(folder: Path) -> None:
    put(folder, "anna.wav")
    put(folder, "anna-sad.wav", "sob")
    put(
        folder,
        "anna.yaml",
        "name: Anna\nlanguages: [en, zh]\nconsent: said yes\nmoods:\n  sad: anna-sad\n",
    )
    recording = kept(look(folder))["anna"].recording
    assert recording.name == "Anna"
    assert recording.languages == ("en", "zh")
    assert recording.consent == "said yes"
    assert recording.moods == (("sad", "anna-sad"),)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "moods:\n", "languages: en\n", "consent: true"]
)
def test_a_sidecar_may_say_little(folder: Path, text: str) -> None:
    put(folder, "anna.wav")
    put(folder, "anna.yaml", text)
    assert not look(folder).problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: 7\n", "anna.yaml, line 1, name: expected 1 to 80 characters on one line."),
        ("name: A\nage: 7\n", "anna.yaml, line 2, age: there is no such setting."),
        ("languages: [7]\n", "anna.yaml, line 1, languages: expected languages such as [en, zh]."),
        (
            "name: A\nconsent: 3\n",
            "anna.yaml, line 2, consent: expected text; put quotes around it.",
        ),
        ("moods:\n  Sad!: anna\n", "line 2, moods.Sad!: "),
        ("moods:\n  sad: ../anna\n", "line 2, moods.sad: expected a name like good-night."),
        ("name: [\n", "anna.yaml, line 1: "),
        ("- a\n- b\n", "anna.yaml, line 1: "),
        ("name: \xff\x00", "anna.yaml"),
        ("x" * 70_000, "anna.yaml is not read: it is larger than 0.0625 MB."),
    ],
)
def test_a_bad_sidecar_is_named_with_its_line_and_costs_only_itself(
    folder: Path, text: str, words: str
) -> None:
    put(folder, "anna.wav")
    put(folder, "anna.yaml", text)
    shelf = look(folder)
    assert kept(shelf)["anna"].recording.name == "anna"
    (message,) = said(shelf)
    assert words in message
    assert message.endswith(" The voice is kept without this file.")
    assert str(folder) not in message


def test_a_mood_of_a_voice_that_is_not_there_is_left_out(folder: Path) -> None:
    put(folder, "anna.wav")
    put(folder, "anna.yaml", "moods:\n  glad: heart\n  sad: nobody\n")
    shelf = look(folder)
    assert kept(shelf)["anna"].recording.moods == (("glad", "heart"),)
    assert said(shelf) == [
        "anna.yaml, line 3, sad: there is no voice nobody. This mood is left out."
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Anna.wav", "Rename it."),
        ("grand ma.wav", "Rename it."),
        ("-x.wav", "Rename it."),
        ("é.wav", "Rename it."),
        ("x" * 65 + ".wav", "Rename it."),
        ("heart.wav", "Choose another."),
        ("anna.m4a", "save it as one of .wav .flac .ogg .mp3."),
        ("anna.yaml", "there is no recording called anna."),
        ("anna.yml", "call it anna.yaml."),
    ],
)
def test_what_cannot_be_a_voice_is_left_out_in_words(folder: Path, name: str, words: str) -> None:
    put(folder, name)
    shelf = look(folder)
    assert not shelf.kept
    (message,) = said(shelf)
    assert message.startswith(f"{name} is left out: ")
    assert message.endswith(words)


@pytest.mark.parametrize("name", ["a\nb.wav", "a\x1b[2J.wav", "a\nb.yaml", "a\nb.yml"])
def test_a_name_stays_on_its_line(folder: Path, name: str) -> None:
    put(folder, name)
    (problem,) = look(folder).problems
    assert problem.message.startswith(f"{name!a} is left out: ")
    assert (problem.file + problem.message).isprintable()


@pytest.mark.parametrize(
    "name",
    [".anna.wav", "~anna.wav", "anna.wav~", "anna.wav.part", "anna.tmp", "anna.wav.crdownload"],
)
def test_what_is_not_finished_is_passed_over(folder: Path, name: str) -> None:
    put(folder, name)
    assert look(folder) == Shelf(kept=(), problems=())


def test_notes_and_folders_may_lie_there(folder: Path) -> None:
    put(folder, "README.txt")
    (folder / "old.wav").mkdir()
    assert look(folder) == Shelf(kept=(), problems=())


def test_a_second_recording_of_a_voice_is_left_out(folder: Path) -> None:
    put(folder, "anna.flac")
    put(folder, "anna.wav")
    shelf = look(folder)
    assert kept(shelf)["anna"].file.name == "anna.flac"
    assert said(shelf) == ["anna.wav is left out: anna.flac is the voice anna already."]


def test_a_link_may_lead_within_the_folder_and_never_out_of_it(folder: Path) -> None:
    (folder / "shared").mkdir()
    put(folder / "shared", "original.wav")
    (folder / "anna.wav").symlink_to("shared/original.wav")
    secret = put(folder.parent, "secret.wav")
    (folder / "bob.wav").symlink_to(secret)
    (folder / "carl.wav").symlink_to("carl.wav")
    (folder / "dora.wav").symlink_to("nowhere.wav")
    shelf = look(folder)
    assert list(kept(shelf)) == ["anna"]
    assert [problem.file for problem in shelf.problems] == ["bob.wav", "carl.wav", "dora.wav"]


def test_a_sidecar_that_is_a_link_out_is_not_read(folder: Path) -> None:
    put(folder, "anna.wav")
    (folder / "anna.yaml").symlink_to(put(folder.parent, "secret.yaml", "name: secret"))
    shelf = look(folder)
    assert kept(shelf)["anna"].recording.name == "anna"
    assert len(shelf.problems) == 1


def test_a_file_that_is_too_large_is_not_even_read(folder: Path) -> None:
    with (folder / "anna.wav").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert said(look(folder)) == ["anna.wav is left out: it is larger than 20 MB."]


def test_a_pipe_is_no_recording(folder: Path) -> None:
    os.mkfifo(folder / "anna.wav")
    assert said(look(folder)) == ["anna.wav is left out: it is not a file."]
