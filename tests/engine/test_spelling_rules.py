"""The rules by which a checkpoint's names and weight norms become ours."""

import pytest
import torch

from indextts_daemon.engines.indextts.spelling.rules import (
    CheckpointError,
    fold_weight_norm,
    rename,
)

ONE = torch.ones(1)


def test_a_name_becomes_ours_by_the_first_rule_that_is_all_of_it() -> None:
    table = [(r"h\.(\d+)\.(w)", r"blocks.\1.weight"), (r"h\..*", "rest")]
    named = rename({"module.h.10.w": ONE, "h.1.w.x": ONE * 2, "pe": ONE}, table, dead=["p."])
    assert named == {"blocks.10.weight": ONE, "rest": ONE * 2}


def test_a_name_that_no_rule_knows_is_an_error_that_names_it() -> None:
    with pytest.raises(CheckpointError, match="stray") as caught:
        rename({"stray.weight": ONE}, [("stray", "known")])
    assert caught.value.error_code == "checkpoint_invalid"


def test_two_tensors_of_one_name_are_an_error() -> None:
    with pytest.raises(CheckpointError, match="twice"):
        rename({"module.a": ONE, "a": ONE}, [("a", "a")])


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 4, 5, 6)])
def test_a_folded_weight_is_what_weight_norm_makes(shape: tuple[int, ...]) -> None:
    direction, magnitude = torch.randn(shape), torch.rand(3, *[1] * (len(shape) - 1))
    made = fold_weight_norm({"a.weight_g": magnitude, "a.weight_v": direction, "a.bias": ONE})
    assert sorted(made) == ["a.bias", "a.weight"]
    torch.testing.assert_close(made["a.weight"], torch._weight_norm(direction, magnitude, 0))


@pytest.mark.parametrize(("half", "other"), [("weight_g", "weight_v"), ("weight_v", "weight_g")])
def test_half_a_weight_norm_is_an_error_that_names_the_other_half(half: str, other: str) -> None:
    with pytest.raises(CheckpointError, match=f"a.{other}"):
        fold_weight_norm({f"a.{half}": ONE})
