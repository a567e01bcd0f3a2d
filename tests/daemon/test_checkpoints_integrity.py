"""Every byte of a model's files is read, and a changed one is told with what to do about it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from indextts_daemon.checkpoints.integrity import changed_files
from indextts_daemon.checkpoints.layout import find
from tests.daemon.checkpoint_files import write_converted, write_published


def silent(_: str) -> Callable[[int], None]:
    return lambda _: None


def changed(folder: Path) -> list[tuple[str, str]]:
    return list(changed_files(find(folder), silent))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_what_is_as_it_was_written_is_whole(tmp_path: Path) -> None:
    assert changed(write_converted(tmp_path / "converted")) == []
    assert changed(write_published(tmp_path / "published")) == []


@pytest.mark.parametrize("name", ["gpt.safetensors", "vocoder.safetensors", "tokenizer.tiktoken"])
def test_one_changed_bit_of_a_converted_model_is_named(tmp_path: Path, name: str) -> None:
    flip(write_converted(tmp_path) / name)
    assert changed(tmp_path) == [(name, f"{name} was changed or damaged: convert it again.")]


def test_a_changed_bit_of_what_torch_saved_is_named(tmp_path: Path) -> None:
    file = write_published(tmp_path) / "gpt.pth"
    file.write_bytes(file.read_bytes().replace(bytes(64), bytes(63) + b"\1"))
    told = [("gpt.pth", "gpt.pth was changed or damaged: fetch it again.")]
    assert changed(tmp_path) == told


def test_all_bytes_that_are_read_are_counted(tmp_path: Path) -> None:
    read: dict[str, int] = {}

    def counting(name: str) -> Callable[[int], None]:
        def count(more: int) -> None:
            read[name] = read.get(name, 0) + more

        return count

    folder = write_converted(tmp_path)
    assert list(changed_files(find(folder), counting)) == []
    files = ("gpt.safetensors", "vocoder.safetensors", "tokenizer.tiktoken")
    assert read == {name: (folder / name).stat().st_size for name in files}
