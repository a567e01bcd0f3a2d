"""A voice's file: what is written comes back exactly, and nothing else is taken for it."""

from dataclasses import fields, replace
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
import torch
from torch import Tensor

from indextts_daemon.engines.indextts import voice_file
from indextts_daemon.engines.indextts.conditioning import VoiceConditioning
from indextts_daemon.engines.indextts.voice_file import RANKS, VoiceFileError

KEY = "0123456789abcdef" * 2
TOLD = {"model": "indextts-2", "report": {"snr_db": 40.0}}


def conditioning() -> VoiceConditioning:
    chance = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=chance)

    return VoiceConditioning(
        speaker_embedding=some(1, 24),
        speaker_rows=some(1, 4, 16),
        emotion_base=some(1, 16),
        emotion=some(1, 16),
        prompt_condition=some(1, 30, 8),
        prompt_mel=some(1, 80, 30),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    voice_file.store(tmp_path, KEY, voice_file.encoded(conditioning(), key=KEY, told=TOLD))
    return tmp_path


def edit(folder: Path, metadata: dict[str, str] | None = None, **tensors: Tensor | None) -> None:
    """Replace tensors of the file, or take them out, with the metadata of a sound one."""
    file = folder / f"{KEY}.safetensors"
    changed = load_file(file) | tensors
    kept = {name: tensor.contiguous() for name, tensor in changed.items() if tensor is not None}
    save_file(kept, file, metadata or {"format": "1", "key": KEY, "told": json.dumps(TOLD)})


def test_a_voice_comes_back_to_the_bit(folder: Path) -> None:
    found, meant = voice_file.load(folder, KEY), conditioning()
    for each in fields(VoiceConditioning):
        assert torch.equal(getattr(found, each.name), getattr(meant, each.name)), each.name
    assert voice_file.origin(folder, KEY) == TOLD


def test_every_tensor_of_a_voice_has_its_rank() -> None:
    assert [each.name for each in fields(VoiceConditioning)] == list(RANKS)


def test_half_precision_and_views_are_written_as_plain_floats(tmp_path: Path) -> None:
    mel = conditioning().prompt_mel
    odd = replace(conditioning(), prompt_mel=mel.half().mT.contiguous().mT)
    voice_file.store(tmp_path, KEY, voice_file.encoded(odd, key=KEY, told={}))
    assert torch.equal(voice_file.load(tmp_path, KEY).prompt_mel, mel.half().float())


@pytest.mark.parametrize("name", RANKS)
def test_a_tensor_that_is_missing_is_named(folder: Path, name: str) -> None:
    edit(folder, **{name: None})
    with pytest.raises(VoiceFileError, match=rf"lacks {name}\."):
        voice_file.load(folder, KEY)


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("half", "is not of float32"),
        ("nan", "is not finite"),
        ("batch", "the wrong shape"),
        ("flat", "the wrong shape"),
        ("empty", "the wrong shape"),
    ],
)
def test_a_tensor_that_is_no_good_is_named(folder: Path, name: str, fault: str, words: str) -> None:
    tensor = getattr(conditioning(), name)
    changed = {
        "half": tensor.half(),
        "nan": torch.full_like(tensor, torch.nan),
        "batch": torch.cat((tensor, tensor)),
        "flat": tensor.flatten(),
        "empty": tensor[..., :0],
    }
    edit(folder, **{name: changed[fault]})
    with pytest.raises(VoiceFileError, match=rf"{name}.*{words}"):
        voice_file.load(folder, KEY)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt_mel": torch.zeros(1, 80, 29)},
        {"emotion": torch.zeros(1, 15)},
        {"speaker_rows": torch.zeros(1, 4, 17)},
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(
    folder: Path, changed: dict[str, Tensor]
) -> None:
    edit(folder, **changed)
    with pytest.raises(VoiceFileError, match="does not fit together"):
        voice_file.load(folder, KEY)


def test_a_tensor_that_no_voice_has_is_named(folder: Path) -> None:
    edit(folder, extra=torch.zeros(1))
    with pytest.raises(VoiceFileError, match="holds extra"):
        voice_file.load(folder, KEY)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"key": KEY}, "another daemon's"),
        ({"format": "2", "key": KEY}, "another daemon's"),
        ({"format": "1"}, "another voice's"),
        ({"format": "1", "key": KEY[::-1]}, "another voice's"),
    ],
)
def test_a_file_of_something_else_is_refused(
    folder: Path, metadata: dict[str, str], words: str
) -> None:
    edit(folder, metadata)
    with pytest.raises(VoiceFileError, match=words):
        voice_file.load(folder, KEY)


@pytest.mark.parametrize("length", [0, 1, 8, 100, 2000, -1])
def test_a_file_that_is_cut_off_is_refused(folder: Path, length: int) -> None:
    file = folder / f"{KEY}.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(VoiceFileError, match="damaged or cut off"):
        voice_file.load(folder, KEY)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoiceFileError, match=r"gone\. Reload the voices or restart the daemon"):
        voice_file.load(tmp_path, KEY)


@pytest.mark.parametrize("key", ["", "../secret", "x" * 32, KEY.upper(), KEY + "0", f"{KEY}\n"])
def test_a_key_is_never_a_path(folder: Path, key: str) -> None:
    with pytest.raises(VoiceFileError, match="no name"):
        voice_file.load(folder, key)


def test_what_could_not_be_read_again_is_not_written() -> None:
    broken = replace(conditioning(), emotion=torch.full((1, 16), torch.inf))
    with pytest.raises(VoiceFileError, match="emotion"):
        voice_file.encoded(broken, key=KEY, told={})


def test_no_message_names_a_path(folder: Path) -> None:
    (folder / f"{KEY}.safetensors").write_bytes(b"")
    with pytest.raises(VoiceFileError) as caught:
        voice_file.load(folder, KEY)
    assert str(folder) not in caught.value.message
