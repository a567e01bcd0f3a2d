"""The judge's network against its formulas, written plainly, and against itself without a cache."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.loader import build
from indextts_daemon.engines.indextts.models.qwen import EPSILON, QwenDecoder, QwenSizes
from indextts_daemon.engines.indextts.spelling import qwen
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.walk import live
from tests.engine.judge import SIZES, upstream_tensors

BASE = 1e6
TIED = replace(SIZES, tied=True)
IDS = torch.arange(7).mul(5).remainder(SIZES.tokens)[None]


def network(sizes: QwenSizes) -> QwenDecoder:
    tensors = qwen.translate(upstream_tensors(sizes))["feelings"]
    return build(lambda given: QwenDecoder(QwenSizes.of(given)), tensors, name="it")


def logits(network: QwenDecoder, ids: Tensor) -> Tensor:
    count = ids.shape[1]
    return network(ids, torch.arange(count), network.new_cache(count), base=BASE)


def plainly(tensors: dict[str, Tensor], sizes: QwenSizes, ids: Tensor) -> Tensor:
    """Return the logits behind the last id, head by head and row by row, in float64."""
    weight = {name.removesuffix(".weight"): tensor.double() for name, tensor in tensors.items()}
    half = sizes.head_channels // 2

    def normed(x: Tensor, name: str) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + EPSILON).sqrt() * weight[name]

    def turned(x: Tensor, row: int) -> Tensor:
        angles = torch.tensor([row / BASE ** (i / half) for i in range(half)]).double()
        whole = torch.polar(torch.ones(half).double(), angles) * torch.complex(x[:half], x[half:])
        return torch.cat((whole.real, whole.imag))

    x = weight["model.embed_tokens"][ids[0]]
    for layer in range(sizes.num_layers):
        name = f"model.layers.{layer}."
        rows = normed(x, f"{name}input_layernorm")
        query, key, value = (
            (rows @ weight[f"{name}self_attn.{one}_proj"].T).split(sizes.head_channels, -1)
            for one in "qkv"
        )
        heads = []
        for head in range(sizes.num_heads):
            group = head * sizes.num_groups // sizes.num_heads
            q, k = (
                torch.stack(
                    [turned(normed(row, f"{name}self_attn.{one}_norm"), at) for at, row in rows_of]
                )
                for one, rows_of in (
                    ("q", enumerate(query[head])),
                    ("k", enumerate(key[group])),
                )
            )
            likeness = q @ k.T / sizes.head_channels**0.5
            future = torch.ones_like(likeness, dtype=torch.bool).triu(1)
            heads.append(likeness.masked_fill(future, -torch.inf).softmax(-1) @ value[group])
        x = x + torch.cat(heads, -1) @ weight[f"{name}self_attn.o_proj"].T
        rows = normed(x, f"{name}post_attention_layernorm")
        gate, up = (rows @ weight[f"{name}mlp.{one}_proj"].T for one in ("gate", "up"))
        x = x + (gate * gate.sigmoid() * up) @ weight[f"{name}mlp.down_proj"].T
    head = weight["model.embed_tokens" if sizes.tied else "lm_head"]
    return normed(x[-1:], "model.norm") @ head.T


@pytest.mark.parametrize("sizes", [SIZES, TIED], ids=["own head", "tied head"])
def test_it_computes_its_formulas(sizes: QwenSizes) -> None:
    made = network(sizes)
    assert made.sizes == sizes
    expected = plainly(upstream_tensors(sizes), sizes, IDS)
    assert torch.allclose(logits(made, IDS).double(), expected, atol=2e-5)


def test_fed_piece_by_piece_it_says_what_it_says_at_once() -> None:
    made, count = network(SIZES), IDS.shape[1]
    cache = made.new_cache(300)  # with more room than is used
    for begin, end in ((0, 4), (4, 5), (5, count)):
        rows = torch.arange(begin, end)
        piecewise = made(IDS[:, begin:end], rows, live(cache, end), base=BASE)
        assert torch.allclose(piecewise, logits(made, IDS[:, :end]), atol=1e-5)


def test_what_comes_later_changes_nothing_before_and_what_came_before_does() -> None:
    made = network(SIZES)
    swapped = IDS[:, [1, 0, *range(2, IDS.shape[1])]]
    assert not torch.allclose(logits(made, IDS), logits(made, swapped), atol=1e-3)
    cache = made.new_cache(8)
    made(IDS, torch.arange(IDS.shape[1]), cache, base=BASE)
    again = made(IDS[:, :3], torch.arange(3), cache, base=BASE)
    assert torch.allclose(again, logits(made, IDS[:, :3]), atol=1e-5)


def test_a_tensor_that_no_qwen3_has_is_named() -> None:
    tensors = upstream_tensors(SIZES) | {"model.layers.0.self_attn.q_proj.bias": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"q_proj\.bias"):
        qwen.translate(tensors)


def test_in_the_numbers_that_it_was_trained_in_it_says_about_the_same() -> None:
    exact = logits(network(SIZES), IDS)
    rough = logits(network(SIZES).to(torch.bfloat16), IDS)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()
