"""The spelling of the three networks in one file, and of the vocoder."""

import pytest

from indextts_daemon.engines.indextts.spelling import s2mel, vocoder
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from tests.engine.parity import ParitySet


def test_a_file_holds_a_stage_per_network(golden: ParitySet) -> None:
    tensors = golden.weights("s2mel")
    networks = {
        "cfm": "flow_matching",
        "length_regulator": "length_regulator",
        "gpt_layer": "latent_projection",
    }
    held = {networks[key.partition(".")[0]] for key in tensors}
    assert s2mel.translate(tensors).keys() == held


def test_a_wrapper_around_each_network_changes_nothing(golden: ParitySet) -> None:
    tensors = golden.weights("s2mel")
    wrapped = {key.replace(".", ".module.", 1): tensor for key, tensor in tensors.items()}
    plain, unwrapped = s2mel.translate(tensors), s2mel.translate(wrapped)
    assert plain.keys() == unwrapped.keys()
    for stage, ours in plain.items():
        assert ours.keys() == unwrapped[stage].keys()


def test_only_blocks_above_the_middle_keep_a_skip(golden: ParitySet) -> None:
    ours = s2mel.translate(golden.weights("s2mel"))["flow_matching"]
    depth = golden.config["official_config"]["s2mel"]["DiT"]["depth"]
    kept = [block for block in range(depth) if f"blocks.{block}.skip.weight" in ours]
    assert kept == list(range(depth // 2 + 1, depth))


@pytest.mark.parametrize(
    "prefix", ["cfm.estimator.", "length_regulator.", "gpt_layer.", "cfm.", ""]
)
def test_an_unknown_tensor_of_the_networks_is_named(golden: ParitySet, prefix: str) -> None:
    tensors = golden.weights("s2mel")
    stray = f"{prefix}stray.weight"
    with pytest.raises(CheckpointError, match=stray):
        s2mel.translate({**tensors, stray: next(iter(tensors.values()))})


def test_an_unknown_tensor_of_the_vocoder_is_named(golden: ParitySet) -> None:
    tensors = golden.weights("bigvgan")
    beyond = "resblocks.0.activations.6.act.alpha"
    with pytest.raises(CheckpointError, match=beyond):
        vocoder.translate({**tensors, beyond: tensors["resblocks.0.activations.5.act.alpha"]})


def test_half_a_norm_of_the_vocoder_is_named(golden: ParitySet) -> None:
    tensors = golden.weights("bigvgan")
    del tensors["conv_pre.weight_v"]
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight_v"):
        vocoder.translate(tensors)
