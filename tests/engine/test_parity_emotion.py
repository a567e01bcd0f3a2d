"""Bias, limit and strength of emotion weights, and what labels mean, as upstream has them."""

import pytest

from indextts_daemon.engines.indextts.feelings import weights_in
from indextts_daemon.speech import EMOTIONS
from indextts_daemon.text.feelings import limited, scaled
from tests.engine.parity import ParitySet


def test_bias_and_limit_are_upstreams(golden: ParitySet) -> None:
    cases = golden.text("emotion.json")["normalize_emo_vec"]
    for case in cases:
        made = limited([float(weight) for weight in case["vector"]], bias=case["apply_bias"])
        assert made == pytest.approx(case["out"], abs=1e-12)


def test_strength_is_upstreams(golden: ParitySet) -> None:
    for case in golden.text("emotion.json")["alpha_scaling"]:
        made = scaled([float(weight) for weight in case["vector"]], case["alpha"])
        assert made == pytest.approx(case["out"], abs=1e-12)


def test_parity_of_what_a_judges_labels_mean(golden: ParitySet) -> None:
    for case in golden.text("emotion.json")["qwen_convert"]:
        assert dict(zip(EMOTIONS, weights_in(case["content"]), strict=True)) == case["out"]
