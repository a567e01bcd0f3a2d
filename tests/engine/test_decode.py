"""Generation: the same whatever the way there, and never longer than it may be."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts import beam
from indextts_daemon.engines.indextts.decode import generate_codes, latents, make_prefix
from indextts_daemon.engines.indextts.models.gpt import GPTDecoder, GPTSizes
from indextts_daemon.engines.indextts.prefix import Prefix
from indextts_daemon.engines.indextts.sampling import SamplingParams
from indextts_daemon.engines.indextts.variant import V2_5
from indextts_daemon.engines.indextts.walk import feed, new_cache, prefill
from indextts_daemon.errors import SynthesisError
from tests.engine.decoder import cases, codes_of, decoder_of, prefix_of, result
from tests.engine.parity import ParitySet

GREEDY = SamplingParams(do_sample=False)
PLAIN = replace(GREEDY, repetition_penalty=1.0)
SAMPLED = SamplingParams(top_p=0.95)
BEAMS = replace(SAMPLED, num_beams=3)
WAYS = [GREEDY, SAMPLED, replace(GREEDY, num_beams=3), BEAMS]
SIZES = GPTSizes(
    channels=16,
    inner=32,
    num_layers=2,
    num_heads=2,
    num_texts=20,
    num_text_positions=12,
    num_codes=6,
    num_code_positions=9,
    num_speeds=0,
    num_languages=0,
)


def small_decoder(seed: int = 0, **sizes: int) -> GPTDecoder:
    """One with few codes and random weights, sure enough of itself for scores to differ."""
    generator = torch.Generator().manual_seed(seed)
    gpt = GPTDecoder(replace(SIZES, **sizes))
    for tensor in gpt.parameters():
        tensor.normal_(std=0.4, generator=generator)
    return gpt


def small_prefix(gpt: GPTDecoder, *, rows: int = 4) -> Prefix:
    generator = torch.Generator().manual_seed(9)
    embeddings = torch.randn(1, rows, gpt.sizes.channels, generator=generator)
    return Prefix(embeddings=embeddings, mask=torch.ones(1, rows, dtype=torch.bool))


def endless(gpt: GPTDecoder) -> GPTDecoder:
    gpt.head.bias[gpt.sizes.stop_code] = -1e4
    return gpt


def step_by_step(gpt: GPTDecoder, prefix: Prefix, codes: Tensor, *, first: int) -> Tensor:
    """Return the logits of every step with a cache."""
    cache = new_cache(gpt, batch=1, rows=prefix.num_rows + codes.shape[1])
    states = [prefill(gpt, prefix, cache)]
    for number, code in enumerate(codes[0, :-1]):
        states += [feed(gpt, prefix, cache, code[None], number=number, first_position=first)]
    return gpt.logits(torch.cat(states))


def at_once(gpt: GPTDecoder, prefix: Prefix, codes: Tensor, *, first: int) -> Tensor:
    """Return the logits of every step from one pass without a cache."""
    fed = torch.cat((torch.tensor([[gpt.sizes.start_code]]), codes[:, :-1]), dim=1)
    positions = torch.tensor([0, *range(first, first + codes.shape[1] - 1)])
    x = torch.cat((prefix.embeddings, gpt.embed_codes(fed, positions)), dim=1)
    visible = torch.cat((prefix.mask, torch.ones_like(fed, dtype=torch.bool)), dim=1)
    return gpt.logits(gpt(x, torch.arange(x.shape[1]), visible))[0, prefix.num_rows :]


@pytest.mark.parametrize("params", [PLAIN, replace(PLAIN, positions="trained")])
def test_decoding_with_a_cache_equals_a_pass_without(
    golden: ParitySet, params: SamplingParams
) -> None:
    gpt, first = decoder_of(golden), params.first_position
    for case in cases(golden):
        prefix = prefix_of(gpt, golden, case)
        codes = codes_of(gpt, prefix, params, max_codes=60)
        made = at_once(gpt, prefix, codes, first=first)
        cached = step_by_step(gpt, prefix, codes, first=first)
        torch.testing.assert_close(cached, made, atol=1e-5, rtol=0)
        assert torch.equal(made.argmax(-1), codes[0])


@pytest.mark.parametrize("params", WAYS)
def test_codes_do_not_depend_on_what_ran_before(golden: ParitySet, params: SamplingParams) -> None:
    gpt = decoder_of(golden)
    one, other = (prefix_of(gpt, golden, case) for case in cases(golden)[:2])
    first, between, again = (
        codes_of(gpt, prefix, params, max_codes=20, seed=5) for prefix in (one, other, one)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, between)


@pytest.mark.parametrize("params", [SAMPLED, BEAMS])
def test_a_seed_gives_the_same_codes_and_another_one_does_not(
    golden: ParitySet, params: SamplingParams
) -> None:
    gpt = decoder_of(golden)
    prefix = prefix_of(gpt, golden, cases(golden)[0])
    one, again, other = (
        codes_of(gpt, prefix, params, max_codes=20, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("params", WAYS)
def test_invisible_rows_do_not_matter(golden: ParitySet, params: SamplingParams) -> None:
    gpt = decoder_of(golden)
    prefix = prefix_of(gpt, golden, cases(golden)[0])
    bare = Prefix(
        embeddings=prefix.embeddings[:, prefix.mask[0]], mask=prefix.mask[:, prefix.mask[0]]
    )
    more = 123 - bare.num_rows  # so that what is attended to grows on the way
    padded = Prefix(
        embeddings=torch.nn.functional.pad(bare.embeddings, (0, 0, more, 0), value=7.0),
        mask=torch.nn.functional.pad(bare.mask, (more, 0), value=False),
    )
    codes = [codes_of(gpt, one, params, max_codes=20, seed=1) for one in (prefix, bare, padded)]
    assert torch.equal(codes[0], codes[1])
    assert torch.equal(codes[0], codes[2])
    with_and_without = [step_by_step(gpt, one, codes[0], first=2) for one in (bare, padded)]
    torch.testing.assert_close(*with_and_without, atol=1e-5, rtol=0)


def test_one_beam_is_the_greedy_way(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    for case in cases(golden):
        prefix = prefix_of(gpt, golden, case)
        greedy = codes_of(gpt, prefix, PLAIN, max_codes=20)
        seen = torch.zeros(1, gpt.sizes.num_codes, dtype=torch.bool)
        search = beam.search(gpt, prefix, PLAIN, seen=seen, limit=20, generator=None)
        assert result(search) == tuple(greedy[0].tolist())


def test_a_second_pass_predicts_what_trained_positions_chose(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    prefix = prefix_of(gpt, golden, cases(golden)[0])
    codes = codes_of(gpt, prefix, replace(PLAIN, positions="trained"), max_codes=20)
    assert torch.equal(gpt.logits(latents(gpt, prefix, codes)).argmax(-1), codes)


def log_probs(gpt: GPTDecoder, prefix: Prefix, codes: tuple[int, ...]) -> Tensor:
    """Return those (V,) of the code after `codes`, from one pass without a cache."""
    fed = torch.tensor([[*codes, 0]])  # what is last is not fed
    return at_once(gpt, prefix, fed, first=2)[-1].log_softmax(-1)


def score_of(gpt: GPTDecoder, prefix: Prefix, codes: tuple[int, ...]) -> float:
    return sum(float(log_probs(gpt, prefix, codes[:said])[code]) for said, code in enumerate(codes))


def searched_plainly(
    gpt: GPTDecoder, prefix: Prefix, *, width: int, penalty: float, limit: int
) -> tuple[int, ...]:
    """Beam search as it is told in words, each step from the beginning."""
    stop, running, ended = gpt.sizes.stop_code, [(0.0, ())], []
    for _ in range(limit):
        grown = []
        for score, codes in running:
            history = {1, gpt.sizes.start_code, *codes}
            for code, likely in enumerate(log_probs(gpt, prefix, codes).tolist()):
                worth = likely * penalty if code in history else likely
                grown.append((score + worth, (*codes, code)))
        grown = sorted(grown, reverse=True)[: 2 * width]
        ended = sorted(ended + [one for one in grown[:width] if one[1][-1] == stop])[-width:]
        running = [one for one in grown if one[1][-1] != stop][:width]
        if len(ended) == width and ended[0][0] >= grown[0][0]:
            return ended[-1][1]
    return max(ended + running)[1]


@pytest.mark.parametrize("penalty", [1.0, 1.5])
@pytest.mark.parametrize("width", [2, 3])
def test_beams_find_what_a_plain_search_finds(width: int, penalty: float) -> None:
    params = replace(GREEDY, num_beams=width, repetition_penalty=penalty)
    lengths = set()
    for seed in range(12):
        gpt = small_decoder(seed)
        prefix = small_prefix(gpt)
        found = tuple(codes_of(gpt, prefix, params, max_codes=7)[0].tolist())
        assert found == searched_plainly(gpt, prefix, width=width, penalty=penalty, limit=7)
        lengths.add(len(found))
    assert len(lengths) > 1


def test_beams_go_on_while_one_of_them_is_better_than_what_ended() -> None:
    gpt = small_decoder()
    gpt.head.weight.zero_()
    gpt.head.bias.zero_()[2] = 3.0
    gpt.head.bias[gpt.sizes.stop_code] = 2.0
    params = replace(PLAIN, num_beams=2)
    assert codes_of(gpt, small_prefix(gpt), params, max_codes=3).tolist() == [[2, 2, 2]]
    assert codes_of(gpt, small_prefix(gpt), params, max_codes=4).tolist() == [[5]]


@pytest.mark.parametrize("seed", range(5))
def test_beams_enough_for_all_find_the_likeliest_sequence(seed: int) -> None:
    gpt, length = small_decoder(seed), 3
    prefix = small_prefix(gpt)
    stop = gpt.sizes.stop_code
    sequences = {
        codes[: codes.index(stop) + 1] if stop in codes else codes
        for codes in product(range(gpt.sizes.num_codes), repeat=length)
    }
    params = replace(PLAIN, num_beams=gpt.sizes.num_codes**length // 2)
    found = codes_of(gpt, prefix, params, max_codes=length)
    assert tuple(found[0].tolist()) == max(sequences, key=lambda one: score_of(gpt, prefix, one))


def test_a_sampled_beam_always_has_two_ways_on() -> None:
    """With as few ways as that all are drawn, so that chance has no part in what is found."""
    params = SamplingParams(num_beams=3, top_k=1, top_p=0.1, repetition_penalty=1.0)
    differing = 0
    for seed in range(10):
        gpt = endless(small_decoder(seed, num_codes=40))
        prefix = small_prefix(gpt)
        pairs = [
            (first, second)
            for first in log_probs(gpt, prefix, ()).topk(2).indices.tolist()
            for second in log_probs(gpt, prefix, (first,)).topk(2).indices.tolist()
        ]
        found = tuple(codes_of(gpt, prefix, params, max_codes=2, seed=0)[0].tolist())
        assert found == max(pairs, key=lambda one: score_of(gpt, prefix, one))
        differing += found != pairs[0]
    assert differing


@pytest.mark.parametrize("params", WAYS)
@pytest.mark.parametrize("max_codes", [1, 5])
def test_no_more_codes_come_than_asked_for(max_codes: int, params: SamplingParams) -> None:
    gpt = endless(small_decoder())
    codes = codes_of(gpt, small_prefix(gpt), params, max_codes=max_codes, seed=0)
    assert codes.shape == (1, max_codes)


@pytest.mark.parametrize("params", WAYS)
def test_no_more_codes_come_than_there_are_positions(params: SamplingParams) -> None:
    gpt = endless(small_decoder())
    prefix = small_prefix(gpt)
    room = gpt.sizes.num_code_positions
    trained = replace(params, positions="trained")
    assert codes_of(gpt, prefix, params, max_codes=1000, seed=0).shape == (1, room - 1)
    assert codes_of(gpt, prefix, trained, max_codes=1000, seed=0).shape == (1, room)


@pytest.mark.parametrize("params", WAYS)
def test_more_rows_than_a_cache_grows_by_change_nothing(params: SamplingParams) -> None:
    gpt = endless(small_decoder(num_codes=300, num_code_positions=400))
    prefix = small_prefix(gpt, rows=100)
    codes = codes_of(gpt, prefix, params, max_codes=200, seed=0)
    cached = step_by_step(gpt, prefix, codes, first=2)
    torch.testing.assert_close(cached, at_once(gpt, prefix, codes, first=2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("params", WAYS)
def test_the_stop_code_comes_last_and_once(params: SamplingParams) -> None:
    gpt = small_decoder()
    stop = gpt.sizes.stop_code
    gpt.head.bias[stop] = 4.0
    codes = codes_of(gpt, small_prefix(gpt), params, max_codes=8, seed=0)[0].tolist()
    assert codes.index(stop) == len(codes) - 1


@pytest.mark.parametrize("params", WAYS)
def test_every_code_is_a_step_of_its_own(params: SamplingParams) -> None:
    gpt = endless(small_decoder())
    steps = generate_codes(gpt, small_prefix(gpt), params, max_codes=6, generator=None)
    assert sum(1 for _ in steps) == 6


@pytest.mark.parametrize("params", WAYS)
def test_numbers_that_overflow_are_an_error(params: SamplingParams) -> None:
    gpt = small_decoder()
    gpt.head.bias[0] = float("nan")
    with pytest.raises(SynthesisError, match="not a number"):
        codes_of(gpt, small_prefix(gpt), params, max_codes=5, seed=0)


def prefix_for(gpt: GPTDecoder, text_ids: list[int], language: str) -> Prefix:
    return make_prefix(
        gpt,
        V2_5,
        speaker_rows=torch.zeros(1, 1, gpt.sizes.channels),
        emotion=torch.zeros(1, gpt.sizes.channels),
        text_ids=torch.tensor([text_ids]),
        language=language,
    )


def test_a_language_without_a_row_of_its_own_shares_the_common_one() -> None:
    gpt = small_decoder(num_languages=107)
    german, common, english = (prefix_for(gpt, [5, 6], name) for name in ("de", "zhen", "en"))
    assert torch.equal(german.embeddings, common.embeddings)
    assert not torch.equal(german.embeddings, english.embeddings)


def test_a_dropped_id_leaves_an_invisible_row_in_front() -> None:
    gpt = small_decoder(num_languages=107)
    whole, dropped = prefix_for(gpt, [5, 6], "en"), prefix_for(gpt, [0, 5, 1, 6], "en")
    assert dropped.mask[0].tolist() == [False] * 2 + [True] * whole.num_rows
    assert torch.equal(dropped.embeddings[:, 2:], whole.embeddings)


def test_a_text_fills_the_positions_and_no_more() -> None:
    gpt = small_decoder(num_languages=107)
    room = gpt.sizes.num_text_positions - 2  # a start and a stop id stand around it
    assert prefix_for(gpt, [5] * room, "en").num_rows == 1 + 2 + room + 2
    with pytest.raises(SynthesisError, match="too long"):
        prefix_for(gpt, [5] * (room + 1), "en")
