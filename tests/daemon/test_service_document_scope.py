"""A household's document: taken whole or not at all, from its file or handed in, and remembered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import stat
import time
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon import storage
from indextts_daemon.history import History, Version
from indextts_daemon.service.document_scope import DocumentWish
from indextts_daemon.service.documents import Documents
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.generation import Generation, Generations
from indextts_daemon.service.lexicon import read_lexicon
from indextts_daemon.service.moods import BUILT_IN, parse_moods
from indextts_daemon.service.operations import Operation, Operations, Result
from indextts_daemon.service.reloading import Reloader
from indextts_daemon.service.settings_file import etag
from indextts_daemon.text.lexicon import Lexicon
from tests.daemon.bad_documents import BAD_LEXICONS, BAD_MOODS
from tests.daemon.rooms import StubModel, generations_of, shut

GOOD_LEXICON = "# ours\nrules:\n- {from: Saoirse, say: Seersha}\n"
OTHER_LEXICON = "rules:\n- {from: Saoirse, say: Sorcha}\n"
GOOD_MOODS = "calm: {speed: 0.7}\n"


@dataclass
class House:
    """A data folder, and what is in force."""

    folder: Path
    events: EventBus = field(default_factory=EventBus)
    told: list[tuple[str, bytes]] = field(default_factory=list)

    async def written(self, scope: str, content: bytes) -> None:
        self.told.append((scope, content))

    def __post_init__(self) -> None:
        self.lexicon_file = self.folder / "lexicon.yaml"
        self.moods_file = self.folder / "moods.yaml"

    def start(self) -> None:
        self.documents = Documents.of(self.folder, remember=True, written=self.written)
        lexicon, self.lexicon_trouble = self.documents.lexicon.begin()
        moods, self.moods_trouble = self.documents.moods.begin()
        self.generations: Generations = generations_of(
            StubModel(id="big", knows=None), lexicon=lexicon, moods=moods
        )
        self.reloader = Reloader(self.generations, Operations(self.events), self.events)
        self.reloader.add(self.documents.lexicon)
        self.reloader.add(self.documents.moods)

    @property
    def now(self) -> Generation:
        return self.generations.current

    async def put(self, scope: str, text: str, **wish: Any) -> Operation:
        wanted = DocumentWish(text=text, **wish)
        return await self.reloader.reload(scope, who="api", wish=wanted, action="put")

    async def reload(self, scope: str) -> Operation:
        return await self.reloader.reload(scope, who="file")

    def says(self, text: str = "Saoirse") -> str:
        return self.now.lexicon.applied(text, language="en", voice="", spells_out=())

    def kept(self, scope: str) -> list[str]:
        versions = History(self.folder / "state" / scope).versions()
        return [version.text for version in versions]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "data")
    house.folder.mkdir()
    house.start()
    return house


def state(house: House) -> tuple[object, ...]:
    """Return all that a bad document must leave as it is."""
    files = {file: file.read_bytes() for file in sorted(house.folder.rglob("*")) if file.is_file()}
    return house.now, house.says(), dict(house.now.moods), files


async def test_a_document_that_is_handed_in_is_written_and_in_force(house: House) -> None:
    done = await house.put("lexicon", GOOD_LEXICON)
    assert (done.result, done.generation) == (Result.applied, 2)
    assert house.lexicon_file.read_text("utf-8") == GOOD_LEXICON
    assert house.documents.lexicon.document() == GOOD_LEXICON
    assert house.says() == "Seersha"
    assert house.kept("lexicon") == [GOOD_LEXICON]
    assert house.told == [("lexicon", GOOD_LEXICON.encode())]
    done = await house.put("moods", GOOD_MOODS)
    assert (done.result, done.generation) == (Result.applied, 3)
    assert (house.now.moods["calm"].speed, house.says()) == (0.7, "Seersha")


async def test_a_file_that_has_changed_is_in_force_after_a_reload(house: House) -> None:
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    assert house.says() == "Saoirse"
    assert (await house.reload("lexicon")).result is Result.applied
    assert house.says() == "Seersha"
    assert house.kept("lexicon") == [GOOD_LEXICON]
    house.lexicon_file.unlink()
    assert (await house.reload("lexicon")).result is Result.applied
    assert (house.says(), house.documents.lexicon.document()) == ("Saoirse", "")


async def test_what_is_the_same_makes_no_generation(house: House) -> None:
    assert (await house.reload("lexicon")).result is Result.unchanged
    await house.put("lexicon", GOOD_LEXICON)
    before = house.now
    assert (await house.put("lexicon", GOOD_LEXICON)).result is Result.unchanged
    assert (await house.reload("lexicon")).result is Result.unchanged
    assert house.now is before


async def test_another_comment_is_kept_and_makes_no_generation(house: House) -> None:
    await house.put("lexicon", GOOD_LEXICON)
    before, commented = house.now, GOOD_LEXICON.replace("ours", "theirs")
    assert (await house.put("lexicon", commented)).result is Result.unchanged
    assert house.now is before
    assert house.documents.lexicon.document() == commented
    assert house.kept("lexicon") == [commented, GOOD_LEXICON]


async def test_what_was_in_force_last_is_remembered_last_however_slow_the_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version takes longer to write than the next."""
    real = History.add

    def add(history: History, text: str) -> Version:
        if text == GOOD_LEXICON:
            time.sleep(0.3)
        return real(history, text)

    monkeypatch.setattr(History, "add", add)
    await asyncio.gather(house.put("lexicon", GOOD_LEXICON), house.put("lexicon", OTHER_LEXICON))
    await asyncio.gather(*house.reloader._tasks)
    assert house.says() == "Sorcha"
    assert house.kept("lexicon") == [OTHER_LEXICON, GOOD_LEXICON]


@pytest.mark.parametrize("way", ["handed in", "file"])
@pytest.mark.parametrize(
    ("scope", "documents"), [("lexicon", BAD_LEXICONS), ("moods", BAD_MOODS)], ids=str
)
async def test_no_bad_document_changes_anything(
    house: House, way: str, scope: str, documents: tuple[tuple[str, str], ...]
) -> None:
    assert len(documents) >= 25
    await house.put("lexicon", GOOD_LEXICON)
    await house.put("moods", GOOD_MOODS)
    file = house.folder / f"{scope}.yaml"
    good, before = file.read_text("utf-8"), state(house)
    for name, text in documents:
        if way == "file":
            file.write_text(text, "utf-8")
            done = await house.reloader.reload(scope, who="file")
            file.write_text(good, "utf-8")
        else:
            wish = DocumentWish(text=text)
            done = await house.reloader.reload(scope, who="api", wish=wish)
        assert (done.result, done.code) == (Result.rejected, "settings_invalid"), name
        assert done.errors[0].message.startswith(f"{scope}.yaml"), name
        assert state(house) == before, name


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"rules: [\xc3", b"x" * 600_000], ids=["utf-16", "cut", "large"]
)
async def test_a_file_that_is_no_text_changes_nothing(house: House, content: bytes) -> None:
    await house.put("lexicon", GOOD_LEXICON)
    house.lexicon_file.write_bytes(content)
    assert (await house.reload("lexicon")).result is Result.rejected
    assert house.says() == "Seersha"
    assert house.documents.lexicon.document() == GOOD_LEXICON


async def test_a_folder_or_a_pipe_in_the_place_of_the_file_changes_nothing(house: House) -> None:
    await house.put("lexicon", GOOD_LEXICON)
    house.lexicon_file.unlink()
    house.lexicon_file.mkdir()
    assert (await house.reload("lexicon")).errors[0].message == "lexicon.yaml is not a file."
    house.lexicon_file.rmdir()
    os.mkfifo(house.lexicon_file)
    assert (await house.reload("lexicon")).result is Result.rejected
    assert house.says() == "Seersha"


async def test_a_dry_run_only_looks(house: House) -> None:
    before = state(house)
    assert (await house.put("lexicon", GOOD_LEXICON, dry=True)).result is Result.unchanged
    assert (await house.put("lexicon", "rules: 5\n", dry=True)).result is Result.rejected
    assert (await house.put("moods", "calm: 5\n", dry=True)).result is Result.rejected
    assert state(house) == before
    assert house.told == []


async def test_who_has_not_seen_what_is_written_does_not_overwrite_it(house: House) -> None:
    seen = frozenset({etag("")})
    assert (await house.put("lexicon", GOOD_LEXICON, match=seen)).result is Result.applied
    done = await house.put("lexicon", OTHER_LEXICON, match=seen)
    assert (done.result, done.code) == (Result.rejected, "precondition_failed")
    assert done.errors[0].message == (
        "Somebody has changed lexicon.yaml since you read it. Read it again."
    )
    assert house.says() == "Seersha"
    house.lexicon_file.write_text("# by hand\n", "utf-8")
    match = frozenset({etag(GOOD_LEXICON)})
    assert (await house.put("lexicon", OTHER_LEXICON, match=match)).code == "precondition_failed"
    assert house.lexicon_file.read_text("utf-8") == "# by hand\n"
    match = frozenset({"*"})
    assert (await house.put("lexicon", OTHER_LEXICON, match=match)).result is Result.applied
    assert house.says() == "Sorcha"


async def test_of_two_who_have_seen_the_same_one_wins(house: House) -> None:
    seen = frozenset({etag("")})
    done = await asyncio.gather(
        house.put("lexicon", GOOD_LEXICON, match=seen),
        house.put("lexicon", OTHER_LEXICON, match=seen),
    )
    assert [one.result for one in done] == [Result.applied, Result.rejected]
    assert house.says() == "Seersha"


async def test_a_bad_file_is_put_right_by_a_good_document(house: House) -> None:
    await house.put("lexicon", GOOD_LEXICON)
    house.lexicon_file.write_bytes(b"\xff")
    match = frozenset({etag(house.documents.lexicon.document())})
    assert (await house.put("lexicon", GOOD_LEXICON, match=match)).result is Result.unchanged
    assert house.lexicon_file.read_text("utf-8") == GOOD_LEXICON


async def test_a_document_that_cannot_be_written_is_not_in_force(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put("lexicon", GOOD_LEXICON)
    before = state(house)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    done = await house.put("lexicon", OTHER_LEXICON)
    monkeypatch.undo()
    assert done.errors[0].message == "lexicon.yaml cannot be written (No space left on device)."
    assert state(house) == before
    with shut(house.folder):
        assert (await house.put("lexicon", OTHER_LEXICON)).result is Result.rejected
    assert state(house) == before


async def test_a_history_that_cannot_be_written_costs_only_itself(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    (house.folder / "state").write_text("in the way")
    assert (await house.put("lexicon", GOOD_LEXICON)).result is Result.applied
    assert house.says() == "Seersha"
    assert "lexicon: the good version could not be kept" in caplog.text


async def test_a_link_and_the_rights_of_a_file_stay(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text("# by hand\n", "utf-8")
    elsewhere.chmod(0o644)
    house.lexicon_file.symlink_to(elsewhere)
    await house.put("lexicon", GOOD_LEXICON)
    assert house.lexicon_file.is_symlink()
    assert elsewhere.read_text("utf-8") == GOOD_LEXICON
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_a_start_with_good_files_remembers_them(house: House) -> None:
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    house.moods_file.write_text(GOOD_MOODS, "utf-8")
    house.start()
    assert (house.says(), house.now.moods["calm"].speed) == ("Seersha", 0.7)
    assert (house.kept("lexicon"), house.kept("moods")) == ([GOOD_LEXICON], [GOOD_MOODS])
    assert (house.lexicon_trouble, house.moods_trouble) == ((), ())


def test_a_start_without_files_leaves_none_behind(house: House) -> None:
    assert (house.now.lexicon, house.now.moods) == (Lexicon(), BUILT_IN)
    assert list(house.folder.iterdir()) == []


def test_a_start_with_bad_files_takes_the_last_good_versions(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    house.moods_file.write_text(GOOD_MOODS, "utf-8")
    house.start()
    house.lexicon_file.write_text("rules: 5\n", "utf-8")
    house.moods_file.write_text("calm: 5\nparty: {}\n", "utf-8")
    house.start()
    assert (house.says(), house.now.moods["calm"].speed) == ("Seersha", 0.7)
    assert "party" not in house.now.moods
    assert [problem.line for problem in house.lexicon_trouble + house.moods_trouble] == [1, 1]
    assert "lexicon: the last good version is in force" in caplog.text
    assert house.documents.lexicon.document() == "rules: 5\n"


def test_a_start_with_bad_files_and_no_good_version_takes_what_is_good_of_them(
    house: House,
) -> None:
    house.lexicon_file.write_text("rules:\n- {from: a, say: b}\n- {from: c}\n", "utf-8")
    house.moods_file.write_text("calm: 5\nparty: {}\n", "utf-8")
    house.start()
    assert house.now.lexicon == Lexicon()
    assert (house.now.moods["calm"], "party" in house.now.moods) == (BUILT_IN["calm"], True)
    house.moods_file.write_bytes(b"\xff")
    house.start()
    assert house.now.moods == BUILT_IN
    house.moods_file.write_text("- a\n", "utf-8")
    house.start()
    assert house.now.moods == BUILT_IN
    assert (house.kept("lexicon"), house.kept("moods")) == ([], [])


async def test_a_bad_file_at_the_start_is_still_bad_at_a_reload_until_it_is_put_right(
    house: House,
) -> None:
    house.lexicon_file.write_text("rules: 5\n", "utf-8")
    house.start()
    assert (await house.reload("lexicon")).result is Result.rejected
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    assert (await house.reload("lexicon")).result is Result.applied


def test_a_document_that_was_taken_away_does_not_come_back(house: House) -> None:
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    house.start()
    house.lexicon_file.unlink()
    house.start()
    house.lexicon_file.write_text("rules: 5\n", "utf-8")
    house.start()
    assert house.says() == "Saoirse"


def test_who_only_looks_on_keeps_nothing(house: House) -> None:
    house.lexicon_file.write_text(GOOD_LEXICON, "utf-8")
    documents = Documents.of(house.folder)
    assert documents.lexicon.begin()[0] == documents.lexicon.read()
    assert house.kept("lexicon") == []


edits = st.lists(
    st.tuples(
        st.sampled_from(["put", "file", "dry"]),
        st.sampled_from(["lexicon", "moods"]),
        st.integers(0, 3),
    ),
    max_size=12,
)
TEXTS: Mapping[str, tuple[str, ...]] = {
    "lexicon": ("", GOOD_LEXICON, OTHER_LEXICON, "rules: 5\n"),
    "moods": ("", GOOD_MOODS, "party: {}\n", "party: 5\n"),
}


@settings(max_examples=25, deadline=None)
@given(edits)
def test_whatever_is_edited_in_whatever_order_the_last_good_document_is_in_force(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, str, int]]
) -> None:
    async def edit() -> None:
        house = House(tmp_path_factory.mktemp("data"))
        house.start()
        in_force = {"lexicon": "", "moods": ""}
        for way, scope, which in edits:
            text = TEXTS[scope][which]
            good = which < 3
            if way == "file":
                (house.folder / f"{scope}.yaml").write_text(text, "utf-8")
                done = await house.reloader.reload(scope, who="file")
            else:
                wish = DocumentWish(text=text, dry=way == "dry")
                done = await house.reloader.reload(scope, who="api", wish=wish)
            assert (done.result is Result.rejected) is not good
            if good and way != "dry":
                in_force[scope] = text
            assert house.now.lexicon == read_lexicon(in_force["lexicon"])
            assert house.now.moods == parse_moods(in_force["moods"])
        await house.reloader.close()

    asyncio.run(edit())
