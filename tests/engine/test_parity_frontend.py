"""From samples to what is heard in them: rates, features, semantic and speaker encoder."""

import torch
from torch import Tensor

from indextts_daemon.engines.indextts.features import (
    SPEECH_RATE,
    filterbank,
    prompt_mel,
    resample_sinc,
    resample_soxr,
    semantic_input,
    speaker_input,
)
from indextts_daemon.engines.indextts.variant import SAMPLE_RATE
from tests.engine import parity
from tests.engine.listeners import semantic_encoder, speaker_encoder
from tests.engine.parity import ParitySet

FILE = "golden_frontend"


def masked(golden: ParitySet, features: str, mask: str) -> tuple[Tensor, Tensor]:
    rows, inside = golden.given(FILE, features, mask)
    return rows, inside.bool()


def test_a_recording_is_resampled_both_ways(golden: ParitySet) -> None:
    (audio,) = golden.given(FILE, "audio_spk_22k")
    golden.check(FILE, "audio_spk_16k", resample_sinc(audio))
    golden.check(FILE, "audio_spk_16k_soxr", resample_soxr(audio, SAMPLE_RATE, SPEECH_RATE))


def test_the_prompt_has_its_mel(golden: ParitySet) -> None:
    golden.check(FILE, "ref_mel", prompt_mel(*golden.given(FILE, "audio_spk_22k")))


def test_speech_has_its_filter_bank(golden: ParitySet) -> None:
    (audio,) = golden.given(FILE, "audio_spk_16k")
    golden.check(FILE, "fbank", filterbank(audio), parity.FEATURES)
    golden.check(FILE, "fbank_cmn", speaker_input(audio)[0], parity.FEATURES)


def test_speech_has_its_semantic_input(golden: ParitySet) -> None:
    cases = {"spk": "audio_spk_16k", "emo": "audio_emo_16k", "spk_soxr": "audio_spk_16k_soxr"}
    for case, audio in cases.items():
        rows, mask = semantic_input(*golden.given(FILE, audio))
        golden.check(FILE, f"w2v_input_features_{case}", rows, parity.FEATURES)
        if f"w2v_attention_mask_{case}" in golden.tensors(FILE):
            golden.check(FILE, f"w2v_attention_mask_{case}", mask)


def test_the_semantic_encoder_has_its_states(golden: ParitySet) -> None:
    given = masked(golden, "w2v_input_features_spk", "w2v_attention_mask_spk")
    states = list(semantic_encoder(golden).states(*given))
    assert f"w2v_hidden_{len(states) - 1}" in golden.tensors(FILE)
    for index, state in enumerate(states):
        if f"w2v_hidden_{index}" in golden.tensors(FILE):
            golden.check(FILE, f"w2v_hidden_{index}", state)


def test_a_batch_of_two_lengths_has_the_states_of_each(golden: ParitySet) -> None:
    given = masked(golden, "w2v_batch_input_features", "w2v_batch_attention_mask")
    *_, last = semantic_encoder(golden).states(*given)
    golden.check(FILE, "w2v_batch_hidden_17", last)


def test_speech_has_its_semantic_features(golden: ParitySet) -> None:
    encoder = semantic_encoder(golden)
    for case, made in (("spk", "spk_cond_emb"), ("emo", "emo_cond_emb")):
        given = masked(golden, f"w2v_input_features_{case}", f"w2v_attention_mask_{case}")
        golden.check(FILE, made, encoder(*given))
    (rows,) = golden.given(FILE, "w2v_input_features_spk_soxr")
    everything = torch.ones(rows.shape[:2], dtype=torch.bool)
    golden.check(FILE, "spk_as_emo_cond_emb", encoder(rows, everything))


def test_a_voice_has_its_embedding(golden: ParitySet) -> None:
    (bank,) = golden.given(FILE, "fbank_cmn")
    golden.check(FILE, "style", speaker_encoder(golden)(bank[None]))
