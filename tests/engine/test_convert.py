"""A converted model is the published one, number for number, and whole or none at all."""

import errno
import json
import os
from pathlib import Path
import shutil

import pytest
from safetensors import safe_open
import torch

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.layout import CONVERTED, find, find_published
from indextts_daemon.engines.indextts import convert as converting
from indextts_daemon.engines.indextts.convert import TEMPORARY, convert
from indextts_daemon.engines.indextts.loader import Weights, open_weights
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.verify import verify
from tests.engine.official import copy_official, edit
from tests.engine.parity import ParitySet


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def folder(golden: ParitySet, shelf: Path, tmp_path: Path) -> Path:
    """Return a published model."""
    return copy_official(golden, shelf, tmp_path / "model")


@pytest.fixture
def one_folder(one_golden: ParitySet, shelf: Path, tmp_path: Path) -> Path:
    """Return a published model of one version, for what is the same with each."""
    return copy_official(one_golden, shelf, tmp_path / "model")


@pytest.fixture
def converted(folder: Path, golden: ParitySet, shelf: Path) -> Path:
    """Return a converted model; the published one is around it."""
    return copy_converted(folder, shelf / f"{golden.name}-{CONVERTED}")


@pytest.fixture
def one_converted(one_folder: Path, one_golden: ParitySet, shelf: Path) -> Path:
    """Return a converted model of one version."""
    return copy_converted(one_folder, shelf / f"{one_golden.name}-{CONVERTED}")


def copy_converted(folder: Path, made: Path) -> Path:
    """Convert once, and give the folder what shares its files with others: replace, never write."""
    if not made.exists():
        convert(find_published(folder), made, silent)
    shutil.copytree(made, folder / CONVERTED, copy_function=os.link)
    return folder / CONVERTED


def convert_in_place(folder: Path) -> Path:
    convert(find_published(folder), folder / CONVERTED, silent)
    return folder / CONVERTED


def test_every_stage_is_equal_and_mapped(converted: Path) -> None:
    published, made = Weights.of(find_published(converted.parent)), open_weights(converted)
    assert made.found.converted
    assert made.variant == published.variant
    assert made.hyperparameters == published.hyperparameters
    assert made.tokenizer.read_bytes() == published.tokenizer.read_bytes()
    assert made.stages == published.stages
    for stage in published.stages:
        ours, theirs = made.stage(stage), published.stage(stage)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, theirs[key]), f"{stage} {key}"


def test_a_converted_model_needs_nothing_of_the_published_one(
    converted: Path, tmp_path: Path
) -> None:
    converted.rename(tmp_path / "elsewhere")
    shutil.rmtree(converted.parent)
    assert open_weights(tmp_path / "elsewhere").stage("vocoder")
    assert verify(tmp_path / "elsewhere", silent) == []


def test_converting_again_changes_nothing(converted: Path) -> None:
    first = open_weights(converted).revision
    assert open_weights(convert_in_place(converted.parent)).revision == first


def test_other_weights_make_another_revision(one_converted: Path) -> None:
    first, folder = open_weights(one_converted).revision, one_converted.parent
    edit(folder / "feat2.pt", lambda content: content[""].mul_(2))
    assert open_weights(convert_in_place(folder)).revision != first


def test_each_file_says_what_it_was_made_of(converted: Path) -> None:
    published, place = find_published(converted.parent), converted
    known = manifest.read(place)
    assert known is not None
    assert known.sources.keys() == published.files.keys()
    for role, record in known.sources.items():
        assert record.sha256 == manifest.digest(published.files[role], lambda _: None)
    with safe_open(place / known.stages["vocoder"].name, framework="pt") as file:
        assert file.metadata() == {"sha256 of vocoder": known.sources["vocoder"].sha256}


def test_progress_is_told_to_the_last_byte(one_folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    convert(find_published(one_folder), one_folder / CONVERTED, lambda *word: told.append(word))
    done = [word[1] for word in told]
    assert done == sorted(done)
    assert {word[2] for word in told} == {done[-1]}
    assert {"gpt.pth", "gpt", "vocoder"} <= {word[0] for word in told}


def test_only_a_published_model_is_converted(converted: Path) -> None:
    with pytest.raises(CheckpointError, match="converted already"):
        convert(find(converted.parent), converted.parent / "again", silent)


def test_a_fault_is_named_before_anything_is_written(one_folder: Path) -> None:
    folder = one_folder
    edit(folder / "s2mel.pth", lambda content: content["cfm"].pop("estimator.conv1.bias"))
    with pytest.raises(CheckpointError, match=r"s2mel\.pth lacks the tensor wavenet_input\.bias"):
        convert_in_place(folder)
    assert not (folder / CONVERTED).exists()


def test_a_disk_that_is_too_small_is_refused_first(
    one_converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed, folder = (
        sum(path.stat().st_size for path in one_converted.iterdir()),
        one_converted.parent,
    )
    shutil.rmtree(one_converted)
    for free, enough in ((needed // 2, False), (needed + 2 * converting.SPARE_BYTES, True)):
        usage = shutil._ntuple_diskusage(free, free, free)  # type: ignore[attr-defined]
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        if enough:
            convert_in_place(folder)
        else:
            with pytest.raises(CheckpointError, match="GB are free") as error:
                convert_in_place(folder)
            assert error.value.error_code == "disk_full"
            assert not any((folder / CONVERTED).iterdir())


def test_converting_again_needs_no_room_for_what_it_replaces(
    one_converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, folder = (
        sorted(path.stat().st_size for path in one_converted.iterdir()),
        one_converted.parent,
    )
    free = sizes[-1] + converting.SPARE_BYTES
    usage = shutil._ntuple_diskusage(free, free, free)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    convert_in_place(folder)
    shutil.rmtree(folder / CONVERTED)
    with pytest.raises(CheckpointError, match="GB are free"):
        convert_in_place(folder)


def test_two_conversions_at_once_do_not_mix(one_folder: Path) -> None:
    refusals, folder = list[str](), one_folder

    def another(*_: object) -> None:
        if not refusals:
            with pytest.raises(CheckpointError) as error:
                convert_in_place(folder)
            refusals.append(error.value.error_code)

    convert(find_published(folder), folder / CONVERTED, another)
    assert refusals == ["busy"]
    assert verify(folder, silent) == []


class Interruption(BaseException):
    """As a killed process, to what is under test."""


def interrupted(folder: Path, when: tuple[str, int]) -> None:
    """Convert until it is told for the nth time that it works on something."""
    name, left = when

    def progress(current: str, *_: int) -> None:
        nonlocal left
        left -= current == name
        if left < 0:
            raise Interruption

    with pytest.raises(Interruption):
        convert(find_published(folder), folder / CONVERTED, progress)


def test_whenever_it_is_interrupted_the_published_model_serves(one_converted: Path) -> None:
    folder = one_converted.parent
    published = Weights.of(find_published(folder))
    for when in [("config.yaml", 0), ("gpt", 1), ("vocoder", 9), (published.stages[-1], 1)]:
        interrupted(folder, when)
        assert open_weights(folder).revision == published.revision
        assert not list((folder / CONVERTED).glob(f"{TEMPORARY}*"))
    convert_in_place(folder)
    assert open_weights(folder).found.converted
    assert verify(folder, silent) == []


def test_what_a_killed_process_left_goes_with_the_next_attempt(one_folder: Path) -> None:
    folder = one_folder
    (folder / CONVERTED).mkdir()
    (folder / CONVERTED / f"{TEMPORARY}abc").write_bytes(b"half a stage")
    assert not open_weights(folder).found.converted
    convert_in_place(folder)
    assert not list((folder / CONVERTED).glob(f"{TEMPORARY}*"))


def test_a_disk_that_fills_up_is_said(one_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = one_folder

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        convert_in_place(folder)
    assert not open_weights(folder).found.converted


def test_whole_models_have_no_faults(folder: Path, golden: ParitySet, shelf: Path) -> None:
    assert verify(folder, silent) == []
    copy_converted(folder, shelf / f"{golden.name}-{CONVERTED}")
    assert verify(folder, silent) == []


def test_a_folder_without_a_model_is_a_fault(tmp_path: Path) -> None:
    (fault,) = verify(tmp_path, silent)
    assert "lacks gpt.pth" in fault.message


def test_the_manifest_is_believed_only_where_it_fits(one_converted: Path) -> None:
    file = one_converted / manifest.NAME
    content = json.loads(file.read_text("utf-8"))
    content["hyperparameters"]["emotion_groups"][0] += 1
    file.unlink()
    file.write_text(json.dumps(content), "utf-8")
    assert [fault.where for fault in verify(one_converted.parent, silent)] == ["emotions"]
