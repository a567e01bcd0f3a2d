"""A published model becomes our tensors, the same from every layout and every wrapping."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indextts_daemon.engines.indextts.loader import Weights, build, open_weights
from indextts_daemon.engines.indextts.networks import enrolment_networks, render_networks
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from tests.engine.official import Layout, copy_official, edit, write_official
from tests.engine.parity import ParitySet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def folder(golden: ParitySet, shelf: Path, tmp_path: Path) -> Path:
    """Return a published model."""
    return copy_official(golden, shelf, tmp_path / "model")


def all_tensors(weights: Weights) -> dict[str, Tensor]:
    return {
        f"{stage}.{key}": tensor
        for stage in weights.stages
        for key, tensor in weights.stage(stage).items()
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("layout", ["flat", "hf_cache"])
def test_a_layout_changes_neither_tensors_nor_revision(
    golden: ParitySet, folder: Path, tmp_path: Path, layout: Layout
) -> None:
    other = open_weights(write_official(golden, tmp_path / "other", layout))
    weights = open_weights(folder)
    assert weights.variant.version == golden.version
    assert same(all_tensors(weights), all_tensors(other))
    assert weights.revision == other.revision


def test_the_configuration_gives_what_the_tensors_do_not(golden: ParitySet, folder: Path) -> None:
    told, config = open_weights(folder).hyperparameters, golden.config["official_config"]
    assert told.gpt_heads == config["gpt"]["heads"]
    assert told.dit_heads == config["s2mel"]["DiT"]["num_heads"]
    assert list(told.emotion_groups) == config["emo_num"]


def test_every_network_is_whole_and_still(folder: Path) -> None:
    weights = open_weights(folder)
    groups: list[Any] = [
        render_networks(weights, device=CPU),
        enrolment_networks(weights, device=CPU),
    ]
    for group in groups:
        networks = [
            network
            for name in group.__slots__
            if isinstance(network := getattr(group, name), nn.Module)
        ]
        assert networks
        for network in networks:
            assert not network.training
            for tensor in network.state_dict().values():
                assert tensor.device == CPU
                assert tensor.dtype == torch.float32
            assert not any(parameter.requires_grad for parameter in network.parameters())
    assert (groups[0].latent_projection is not None) == weights.variant.second_pass
    assert (groups[1].codec is not None) == weights.variant.quantized_prompt


def test_an_outline_has_the_shapes_and_no_numbers(folder: Path) -> None:
    weights = open_weights(folder)
    for stage in weights.stages:
        outline = weights.outline(stage)
        shapes = {key: tensor.shape for key, tensor in weights.stage(stage).items()}
        assert {key: tensor.shape for key, tensor in outline.items()} == shapes
        assert all(tensor.is_meta for tensor in outline.values())


def from_several_cards(content: dict[str, Any]) -> None:
    inner = {f"module.{key}": tensor for key, tensor in content.items()}
    content.clear()
    content.update(inner)


def as_parameters(content: dict[str, Any]) -> None:
    content.update({key: nn.Parameter(tensor) for key, tensor in content.items()})


def test_a_gpt_may_be_wrapped_or_not(folder: Path) -> None:
    path, before = folder / "gpt.pth", open_weights(folder).stage("gpt")
    content = torch.load(path, weights_only=True)  # noqa: TID251 it was written here
    path.unlink()
    torch.save(content.get("model", {"model": content}), path)
    assert same(before, open_weights(folder).stage("gpt"))


@pytest.mark.parametrize("change", [from_several_cards, as_parameters])
def test_what_is_around_the_tensors_does_not_matter(
    folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    before = open_weights(folder)
    tensors = {stage: before.stage(stage) for stage in ("gpt", "speaker_conditioner")}
    edit(folder / "gpt.pth", change)
    after = open_weights(folder)
    assert all(same(tensors[stage], after.stage(stage)) for stage in tensors)


def test_the_form_of_torch_files_before_2020_is_read_too(folder: Path) -> None:
    weights = open_weights(folder)
    before, path = weights.stage("speaker_encoder"), weights.found.files["speaker_encoder"]
    content = torch.load(path, weights_only=True)  # noqa: TID251 it was written here
    path.unlink()
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert same(before, open_weights(folder).stage("speaker_encoder"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(folder: Path, dtype: torch.dtype) -> None:
    def change(content: dict[str, Any]) -> None:
        content.update({key: tensor.to(dtype) for key, tensor in content.items()})

    before = open_weights(folder).stage("gpt")
    edit(folder / "gpt.pth", change)
    after = open_weights(folder).stage("gpt")
    expected = {key: tensor.to(dtype).float() for key, tensor in before.items()}
    assert same(after, expected)


def test_every_file_has_its_part_in_the_revision(folder: Path) -> None:
    before = open_weights(folder)
    for path in before.found.files.values():
        content = bytearray(path.read_bytes())
        path.unlink()
        for place in (0, -1):
            content[place] ^= 1
            path.write_bytes(content)
            after = Weights.of(before.found)
            assert after.revision != before.revision, path.name
            before = after


class Line(nn.Module):
    def __init__(self, tensors: Any) -> None:
        super().__init__()
        rows, columns = tensors["line.weight"].shape
        self.line = nn.Linear(columns, rows)


WEIGHT = {"line.weight": torch.zeros(2, 3)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "lacks the tensor line.weight"),
        (WEIGHT, "lacks the tensor line.bias"),
        (WEIGHT | {"line.bias": torch.zeros(3)}, r"line.bias is \(3,\), not \(2,\)"),
        ({"line.weight": torch.zeros(2, 3, 4)}, "shapes no model has"),
        (WEIGHT | {"line.bias": torch.zeros(2), "more": torch.zeros(1)}, "too many.*: more"),
    ],
)
def test_a_network_is_built_of_exactly_its_tensors(tensors: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^gpt\.pth .*{message}"):
        build(Line, tensors, name="gpt.pth")


def test_a_built_network_shares_the_tensors(folder: Path) -> None:
    tensors = WEIGHT | {"line.bias": torch.ones(2)}
    assert build(Line, tensors, name="gpt.pth").line.bias.data_ptr() == (
        tensors["line.bias"].data_ptr()
    )
