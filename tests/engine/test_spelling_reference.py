"""How the networks that listen are spelled: all is taken, known to be dead, or refused by name."""

import re

import pytest
import torch

from indextts_daemon.engines.indextts.models.semantic_encoder import NUM_LAYERS
from indextts_daemon.engines.indextts.spelling import (
    codec,
    conditioners,
    misc,
    semantic_encoder,
    speaker_encoder,
)
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from tests.engine.listeners import variant_of
from tests.engine.parity import ParitySet

SPELLINGS = {
    "w2v_bert": semantic_encoder.translate,
    "campplus": speaker_encoder.translate,
    "semantic_codec": codec.translate,
    "misc": misc.translate,
}


@pytest.mark.parametrize("file", SPELLINGS)
def test_a_tensor_that_no_model_has_is_named(golden: ParitySet, file: str) -> None:
    stray = {"xvector.block1.tdnnd1.stray": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"tdnnd1\.stray"):
        SPELLINGS[file](golden.weights(file) | stray)


@pytest.mark.parametrize("file", SPELLINGS)
def test_training_on_several_cards_changes_nothing(golden: ParitySet, file: str) -> None:
    weights = golden.weights(file)
    plain = SPELLINGS[file](weights)
    wrapped = SPELLINGS[file]({f"module.{key}": tensor for key, tensor in weights.items()})
    assert {stage: tensors.keys() for stage, tensors in plain.items()} == {
        stage: tensors.keys() for stage, tensors in wrapped.items()
    }


def test_layers_beyond_the_last_that_counts_are_left_out(golden: ParitySet) -> None:
    tensors = semantic_encoder.translate(golden.weights("w2v_bert"))["semantic_encoder"]
    layers = {int(key.split(".")[1]) for key in tensors if key.startswith("layers.")}
    assert layers == set(range(NUM_LAYERS))


def test_only_a_model_that_decodes_keeps_the_decoder(golden: ParitySet) -> None:
    stages = codec.translate(golden.weights("semantic_codec"))
    assert stages.keys() == {"codec", "codec_encoder"}
    decodes = any(key.startswith("decoder.") for key in stages["codec"])
    assert decodes != variant_of(golden).second_pass


def test_a_batch_norm_becomes_what_it_does() -> None:
    draw = torch.Generator().manual_seed(2)
    weight, bias, mean = torch.randn(3, 4, generator=draw)
    var = torch.rand(4, generator=draw)
    name = "xvector.tdnn.nonlinear.batchnorm"
    norm = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": var}
    tensors = {f"{name}.{leaf}": tensor for leaf, tensor in norm.items()}
    tensors[f"{name}.num_batches_tracked"] = torch.tensor(3)
    made = speaker_encoder.translate(tensors)["speaker_encoder"]
    x = torch.randn(2, 4, generator=draw)
    folded = x * made.pop("input_norm.weight") + made.pop("input_norm.bias")
    assert not made
    torch.testing.assert_close(folded, torch.nn.functional.batch_norm(x, mean, var, weight, bias))


def test_half_a_batch_norm_is_refused_by_name(golden: ParitySet) -> None:
    weights = golden.weights("campplus")
    gone = next(key for key in weights if key.endswith("running_var"))
    del weights[gone]
    with pytest.raises(CheckpointError, match=re.escape(gone)):
        speaker_encoder.translate(weights)


def test_the_statistics_come_together() -> None:
    mean, var = torch.tensor([1.0, 2.0]), torch.tensor([4.0, 9.0])
    made = misc.translate({"mean": mean, "var": var})["semantic_encoder"]
    assert made["std"].tolist() == [2.0, 3.0]
    for half in ({"mean": mean}, {"var": var}):
        with pytest.raises(CheckpointError, match="only one"):
            misc.translate(half)


def test_each_small_file_gives_its_stage() -> None:
    assert misc.translate({"spk_matrix": torch.ones(1)}).keys() == {"emotions"}
    assert misc.translate({"emo_matrix": torch.ones(1)})["emotions"].keys() == {"rows"}


def test_the_conditioners_know_their_part_of_the_file(golden: ParitySet) -> None:
    weights = golden.weights("gpt")
    told = {key: one for key, one in weights.items() if re.fullmatch(conditioners.PATTERN, key)}
    assert conditioners.translate(told).keys() == {"emotion_conditioner", "speaker_conditioner"}
    with pytest.raises(CheckpointError, match="no model has"):
        conditioners.translate(weights)
