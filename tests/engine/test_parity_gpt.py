"""The decoder, its generation and its sampling against the golden vectors."""

import re

import torch

from indextts_daemon.engines.indextts import sampling
from indextts_daemon.engines.indextts.decode import latents
from indextts_daemon.engines.indextts.sampling import SamplingParams
from indextts_daemon.engines.indextts.walk import feed, new_cache, prefill
from tests.engine.decoder import FILE, cases, codes_of, decoder_of, prefix_of
from tests.engine.parity import ParitySet

LOWEST = -1e30  # how the golden vectors hold what is ruled out
GREEDY = SamplingParams(do_sample=False)
CODES = re.compile(r"(.+)\.(?:greedy|beam(\d+))_(?:plain|rep(\d+))_codes")


def test_a_prefix_is_laid_out_as_upstream_does(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    for case in cases(golden):
        prefix = prefix_of(gpt, golden, case)
        golden.check(FILE, f"{case}.prefix_emb", prefix.embeddings)
        golden.check(
            FILE, f"{case}.attention_mask", torch.nn.functional.pad(prefix.mask, (0, 1), value=True)
        )


def test_each_step_predicts_the_next_code(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    for case in cases(golden):
        prefix = prefix_of(gpt, golden, case)
        (codes,) = golden.given(FILE, f"{case}.greedy_rep10_codes")
        cache = new_cache(gpt, batch=1, rows=prefix.num_rows + codes.shape[1])
        states = [prefill(gpt, prefix, cache)]
        for number, code in enumerate(codes[0, :-1]):
            position = GREEDY.first_position
            states += [feed(gpt, prefix, cache, code[None], number=number, first_position=position)]
        hidden = torch.cat(states)
        golden.check(FILE, f"{case}.step_hidden", hidden)
        golden.check(FILE, f"{case}.step_logits", gpt.logits(hidden))


def test_codes_are_upstreams(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    found = golden.tensors(FILE)
    for name, case, beams, penalty in (
        (name, *match.groups()) for name in found if (match := CODES.fullmatch(name))
    ):
        params = SamplingParams(
            do_sample=False,
            num_beams=int(beams or 1),
            repetition_penalty=float(penalty or 1),
        )
        limit = len(found[f"{case}.step_logits"])
        made = codes_of(gpt, prefix_of(gpt, golden, case), params, max_codes=limit)
        golden.check(FILE, name, made)


def test_a_second_pass_gives_the_latents(golden: ParitySet) -> None:
    gpt = decoder_of(golden)
    for case in cases(golden):
        if f"{case}.latent" in golden.tensors(FILE):
            (codes,) = golden.given(FILE, f"{case}.greedy_rep10_codes")
            golden.check(FILE, f"{case}.latent", latents(gpt, prefix_of(gpt, golden, case), codes))


def test_a_step_of_sampling_is_upstreams(golden: ParitySet) -> None:
    params = SamplingParams()
    logits, history = golden.given(FILE, "sampling.logits", "sampling.history")
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, history, value=True)
    penalized = sampling.repetition_penalty(logits, seen, params.repetition_penalty)
    golden.check(FILE, "sampling.after_rep_penalty", penalized)
    best = sampling.top_k(sampling.temperature(penalized, params.temperature), params.top_k)
    golden.check(FILE, "sampling.after_topk", best.clamp(min=LOWEST))
    golden.check(FILE, "sampling.probs", sampling.top_p(best, params.top_p).softmax(-1))
