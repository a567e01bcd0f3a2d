"""From codes to the mel spectrogram: length regulator, flow matching, and what feeds them."""

import re

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts.flow_matching import GUIDANCE, solve
from indextts_daemon.engines.indextts.models.dit import DiT, DiTSizes
from indextts_daemon.engines.indextts.models.latent_projection import (
    LatentProjection,
    LatentProjectionSizes,
)
from indextts_daemon.engines.indextts.models.length_regulator import (
    LengthRegulator,
    LengthRegulatorSizes,
    num_frames_of,
)
from indextts_daemon.engines.indextts.spelling import s2mel
from indextts_daemon.engines.indextts.variant import V2, VARIANTS, Variant
from tests.engine.decoder import result
from tests.engine.listeners import codec
from tests.engine.parity import ParitySet

FILE = "golden_s2mel"


def variant_of(golden: ParitySet) -> Variant:
    return next(variant for variant in VARIANTS if variant.version == golden.version)


def length_regulator(golden: ParitySet) -> LengthRegulator:
    tensors = s2mel.translate(golden.weights("s2mel"))["length_regulator"]
    with torch.device("meta"):
        network = LengthRegulator(LengthRegulatorSizes.of(tensors))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def test_codes_become_features(golden: ParitySet) -> None:
    [codes] = golden.given(FILE, "codes")
    if not variant_of(golden).second_pass:
        golden.check(FILE, "s_infer", codec(golden).decode(codes))
        return
    tensors = s2mel.translate(golden.weights("s2mel"))["latent_projection"]
    with torch.device("meta"):
        network = LatentProjection(LatentProjectionSizes.of(tensors))
    network.load_state_dict(tensors, strict=True, assign=True)
    embedded = codec(golden).embed(codes)
    sharpened = network(golden.tensors("golden_gpt")["a.latent"])
    golden.check(FILE, "vq2emb", embedded)
    golden.check(FILE, "gpt_layer_out", sharpened)
    golden.check(FILE, "s_infer", embedded + sharpened)


def test_codes_last_so_many_frames(golden: ParitySet) -> None:
    (codes,) = golden.given(FILE, "codes")
    rows = codes.shape[1] * V2.codes_per_s // variant_of(golden).codes_per_s
    golden.check(FILE, "target_length", torch.tensor([num_frames_of(rows)]))


def test_features_become_a_condition_per_frame(golden: ParitySet) -> None:
    (features,) = golden.given(FILE, "s_infer")
    frames = int(golden.tensors(FILE)["target_length"])
    golden.check(FILE, "cond", length_regulator(golden)(features, frames))


def test_the_prompt_becomes_a_condition_per_frame(golden: ParitySet) -> None:
    (prompt_mel,) = golden.given(FILE, "ref_mel")
    made = length_regulator(golden)(prompt_features(golden), prompt_mel.shape[-1])
    golden.check(FILE, "prompt_condition", made)


def prompt_features(golden: ParitySet) -> Tensor:
    if variant_of(golden).quantized_prompt:
        return golden.tensors("golden_codec")["quantize_out"]
    return golden.tensors("golden_frontend")["spk_cond_emb"]


@pytest.fixture
def dit(golden: ParitySet) -> DiT:
    tensors = s2mel.translate(golden.weights("s2mel"))["flow_matching"]
    num_heads = golden.config["official_config"]["s2mel"]["DiT"]["num_heads"]
    with torch.device("meta"):
        network = DiT(DiTSizes.of(tensors, num_heads=num_heads))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def test_the_condition_is_the_prompts_and_then_what_is_said(golden: ParitySet) -> None:
    (features,) = golden.given(FILE, "s_infer")
    regulator = length_regulator(golden)
    prompt_frames = golden.tensors(FILE)["ref_mel"].shape[-1]
    golden.check(FILE, "prompt_length", torch.tensor([prompt_frames]))
    frames = int(golden.tensors(FILE)["target_length"])
    parts = regulator(prompt_features(golden), prompt_frames), regulator(features, frames)
    golden.check(FILE, "cat_condition", torch.cat(parts, dim=1))


def test_the_flow_has_the_velocity(golden: ParitySet, dit: DiT) -> None:
    names = ("est_x", "est_prompt_x", "est_t", "est_style", "est_mu")
    golden.check(FILE, "est_out", dit(*golden.given(FILE, *names)))


def test_the_flow_leads_to_the_mel(golden: ParitySet, dit: DiT) -> None:
    names = ("ref_mel", "style", "cat_condition", "noise")
    prompt_mel, style, condition, noise = golden.given(FILE, *names)
    cases = [re.fullmatch(r"cfm_mel_(\d+)steps(_cfg0)?", name) for name in golden.tensors(FILE)]
    for case in filter(None, cases):
        steps = solve(
            dit,
            prompt_mel=prompt_mel,
            speaker_embedding=style,
            condition=condition,
            noise=noise,
            num_steps=int(case[1]),
            guidance=0.0 if case[2] else GUIDANCE,
        )
        golden.check(FILE, case[0], result(steps))
