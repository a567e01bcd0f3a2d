"""From what is heard in a recording to what the models are told of it."""

import torch
from torch import Tensor

from indextts_daemon.engines.indextts.conditioning import encode_emotion, encode_reference
from indextts_daemon.engines.indextts.emotion import merged
from indextts_daemon.engines.indextts.models.conditioners import SpeakerConditioner
from tests.engine import parity
from tests.engine.listeners import (
    conditioning_of,
    emotion_conditioner,
    emotion_matrix,
    reference_networks,
    speaker_conditioner,
    variant_of,
)
from tests.engine.parity import ParitySet

FILE = "golden_conditioning"
FRONTEND = "golden_frontend"


def test_features_have_their_emotion(golden: ParitySet) -> None:
    network = emotion_conditioner(golden)
    (features,) = golden.given(FILE, "emo_conformer_in")
    encoded = network.encoder(features)
    golden.check(FILE, "emo_conformer_out", encoded)
    golden.check(FILE, "emo_perceiver_out", network.perceiver(encoded)[:, 0])
    cases = {
        "emovec_base": "spk_cond_emb",
        "emovec_emo": "emo_cond_emb",
        "emovec_default": "spk_as_emo_cond_emb",
    }
    for made, given in cases.items():
        golden.check(FILE, made, network(golden.tensors(FRONTEND)[given]))


def test_a_speaker_has_its_rows(golden: ParitySet) -> None:
    network = speaker_conditioner(golden)
    if isinstance(network, SpeakerConditioner):
        features = golden.tensors(FRONTEND)["spk_cond_emb"]
        golden.check(FILE, "spk_conformer_out", network.encoder(features))
        golden.check(FILE, "spk_conds", network(features))
    else:
        golden.check(FILE, "spk_conds", network(golden.tensors(FRONTEND)["style"]))


def test_an_emotion_is_mixed_in_by_its_strength(golden: ParitySet) -> None:
    base, emotion = golden.given(FILE, "emovec_base", "emovec_emo")
    prefix = "emovec_merged_alpha"
    names = [name for name in golden.tensors(FILE) if name.startswith(prefix)]
    assert names
    for name in names:
        made = merged(base, emotion, float(name.removeprefix(prefix)))
        golden.check(FILE, name, made)


def test_weights_choose_among_recorded_emotions(golden: ParitySet) -> None:
    matrix = emotion_matrix(golden)
    embedding = golden.tensors(FRONTEND)["style"]
    golden.check(FILE, "emo_row_index", matrix.nearest(embedding))
    weights, base = golden.given(FILE, "emo_vector", "emovec_default")
    golden.check(FILE, "emovec_mat", matrix.vector(embedding, weights.tolist(), 0.0 * base))
    golden.check(FILE, "emovec_from_vector", matrix.vector(embedding, weights.tolist(), base))


def test_a_recording_becomes_all_that_it_conditions(golden: ParitySet) -> None:
    """From its samples: as far off as the features of tiny energies are."""
    audio = golden.tensors(FRONTEND)["audio_spk_22k"]
    steps = encode_reference(reference_networks(golden), variant_of(golden), audio)
    _, made = conditioning_of(steps)
    near(made.speaker_embedding, golden, FRONTEND, "style")
    near(made.prompt_mel, golden, FRONTEND, "ref_mel")
    near(made.speaker_rows, golden, FILE, "spk_conds")
    near(made.emotion_base, golden, FILE, "emovec_base")
    near(made.emotion, golden, FILE, "emovec_default")
    near(made.prompt_condition, golden, "golden_s2mel", "prompt_condition")


def test_another_recording_gives_its_emotion(golden: ParitySet) -> None:
    audio = golden.tensors(FRONTEND)["audio_emo_16k"]
    near(encode_emotion(reference_networks(golden), audio), golden, FILE, "emovec_emo")


def near(made: Tensor, golden: ParitySet, file: str, name: str) -> None:
    """Assert that what came through several stages is the golden tensor, and keep no record."""
    torch.testing.assert_close(made, golden.tensors(file)[name], atol=parity.FEATURES, rtol=0)
