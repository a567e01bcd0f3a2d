"""From logits to the next code."""

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.sampling import (
    NEVER,
    SamplingParams,
    draw,
    draw_distinct,
    next_code,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
    warped,
)

LOGITS = torch.tensor([[3.0, -1.0, 0.5, 2.0, -4.0]])
UNSEEN = torch.zeros(1, 5, dtype=torch.bool)


def possible(logits: Tensor) -> list[int]:
    return torch.nonzero(logits[0] > NEVER)[:, 0].tolist()


def test_what_was_seen_becomes_less_likely_whatever_its_sign() -> None:
    seen = torch.tensor([[True, True, False, False, True]])
    made = repetition_penalty(LOGITS, seen, 10.0)
    torch.testing.assert_close(made, torch.tensor([[0.3, -10.0, 0.5, 2.0, -40.0]]))


def test_a_temperature_divides() -> None:
    torch.testing.assert_close(temperature(LOGITS, 0.5), LOGITS * 2)


@pytest.mark.parametrize(
    ("k", "left"), [(1, [0]), (2, [0, 3]), (4, [0, 1, 2, 3]), (9, [*range(5)])]
)
def test_top_k_leaves_the_k_best(k: int, left: list[int]) -> None:
    assert possible(top_k(LOGITS, k)) == left


def test_top_k_leaves_at_least_what_must_stay() -> None:
    assert possible(top_k(LOGITS, 1, keep=3)) == [0, 2, 3]


@pytest.mark.parametrize(("p", "left"), [(0.7, [0, 1]), (0.9, [0, 1, 2]), (1.0, [0, 1, 2, 3])])
def test_top_p_leaves_the_least_number_that_share_p(p: float, left: list[int]) -> None:
    probs = torch.tensor([[0.5, 0.25, 0.2, 0.05]])
    assert possible(top_p(probs.log(), p)) == left


@pytest.mark.parametrize("keep", [1, 2])
def test_top_p_leaves_the_best_even_if_p_is_nothing(keep: int) -> None:
    assert possible(top_p(LOGITS, 0.0, keep=keep)) == [0, 3][:keep]


@pytest.mark.parametrize(("p", "left"), [(0.4, [0]), (0.6, [0, 1])])
def test_top_p_judges_what_top_k_left(p: float, left: list[int]) -> None:
    nearly_even = torch.tensor([[2e-3, 1e-3, *[0.0] * 8]])
    params = SamplingParams(temperature=1.0, top_k=2, top_p=p)
    assert possible(warped(nearly_even, params)) == left


@pytest.mark.parametrize(
    ("uniform", "code"), [(0.0, 1), (0.24, 1), (0.26, 3), (0.999, 3), (1 - 2**-24, 3)]
)
def test_a_number_falls_on_a_code_that_is_possible(uniform: float, code: int) -> None:
    probs = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]])
    assert draw(probs, torch.tensor([[uniform]]).double()).tolist() == [[code]]


def test_codes_are_drawn_as_often_as_they_are_likely() -> None:
    probs = LOGITS.softmax(-1).expand(20_000, -1)
    uniforms = torch.rand(20_000, 1, generator=torch.Generator().manual_seed(1)).double()
    counts = draw(probs, uniforms).flatten().bincount(minlength=5) / 20_000
    torch.testing.assert_close(counts, probs[0], atol=0.01, rtol=0)


def test_distinct_places_are_drawn_as_often_as_without_replacement() -> None:
    probs = torch.tensor([0.5, 0.3, 0.2])
    generator = torch.Generator().manual_seed(2)
    counts = torch.zeros(3, 3)
    for _ in range(4000):
        uniforms = torch.rand(3, dtype=torch.float64, generator=generator)
        first, second = draw_distinct(probs.log(), uniforms, 2).tolist()
        counts[first, second] += 1
    wanted = probs[:, None] * probs / (1 - probs[:, None])
    torch.testing.assert_close(counts / 4000, wanted.fill_diagonal_(0), atol=0.03, rtol=0)


def test_what_is_impossible_is_drawn_last() -> None:
    scores = torch.tensor([NEVER, -30.0, NEVER, 5.0])
    uniforms = torch.tensor([0.999, 0.001, 0.5, 0.5], dtype=torch.float64)
    assert set(draw_distinct(scores, uniforms, 2).tolist()) == {1, 3}


def test_without_sampling_the_best_code_that_is_left_is_next() -> None:
    seen = torch.tensor([[True, False, False, False, False]])
    assert next_code(LOGITS, seen, SamplingParams(do_sample=False), None).tolist() == [3]


def test_a_seed_draws_the_same_and_another_one_does_not() -> None:
    params = SamplingParams(temperature=5.0, top_p=1.0)

    def drawn(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return [int(next_code(LOGITS, UNSEEN, params, generator)) for _ in range(40)]

    assert drawn(3) == drawn(3) != drawn(4)


@pytest.mark.parametrize("params", [SamplingParams(), SamplingParams(do_sample=False)])
@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_give_no_code(spoiled: float, params: SamplingParams) -> None:
    logits = LOGITS.clone()
    logits[0, 2] = spoiled
    assert int(next_code(logits, UNSEEN, params, None)) == -1
