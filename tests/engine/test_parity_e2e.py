"""The whole model from a text and two recordings to samples: every end-to-end case there is."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.emotion import merged
from indextts_daemon.engines.indextts.pipeline import Noise, RenderOptions, render
from indextts_daemon.engines.indextts.sampling import SamplingParams
from indextts_daemon.engines.indextts.variant import SAMPLE_RATE
from tests.engine import parity
from tests.engine.chain import Chain, chain_of
from tests.engine.parity import ParitySet

FILE = "golden_e2e"
GREEDY = SamplingParams(do_sample=False)
BETWEEN = torch.zeros(SAMPLE_RATE // 5)


def cases() -> list[Any]:
    """Name every case of every set, or one that is skipped."""
    place = parity.folder()
    if place is None:
        return [pytest.param("", "", marks=pytest.mark.skip(reason="no golden vectors"))]
    sets = [parity.ParitySet(place / name, parity.Record()) for name in parity.set_names()]
    return [(one.name, case) for one in sets for case in one.config["e2e_cases"]]


def feeling(chain: Chain, asked: dict[str, Any]) -> Tensor:
    if "emo_vector" in asked:
        return chain.render.emotions.vector(
            chain.voice.speaker_embedding, asked["emo_vector"], chain.voice.emotion
        )
    if "emo_audio_prompt" in asked:
        return merged(chain.voice.emotion_base, chain.emotion, asked["emo_alpha"])
    return chain.voice.emotion


def pcm16(waveform: Tensor) -> Tensor:
    """Quantise as upstream does: cut, not rounded."""
    return (waveform * 32767).clamp(-32767, 32767).to(torch.int32)


@pytest.mark.parametrize(("golden", "case"), cases(), indirect=["golden"])
def test_the_whole_chain_is_upstreams(golden: ParitySet, case: str) -> None:
    asked, chain = golden.config["e2e_cases"][case], chain_of(golden)
    segments = chain.text.segments(
        asked["text"],
        language="en",
        max_tokens=asked.get("max_text_tokens_per_segment", 120),
        compat=True,
    )
    assert len(segments) == asked["segments"]
    [noise] = golden.given(FILE, "noise")
    sound: list[Tensor] = []
    for number, text_ids in enumerate(segments):
        codes, waveform = spoken(golden, chain, asked, text_ids, noise)
        golden.check(FILE, f"{case}.codes{number}", codes)
        golden.check(FILE, f"{case}.wav{number}", waveform, parity.CHAIN)
        sound += [BETWEEN, waveform] if sound else [waveform]
    made = pcm16(torch.cat(sound))
    expected = golden.tensors(FILE)[f"{case}.pcm16"]
    assert made.shape == expected.shape
    assert (made - expected).abs().max() <= 1
    golden.given(FILE, f"{case}.pcm16")  # compared above: a step is as near as cut samples are


def most_codes(golden: ParitySet) -> int:
    """Return the bound that the vectors were made with: some case always reaches it."""
    tensors = golden.tensors(FILE).items()
    return max(one.shape[-1] for name, one in tensors if re.search(r"\.codes\d+$", name))


def spoken(
    golden: ParitySet, chain: Chain, asked: dict[str, Any], text_ids: list[int], noise: Tensor
) -> tuple[Tensor, Tensor]:
    work = render(
        chain.render,
        chain.weights.variant,
        voice=chain.voice,
        emotion=feeling(chain, asked),
        text_ids=text_ids,
        language="en",
        options=RenderOptions(
            sampling=GREEDY, speed=1 / asked.get("duration_factor", 1), max_codes=most_codes(golden)
        ),
        noise=Noise(given=noise),
    )
    pieces: list[Tensor] = []
    while True:
        try:
            advance = next(work)
        except StopIteration as end:
            return end.value, torch.cat(pieces)
        if advance.samples is not None:
            pieces.append(advance.samples)
