"""The golden decoder and what it is told, for the tests of it and of generation."""

from collections.abc import Generator
from typing import TypeVar

import torch
from torch import Tensor

from indextts_daemon.engines.indextts.decode import generate_codes
from indextts_daemon.engines.indextts.models.gpt import GPTDecoder, GPTSizes
from indextts_daemon.engines.indextts.prefix import Prefix, make_prefix
from indextts_daemon.engines.indextts.sampling import SamplingParams
from indextts_daemon.engines.indextts.spelling import gpt as spelling
from indextts_daemon.engines.indextts.variant import VARIANTS
from tests.engine.parity import ParitySet

FILE = "golden_gpt"
Whole = TypeVar("Whole")


def decoder_of(golden: ParitySet) -> GPTDecoder:
    tensors = spelling.translate(golden.weights("gpt"))["gpt"]
    heads = golden.config["official_config"]["gpt"]["heads"]
    with torch.device("meta"):
        network = GPTDecoder(GPTSizes.of(tensors, num_heads=heads))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def cases(golden: ParitySet) -> list[str]:
    names = (key.removesuffix(".text_ids") for key in golden.tensors(FILE))
    return sorted(name for name in names if "." not in name)


def prefix_of(gpt: GPTDecoder, golden: ParitySet, case: str) -> Prefix:
    variant = next(one for one in VARIANTS if one.version == golden.version)
    language = "en"
    if f"{case}.lang" in golden.tensors(FILE):
        (lang,) = golden.given(FILE, f"{case}.lang")
        language = next(name for name, one in variant.language_ids.items() if one == int(lang))
    (text_ids,) = golden.given(FILE, f"{case}.text_ids")
    told = golden.tensors("golden_conditioning")
    return make_prefix(
        gpt,
        variant,
        speaker_rows=told["spk_conds"],
        emotion=told["emovec_merged_alpha0.6"],
        text_ids=text_ids,
        language=language,
    )


def result(steps: Generator[None, None, Whole]) -> Whole:
    """Take all steps; return what they lead to."""
    while True:
        try:
            next(steps)
        except StopIteration as last:
            return last.value


def codes_of(
    gpt: GPTDecoder,
    prefix: Prefix,
    params: SamplingParams,
    *,
    max_codes: int,
    seed: int | None = None,
) -> Tensor:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return result(generate_codes(gpt, prefix, params, max_codes=max_codes, generator=generator))
