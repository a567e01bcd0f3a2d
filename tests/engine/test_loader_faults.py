"""Whatever is wrong with a model's files is said in a sentence with the file's name.

A damaged file is never run, never makes the loader fail in another way, and never leaves a
number that is none. That a bit was flipped is what `verify` finds.
"""

from collections.abc import Callable, Iterator
import errno
from functools import reduce
import operator
import os
from pathlib import Path
import random
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor
import yaml

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.layout import CONVERTED, Found, find, find_published
from indextts_daemon.checkpoints.pickled import has_damage
from indextts_daemon.engines.indextts.convert import convert
from indextts_daemon.engines.indextts.joints import require_match
from indextts_daemon.engines.indextts.loader import ORIGINS, Weights, open_weights
from indextts_daemon.engines.indextts.networks import (
    enrolment_networks,
    render_networks,
    require_fit,
)
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from indextts_daemon.engines.indextts.verify import verify
from tests.engine.official import copy_official, edit, write_official
from tests.engine.parity import ParitySet

PLACES = 20  # where each file is cut, and where it is changed
FEW = 4  # of them, where nobody has the time for all
ALL_OR_FEW = [FEW, pytest.param(PLACES, marks=pytest.mark.long)]
ROLES = sorted({role for roles in ORIGINS.values() for role in roles})
PICKLES = [role for role in ROLES if role not in {"semantic_encoder", "codec"}]  # of both versions
CPU = torch.device("cpu")
Change = Callable[[dict[str, Any]], None]


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
def converted(folder: Path, golden: ParitySet, shelf: Path) -> Path:
    """Return a converted model; the published one is beside it."""
    made = shelf / f"{golden.name}-{CONVERTED}"
    if not made.exists():
        convert(find_published(folder), made, silent)
    shutil.copytree(made, folder / CONVERTED, copy_function=os.link)
    return folder / CONVERTED


def replace(path: Path, content: bytes | bytearray) -> None:
    path.unlink()
    path.write_bytes(content)


def stages_from(weights: Weights, role: str) -> Iterator[str]:
    return (stage for stage in weights.stages if role in weights.roles(stage))


def load(weights: Weights, role: str) -> None:
    """Read what comes from a file, and build its networks."""
    for stage in stages_from(weights, role):
        require_fit(weights, stage, weights.stage(stage))


def refusal(folder: Path, role: str | None = None) -> str:
    """Load everything, or what comes from a file; return the sentence why it cannot be."""
    with pytest.raises(CheckpointError) as error:
        load(open_weights(folder), role) if role else load_whole(folder)
    assert error.value.error_code in {"checkpoint_invalid", "checkpoint_missing"}
    assert str(folder.parent) not in error.value.message
    return error.value.message


def load_whole(folder: Path) -> None:
    weights = open_weights(folder)
    require_match(weights, TextFrontEnd(weights.variant, weights.tokenizer))
    render_networks(weights, device=CPU)
    enrolment_networks(weights, device=CPU)


def places(role: str, size: int, count: int) -> list[int]:
    chance = random.Random(role)  # noqa: S311 the same places each time
    return [chance.randrange(size) for _ in range(count)]


@pytest.mark.parametrize("count", ALL_OR_FEW)
@pytest.mark.parametrize("role", ROLES)
def test_a_published_file_that_is_cut_off_is_named(folder: Path, role: str, count: int) -> None:
    found = find(folder)
    path = found.files[role]
    content = path.read_bytes()
    for place in places(role, len(content), count):
        replace(path, content[:place])
        with pytest.raises(CheckpointError, match=rf"^{found.name(role)} is damaged or cut off"):
            load(Weights.of(found), role)


@pytest.mark.parametrize("count", ALL_OR_FEW)
@pytest.mark.parametrize("role", ROLES)
def test_a_changed_bit_of_a_published_file_leaves_finite_numbers_or_a_refusal(
    folder: Path, role: str, count: int
) -> None:
    """And where the numbers are others, a checksum says so; safetensors have none."""
    found = find(folder)
    path, before = found.files[role], all_of(find(folder), role)
    content = path.read_bytes()
    for place in places(role, len(content), count):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        replace(path, changed)
        try:
            after = all_of(found, role)
        except CheckpointError as err:
            assert path.name in err.message  # noqa: PT017 a refusal is one of two good ends
            continue
        assert all(tensor.isfinite().all() for tensor in after.values())
        if path.suffix != ".safetensors" and not equal(before, after):
            assert has_damage(path, lambda _: None)


@pytest.mark.parametrize("name", ["gpt.pth", "bigvgan_generator.pt", "feat2.pt"])
def test_verify_looks_at_the_checksums(folder: Path, name: str) -> None:
    path = next(folder.rglob(name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace(path, content)
    assert name in {fault.where for fault in verify(folder, silent)}


def all_of(found: Found, role: str) -> dict[str, Tensor]:
    weights = Weights.of(found)
    return {
        f"{stage}.{key}": tensor.clone()
        for stage in stages_from(weights, role)
        for key, tensor in weights.stage(stage).items()
    }


SEEDS = [*range(FEW), *(pytest.param(n, marks=pytest.mark.long) for n in range(FEW, PLACES))]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_bit_of_a_converted_file_is_found(converted: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 the same places each time
    known = manifest.read(converted)
    assert known is not None
    path = converted / chance.choice(list(known.files.values())).name
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << seed % 8
    replace(path, content)
    assert path.name in {fault.where for fault in verify(converted, silent)}
    try:
        load_whole(converted)
    except CheckpointError as err:
        assert path.name in err.message  # noqa: PT017 a refusal is one of two good ends


@pytest.mark.parametrize("seed", SEEDS)
def test_a_converted_file_that_is_cut_off_is_named(converted: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 the same places each time
    known = manifest.read(converted)
    assert known is not None
    path = converted / chance.choice(list(known.files.values())).name
    content = path.read_bytes()
    replace(path, content[: chance.randrange(len(content))])
    assert refusal(converted).startswith(f"{path.name} is cut off")


def test_a_converted_stage_cut_off_after_it_was_found_is_named(converted: Path) -> None:
    weights = open_weights(converted)
    path = weights.found.files["vocoder"]
    replace(path, path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=rf"^{path.name} is damaged or cut off"):
        weights.stage("vocoder")


@pytest.mark.parametrize(
    ("opener", "stage", "raised"),
    [
        ("torch.load", "gpt", RuntimeError("unable to mmap: Cannot allocate memory (12)")),
        ("torch.load", "gpt", MemoryError()),
        ("load_file", "semantic_encoder", OSError(errno.ENOMEM, "Cannot allocate memory")),
    ],
)
def test_a_lack_of_memory_is_no_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opener: str, stage: str, raised: Exception
) -> None:
    weights = open_weights(folder)

    def refuse(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(f"indextts_daemon.engines.indextts.tensor_files.{opener}", refuse)
    with pytest.raises(CheckpointError, match=r"not enough memory to open .+\.$") as error:
        weights.stage(stage)
    assert error.value.error_code == "out_of_memory"


class Touching:
    """Makes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.witness,))


@pytest.mark.parametrize("old_form", [False, True])
def test_code_in_a_pickle_is_refused_and_not_run(
    golden: ParitySet, folder: Path, tmp_path: Path, *, old_form: bool
) -> None:
    witness = tmp_path / "witness"
    content: dict[str, Any] = dict.fromkeys(golden.weights("gpt"), torch.zeros(2))
    content["code"] = Touching(witness)
    for role in PICKLES:
        path = find(folder).files[role]
        whole = path.read_bytes()
        path.unlink()
        torch.save(content, path, _use_new_zipfile_serialization=not old_form)
        said = refusal(folder, role)
        assert path.name in said
        assert "it was refused and not run" in said or (role == "gpt" and old_form)
        assert not witness.exists()
        torch.load(path, weights_only=False)  # noqa: TID251 shows that it would have been run
        witness.unlink()
        replace(path, whole)


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_file_is_named(folder: Path, role: str) -> None:
    path = find(folder).files[role]
    path.unlink()
    assert path.name in refusal(folder, role)


def of_each(change: Callable[[Tensor], Tensor]) -> Change:
    """Make a fault of what happens to each tensor of floats."""

    def fault(tensors: dict[str, Any]) -> None:
        tensors.update(
            {key: change(one) for key, one in tensors.items() if one.is_floating_point()}
        )

    return fault


def more(tensors: dict[str, Any]) -> None:
    tensors["made.up.weight"] = torch.zeros(2)


def a_word(tensors: dict[str, Any]) -> None:
    tensors["a_word"] = "hello"


def without_names(tensors: dict[str, Any]) -> None:
    tensors.clear()


def last_is(number: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        return torch.cat([tensor.flatten()[:-1], torch.tensor([number])]).view(tensor.shape)

    return change


NUMBERS: dict[str, Change] = {
    "of longs": of_each(Tensor.long),
    "not a number": of_each(last_is(float("nan"))),
    "infinite": of_each(last_is(float("-inf"))),
    "longer": of_each(lambda tensor: torch.cat([tensor, tensor])),
    "deeper": of_each(lambda tensor: tensor[..., None]),
}
ODD: dict[str, Change] = {  # what safetensors has no way to say
    "a word": a_word,
    "complex": of_each(lambda tensor: tensor.to(torch.complex64)),
    "sparse": of_each(lambda tensor: tensor.to_sparse()),
    "endless": of_each(lambda tensor: tensor.flatten()[:1].expand(10**12)),
    "on no device": of_each(lambda tensor: tensor.to("meta")),
    "empty": of_each(lambda tensor: tensor.flatten()[:0]),
}
FAULTS = {"more": more, "without names": without_names} | NUMBERS | ODD


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("role", ["statistics", "speaker_encoder", "vocoder"])
def test_tensors_that_cannot_be_are_refused_with_their_file(
    folder: Path, role: str, fault: str
) -> None:
    path = find(folder).files[role]
    edit(path, FAULTS[fault])
    assert path.name in refusal(folder, role)


@pytest.mark.parametrize("fault", ["more", *NUMBERS])
@pytest.mark.parametrize("role", ["gpt", "codec", "semantic_encoder"])
def test_and_in_the_large_files(folder: Path, role: str, fault: str) -> None:
    path = find(folder).files[role]
    edit(path, FAULTS[fault])
    assert path.name in refusal(folder, role)


@pytest.mark.parametrize("network", ["cfm", "length_regulator"])
@pytest.mark.parametrize("fault", ["more", "a word", "without names", *NUMBERS])
def test_and_in_each_network_of_a_file(folder: Path, network: str, fault: str) -> None:
    edit(folder / "s2mel.pth", lambda content: FAULTS[fault](content[network]))
    assert "s2mel.pth" in refusal(folder, "s2mel")


@pytest.mark.parametrize("role", ["emotion_speakers", "emotion_rows"])
@pytest.mark.parametrize("fault", [*NUMBERS, *[fault for fault in ODD if fault != "a word"]])
def test_and_in_a_tensor_without_a_name(folder: Path, role: str, fault: str) -> None:
    path = find(folder).files[role]
    edit(path, FAULTS[fault])
    assert path.name in refusal(folder, role)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"hello", b"\x80\x02."])
@pytest.mark.parametrize("role", ROLES)
def test_a_file_of_something_else_is_refused(folder: Path, role: str, content: bytes) -> None:
    path = find(folder).files[role]
    replace(path, content)
    assert path.name in refusal(folder, role)


def test_a_gpt_of_the_other_version_is_not_taken_for_this_one(
    golden: ParitySet, folder: Path, tmp_path: Path
) -> None:
    path = folder / "gpt.pth"
    marks = {"2": "conditioning_encoder.", "2.5": "spk_emb_proj."}
    other = next(mark for version, mark in marks.items() if version != golden.version)

    def change(tensors: dict[str, Any]) -> None:
        for key in [key for key in tensors if key.startswith((*marks.values(), "lang_", "speed_"))]:
            del tensors[key]
        tensors[f"{other}weight"] = torch.zeros(2, 2)

    edit(path, change)
    assert refusal(folder).startswith("The model's folder lacks")


TELLING = {
    "2": [("gpt.pth", "speed_emb.weight")],
    "2.5": [("gpt.pth", "lang_embedding.weight"), ("codec.pth", "up.weight")],
}


def test_a_tensor_that_tells_the_versions_apart_is_missed(golden: ParitySet, folder: Path) -> None:
    for name, tensor in TELLING[golden.version]:
        whole = (folder / name).read_bytes()
        edit(folder / name, lambda tensors, tensor=tensor: tensors.pop(tensor))
        assert refusal(folder).startswith(f"{name} lacks the tensor ")
        replace(folder / name, whole)


@pytest.mark.parametrize("keys", [("gpt", "heads"), ("s2mel", "DiT", "num_heads")])
def test_heads_that_do_not_divide_the_channels_are_refused(
    folder: Path, keys: tuple[str, ...]
) -> None:
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    *outer, last = keys
    reduce(operator.getitem, outer, config)[last] = 7
    replace(path, yaml.safe_dump(config).encode())
    assert "with that many heads" in refusal(folder)


def test_files_of_different_models_are_not_mixed(folder: Path) -> None:
    def narrow(tensors: dict[str, Any]) -> None:
        tensors[""] = tensors[""][:, :-1].clone()

    edit(folder / "feat2.pt", narrow)
    assert "feat2.pt is of another model than the rest" in refusal(folder)


def rows(key: str, count: int) -> Change:
    return lambda tensors: tensors.update({key: tensors[key][:count].clone()})


def wider(tensors: dict[str, Any]) -> None:
    inward = tensors["conv_pre.weight_v"]
    tensors["conv_pre.weight_v"] = torch.cat([inward, inward[:, :20]], 1)


STRANGERS: dict[str, tuple[str, str, Change]] = {  # whose file is changed, whom that tells of
    "a vocoder of more bands": ("vocoder", "vocoder", wider),
    "speakers of another width": (
        "emotion_speakers",
        "emotion_speakers",
        lambda tensors: tensors.update({"": tensors[""][:, :-1].clone()}),
    ),
    "a table of few words": ("gpt", "tokenizer", rows("text_embedding.weight", 50)),
    "few codes": ("codec", "codec", rows("quantizer.quantizers.0.codebook.weight", 20)),
    "few languages": ("gpt", "gpt", rows("lang_embedding.weight", 1)),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_parts_that_do_not_fit_each_other_are_found_by_verify_and_before_serving(
    golden: ParitySet, folder: Path, stranger: str
) -> None:
    if golden.version == "2" and stranger == "few languages":
        return  # it has no such table
    found = find(folder)
    changed, told, change = STRANGERS[stranger]
    edit(found.files[changed], change)
    said = refusal(folder)
    assert found.files[told].name in said
    assert said.endswith("is of another model than the rest.")
    assert [fault.message for fault in verify(folder, silent)] == [said]


def test_links_out_of_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "s2mel.pth"
    path.replace(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    assert refusal(folder).endswith("not followed: s2mel.pth.")


@pytest.mark.parametrize("last", [True, False])
def test_a_converted_model_without_its_manifest_is_not_served(
    converted: Path, *, last: bool
) -> None:
    """As after a power cut between the stages and the manifest; the published one serves."""
    (converted / manifest.NAME).unlink()
    if not last:
        vocoder = converted / "vocoder.safetensors"
        replace(vocoder, vocoder.read_bytes()[:100])
    assert not open_weights(converted.parent).found.converted
    assert "lacks gpt.pth" in refusal(converted)


def test_verify_finds_all_faults_and_not_only_the_first(folder: Path) -> None:
    for name in ("gpt.pth", "s2mel.pth"):
        edit(folder / name, more if name == "gpt.pth" else lambda content: more(content["cfm"]))
    edit(folder / "feat1.pt", NUMBERS["not a number"])
    where = {fault.where for fault in verify(folder, silent)}
    assert where >= {"gpt", "flow_matching", "emotions"}
    assert "vocoder" not in where


def test_the_version_in_the_configuration_is_not_believed(
    golden: ParitySet, tmp_path: Path
) -> None:
    folder = write_official(golden, tmp_path / "model")
    assert "version: 2.0" in (folder / "config.yaml").read_text("utf-8")
    assert open_weights(folder).variant.version == golden.version
