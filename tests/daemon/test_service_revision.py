"""The revision: what changes it, what does not, and that it outlives the daemon."""

import asyncio
from dataclasses import replace
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.service import revision as room
from indextts_daemon.service.revision import Revisions
from indextts_daemon.speech import ModelInfo, Voice
from tests.daemon.rooms import info, voice

HEART, LOTUS = voice("heart", "en"), voice("lotus", "zh")
PAIR = info("big", HEART, LOTUS)


def moody(*moods: tuple[str, str]) -> Voice:
    return replace(HEART, moods=moods)


def of(revisions: Revisions, knows: ModelInfo = PAIR, rules: str = "1") -> str:
    return revisions.of(knows, rules=rules)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "revision.json"


def save(revisions: Revisions) -> None:
    asyncio.run(revisions.save())


def restarted(file: Path, before: Revisions) -> Revisions:
    save(before)
    return Revisions(file)


@pytest.mark.parametrize(
    "voices",
    [
        (HEART, LOTUS),
        (LOTUS, HEART),
        (HEART, LOTUS, voice("new", "en", "it")),
        (HEART, voice("new", "it"), LOTUS),
        (HEART, replace(LOTUS, name="Water lily")),
    ],
)
def test_a_voice_that_is_added_or_only_called_otherwise_changes_nothing(
    voices: tuple[Voice, ...],
) -> None:
    revisions = Revisions()
    first = of(revisions)
    assert len(first) == 16
    assert of(revisions, info("big", *voices)) == first


@pytest.mark.parametrize(
    ("knows", "rules"),
    [
        (info("big", HEART, voice("lotus", "zh", revision="2")), "1"),
        (info("big", HEART), "1"),
        (info("big", HEART, voice("lotus", "en")), "1"),
        (info("big", voice("new", "en"), HEART, LOTUS), "1"),
        (info("small", HEART, LOTUS), "1"),
        (replace(PAIR, revision="other weights"), "1"),
        (info("big", moody(("sad", "lotus")), LOTUS), "1"),
        (PAIR, "2"),
    ],
    ids=[
        "voice",
        "no voice",
        "language",
        "first of a language",
        "model",
        "weights",
        "mood",
        "text rules",
    ],
)
def test_what_is_heard_otherwise_changes_it(knows: ModelInfo, rules: str) -> None:
    revisions = Revisions()
    first = of(revisions)
    second = of(revisions, knows, rules)
    assert second != first
    assert of(revisions, knows, rules) == second


@pytest.mark.parametrize(
    "moods",
    [
        (),
        (("sad", "lotus"),),
        (("sad", "heart"), ("happy", "lotus")),
        (("sad", "lotus"), ("happy", "lotus"), ("calm", "lotus")),
    ],
    ids=["none", "fewer", "another lender", "more"],
)
def test_other_recorded_moods_change_it_and_their_order_does_not(
    moods: tuple[tuple[str, str], ...],
) -> None:
    revisions = Revisions()
    first = of(revisions, info("big", moody(("sad", "lotus"), ("happy", "lotus")), LOTUS))
    turned = info("big", moody(("happy", "lotus"), ("sad", "lotus")), LOTUS)
    assert of(revisions, turned) == first
    assert of(revisions, info("big", moody(*moods), LOTUS)) != first


def test_a_voice_that_is_added_with_its_moods_changes_nothing() -> None:
    revisions = Revisions()
    first = of(revisions)
    sad = replace(voice("new", "it"), moods=(("sad", "lotus"),))
    assert of(revisions, info("big", HEART, LOTUS, sad)) == first


def test_a_restart_changes_nothing(file: Path) -> None:
    before = Revisions(file)
    first = of(before)
    assert of(restarted(file, before)) == first


def test_a_voice_that_was_added_before_the_restart_counts_when_it_changes(
    file: Path,
) -> None:
    before = Revisions(file)
    first = of(before)
    grown = info("big", HEART, LOTUS, voice("new", "it"))
    before = restarted(file, before)
    assert of(before, grown) == first
    after = restarted(file, before)
    assert of(after, info("big", HEART, LOTUS, voice("new", "it", revision="2"))) != first


def test_back_to_what_it_was_is_yet_another(file: Path) -> None:
    """Clips made in between must not be taken for those from before."""
    seen, revisions = [], Revisions(file)
    for rules in ("1", "2", "1"):
        seen.append(of(revisions, rules=rules))
        revisions = restarted(file, revisions)
    assert len(set(seen)) == 3


def test_the_file_is_private_and_only_written_when_something_is_new(file: Path) -> None:
    revisions = Revisions(file)
    save(revisions)
    assert not file.exists()
    of(revisions)
    save(revisions)
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    of(revisions)
    save(revisions)
    assert not file.exists()


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    revisions = Revisions()
    of(revisions)
    save(revisions)
    assert not list(tmp_path.iterdir())


GOOD: dict[str, Any] = {"revision": "0" * 16, "base": ["1"], "heard": {}}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "5",
        "[" * 100_000,
        "\ud800",
        *(
            json.dumps({name: value for name, value in GOOD.items() if name != missing})
            for missing in GOOD
        ),
        *(json.dumps(GOOD | {name: 5}) for name in GOOD),
        json.dumps(GOOD | {"base": [5]}),
        json.dumps(GOOD | {"heard": {"voice heart": 5}}),
        json.dumps(GOOD | {"heard": {"voice heart": ["1"]}}),
    ],
    ids=lambda content: repr(content)[:40],
)
def test_a_broken_file_is_logged_and_starts_afresh(
    file: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    file.parent.mkdir()
    file.write_bytes(content.encode(errors="surrogatepass"))
    revisions = Revisions(file)
    assert len(caplog.records) == 1
    first = of(revisions)
    assert first == of(Revisions())
    assert of(restarted(file, revisions)) == first


def test_a_lost_file_starts_afresh_without_a_word(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert of(Revisions(file)) == of(Revisions())
    assert not caplog.records


def test_a_disk_that_refuses_is_logged_once_and_tried_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revisions = Revisions(file)
    file.parent.write_bytes(b"no folder")
    first = of(revisions)
    for _ in range(3):
        save(revisions)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(file.parent) not in caplog.text
    assert of(revisions) == first
    file.parent.unlink()
    save(revisions)
    assert of(Revisions(file)) == first


def test_a_file_that_may_not_be_read_is_logged(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.mkdir(parents=True)
    assert of(Revisions(file)) == of(Revisions())
    assert [record.name for record in caplog.records] == [room.__name__]


def test_a_voice_that_takes_the_place_of_another_models_is_heard_otherwise(file: Path) -> None:
    """Whoever asked for that voice was spoken to by the other model."""
    revisions = Revisions(file)
    first = revisions.of(PAIR, rules="1", elsewhere=("thorsten",))
    more = info("big", HEART, LOTUS, voice("thorsten", "de"))
    second = revisions.of(more, rules="1", elsewhere=("thorsten",))
    assert second != first
    assert revisions.of(more, rules="1", elsewhere=("thorsten",)) == second
    assert restarted(file, revisions).of(more, rules="1", elsewhere=("thorsten",)) == second
    other = info("big", HEART, LOTUS, voice("thorsten", "de"), voice("new", "it"))
    assert revisions.of(other, rules="1", elsewhere=("thorsten",)) == second
