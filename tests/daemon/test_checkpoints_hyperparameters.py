"""A configuration is believed in three things, each looked at, and in nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from indextts_daemon.checkpoints.hyperparameters import (
    LARGEST_FILE,
    Hyperparameters,
    from_yaml,
    qwen_base,
)
from tests.daemon.checkpoint_files import CONFIG, QWEN_CONFIG


def written(folder: Path, content: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(content, "utf-8")
    return path


def test_three_things_are_taken(tmp_path: Path) -> None:
    assert from_yaml(written(tmp_path, yaml.safe_dump(CONFIG))) == Hyperparameters(
        gpt_heads=20, dit_heads=8, emotion_groups=(3, 17, 2, 8, 4, 5, 10, 24)
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"gpt": {"heads": 0}}, "gpt.heads"),
        ({"gpt": {"heads": True}}, "gpt.heads"),
        ({"gpt": {"heads": "20"}}, "gpt.heads"),
        ({"gpt": 20}, "gpt.heads"),
        ({"s2mel": {}}, "s2mel.DiT.num_heads"),
        ({"s2mel": {"DiT": {"num_heads": 1 << 40}}}, "s2mel.DiT.num_heads"),
        ({"emo_num": [73]}, "emo_num"),
        ({"emo_num": [1, 1, 1, 1, 1, 1, 1, -1]}, "emo_num"),
        ({"emo_num": None}, "emo_num"),
    ],
)
def test_a_number_that_cannot_be_is_named(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    path = written(tmp_path, yaml.safe_dump(CONFIG | change))
    with pytest.raises(ValueError, match=rf"^config\.yaml must .*: {named}\.$"):
        from_yaml(path)


@pytest.mark.parametrize(
    "content",
    ["{", "!!python/object/apply:os.getcwd []", "[" * 5000, "\x00"],
    ids=["half", "code", "deep", "no text"],
)
def test_what_is_no_plain_yaml_is_damage(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"^config\.yaml is damaged: it is no YAML\.$"):
        from_yaml(written(tmp_path, content))


@pytest.mark.parametrize("content", ["", "just words", "[1, 2]"])
def test_yaml_that_is_no_configuration_lacks_everything(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"gpt\.heads"):
        from_yaml(written(tmp_path, content))


def test_a_configuration_as_large_as_a_model_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, "#" * (1 << 21))
    with pytest.raises(ValueError, match="far too large"):
        from_yaml(path)


def base_of(folder: Path, content: str) -> float | None:
    path = folder / "config.json"
    path.write_text(content, "utf-8")
    return qwen_base(path)


def test_the_base_of_a_qwens_positions_is_read_wherever_it_stands(tmp_path: Path) -> None:
    assert base_of(tmp_path, json.dumps(QWEN_CONFIG)) == 1e6
    newer = {"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    assert base_of(tmp_path, json.dumps(QWEN_CONFIG | newer)) == 5e5


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "qwen2"},
        {"rms_norm_eps": 1e-5},
        {"rope_theta": "1e6"},
        {"rope_theta": True},
        {"rope_theta": -1},
        {"rope_scaling": {"type": "yarn", "factor": 4.0}},
        {"rope_parameters": {"rope_type": "linear"}},
    ],
)
def test_a_qwen_that_our_network_is_not_has_no_base(tmp_path: Path, change: dict[str, Any]) -> None:
    assert base_of(tmp_path, json.dumps(QWEN_CONFIG | change)) is None


@pytest.mark.parametrize("content", ["", "[]", "no json", "[" * 100_000, "{}" + " " * LARGEST_FILE])
def test_a_configuration_that_is_none_has_no_base(tmp_path: Path, content: str) -> None:
    assert base_of(tmp_path, content) is None
