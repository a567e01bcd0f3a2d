"""Versions of a tiny model beside each other: other weights, and such as nobody should hear."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import shutil

from safetensors.torch import load_file, save_file
from torch import Tensor

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.layout import find_published
from indextts_daemon.engines.indextts.convert import convert

Tensors = dict[str, Tensor]
VOCODER = "vocoder.safetensors"


def convert_all(model: Path) -> None:
    """Put in place of a published model what is made of it for loading."""
    whole = model.with_name(f".{model.name}")
    convert(find_published(model), whole, lambda *_: None)
    shutil.rmtree(model)
    whole.rename(model)


def louder(vocoder: Tensors) -> None:
    """Make it another model, that sounds different and is as good."""
    vocoder["output.weight"] *= 1.3


def mute(vocoder: Tensors) -> None:
    vocoder["output.weight"] *= 0


def poison(vocoder: Tensors) -> None:
    vocoder["upsamplings.2.bias"][0] = float("nan")


def rework(model: Path, name: str, change: Callable[[Tensors], None]) -> Path:
    """Put another version of a converted model beside it, whose vocoder was changed."""
    folder = model.with_name(f"{model.name}.{name}")
    shutil.copytree(model, folder)
    file = folder / VOCODER
    tensors = load_file(file)
    change(tensors)
    file.unlink()
    save_file(tensors, file)
    told = manifest.read(folder)
    assert told is not None
    digest = manifest.digest(file, lambda _: None)
    vocoder = replace(told.stages["vocoder"], sha256=digest, bytes=file.stat().st_size)
    manifest.write(folder, replace(told, stages={**told.stages, "vocoder": vocoder}))
    return folder


def cut_off(model: Path, name: str) -> None:
    """Put a version there of which the end of a file is missing."""
    file = rework(model, name, louder) / VOCODER
    file.write_bytes(file.read_bytes()[:-4096])


def flip_a_bit(model: Path, name: str) -> None:
    """Put a version there with one wrong bit, which leaves a number and can hardly be heard."""
    file = rework(model, name, louder) / VOCODER
    content = bytearray(file.read_bytes())
    content[len(content) // 8 * 4] ^= 1
    file.write_bytes(content)
