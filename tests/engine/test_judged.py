"""The engine with a judge of feelings beside its model, as published and converted, and without."""

from collections.abc import Callable, Mapping
from dataclasses import replace
import logging
from pathlib import Path
import shutil
import sys
from typing import Any

import pytest

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.layout import CONVERTED, FEELINGS, find_published
from indextts_daemon.engines.indextts.convert import convert
from indextts_daemon.engines.indextts.engine import IndexTTSEngine, create
from indextts_daemon.engines.indextts.loader import open_weights
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.verify import verify
from indextts_daemon.speech import AudioChunk, Emotion
from indextts_daemon.text.feelings import borne, weights_of
from tests.engine import parity
from tests.engine.conftest import SETS
from tests.engine.judge import write_judge
from tests.engine.official import copy_official
from tests.engine.parity import ParitySet, Record
from tests.engine.serving import enrolled, furnish
from tests.engine.test_engine import PLAIN, TEXT, begin, said

JUDGED = (0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.25)
ANSWER = ('{"\u60b2\u4f24":', "0.5,", '"\u81ea\u7136":', "0.25}")
WORDS = Emotion(weights=borne(weights_of("very happy"), 0.8), text="very happy", strength=0.8)
FOLDER = "qwen0.6bemo4-merge"

pytestmark = pytest.mark.skipif(not SETS, reason="no golden vectors")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Return what a worker is told of a model with a judge: of one set, for it is the same."""
    place = parity.folder()
    assert place is not None
    golden = ParitySet(place / SETS[-1], Record())
    data_dir = tmp_path_factory.mktemp("data")
    model = furnish(golden, data_dir)
    write_judge(model / FOLDER, ANSWER)
    return enrolled(golden, data_dir, model)


@pytest.fixture(scope="module")
def engine(told: Mapping[str, Any]) -> IndexTTSEngine:
    return create(told)


@pytest.fixture
def folder(golden: ParitySet, tmp_path: Path) -> Path:
    """Return a published model with a judge."""
    folder = copy_official(golden, tmp_path / "shelf", tmp_path / "model")
    write_judge(folder / FOLDER, ANSWER)
    return folder


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


def spoken(engine: IndexTTSEngine, emotion: Emotion | None) -> bytes:
    return said(engine, TEXT, request=replace(PLAIN, emotion=emotion)).tobytes()


def test_words_are_spoken_as_they_were_judged(engine: IndexTTSEngine) -> None:
    assert "emotion_text" in engine.info.parameters
    judged = spoken(engine, Emotion(weights=borne(JUDGED, WORDS.strength)))
    assert spoken(engine, WORDS) == judged
    assert spoken(engine, WORDS) == judged  # from memory
    assert spoken(engine, replace(WORDS, text="")) != judged


def test_judging_is_work_of_the_job_and_begins_before_its_first_sentence(
    told: Mapping[str, Any],
) -> None:
    engine = create(told)
    job = begin(engine, 1, request=replace(PLAIN, emotion=WORDS))
    [(first, chunk)] = engine.step()
    assert first == job
    assert isinstance(chunk, AudioChunk)
    assert chunk.stages.keys() == {"emotion"}
    assert not chunk.samples.size
    engine.cancel(job)
    assert engine.step() == []


def test_where_judging_fails_the_rules_count(
    engine: IndexTTSEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError

    by_rules = spoken(engine, replace(WORDS, text=""))
    assert engine._judge is not None
    monkeypatch.setattr(engine._judge._network, "forward", failing)
    assert spoken(engine, replace(WORDS, text="another wording")) == by_rules


def without_tokenizers(_: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    return "install 'indextts-daemon[emotion]'"


def with_broken_weights(folder: Path, _: pytest.MonkeyPatch) -> str:
    (folder / "model.safetensors").write_bytes(b"broken")
    return "model.safetensors is damaged"


def with_a_broken_tokenizer(folder: Path, _: pytest.MonkeyPatch) -> str:
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    return "Exception"


@pytest.mark.parametrize(
    "broken", [without_tokenizers, with_broken_weights, with_a_broken_tokenizer]
)
def test_a_judge_that_cannot_load_keeps_no_model_from_speaking(
    told: Mapping[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: Callable[[Path, pytest.MonkeyPatch], str],
) -> None:
    shutil.copytree(str(told["model"]), tmp_path / "model")
    reason = broken(tmp_path / "model" / FOLDER, monkeypatch)
    with caplog.at_level(logging.INFO):
        engine = create({**told, "model": str(tmp_path / "model")})
    assert engine.info.parameters == {"speed", "seed", "emotion"}
    (record,) = caplog.records
    assert record.getMessage().startswith("Words about feelings are read by rules")
    assert reason in record.getMessage()
    assert str(tmp_path) not in record.getMessage()
    assert spoken(engine, WORDS) == spoken(engine, replace(WORDS, text=""))


def test_a_converted_model_keeps_its_judge_as_it_was_published(folder: Path) -> None:
    published = open_weights(folder)
    convert(find_published(folder), folder / CONVERTED, silent)
    assert verify(folder, silent) == []
    converted = open_weights(folder)
    assert converted.found.converted
    assert converted.stages == published.stages
    for role in FEELINGS:
        assert converted.found.files[role].parent == folder / CONVERTED
        assert converted.found.files[role].read_bytes() == published.found.files[role].read_bytes()
    theirs = published.stage("feelings")
    for key, tensor in converted.stage("feelings").items():
        assert tensor.equal(theirs[key])


def test_a_damaged_judge_is_named(folder: Path) -> None:
    convert(find_published(folder), folder / CONVERTED, silent)
    known = manifest.read(folder / CONVERTED)
    assert known is not None
    for record in known.feelings.values():
        file = folder / CONVERTED / record.name
        content = bytearray(file.read_bytes())
        content[-2] ^= 1
        file.write_bytes(content)
    faults = verify(folder, silent)
    assert {record.name for record in known.feelings.values()} <= {fault.where for fault in faults}


def test_a_judge_that_is_none_is_left_out_by_converting(folder: Path) -> None:
    (folder / FOLDER / "model.safetensors").write_bytes(
        (folder / "w2v-bert-2.0/model.safetensors").read_bytes()
    )
    with pytest.raises(CheckpointError, match=rf"^{FOLDER}/model\.safetensors: .* no model has"):
        open_weights(folder).stage("feelings")
    assert [fault.where for fault in verify(folder, silent)] == ["feelings"]
    assert convert(find_published(folder), folder / CONVERTED, silent).feelings == {}
    assert "feelings" not in open_weights(folder).stages
    assert verify(folder, silent) == []


def test_a_judge_makes_no_other_voices(folder: Path) -> None:
    def revisions() -> tuple[str, str]:
        published = open_weights(folder).revision
        convert(find_published(folder), folder / CONVERTED, silent)
        converted = open_weights(folder).revision
        shutil.rmtree(folder / CONVERTED)
        return published, converted

    judged = revisions()
    shutil.rmtree(folder / FOLDER)
    assert revisions() == judged
