"""The few numbers of a checkpoint that its tensors do not tell; everything else is theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import yaml

LARGEST_FILE = 1 << 20  # bytes; the published ones have 3 kB
MOST_HEADS = 1024
QWEN_EPSILON = 1e-6
EMOTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Into how many heads two networks split, and how many rows of the matrix each emotion has."""

    gpt_heads: int
    dit_heads: int
    emotion_groups: tuple[int, ...]


def from_yaml(path: Path) -> Hyperparameters:
    """Read them from a published config.yaml; its paths and its `version` are not believed.

    Raises ValueError with a sentence, and OSError.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path.name} is far too large for settings.")
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise ValueError(f"{path.name} is damaged: it is no YAML.") from err
    return checked(
        path.name,
        gpt_heads=_at(config, "gpt", "heads"),
        dit_heads=_at(config, "s2mel", "DiT", "num_heads"),
        emotion_groups=_at(config, "emo_num"),
    )


def checked(name: str, *, gpt_heads: Any, dit_heads: Any, emotion_groups: Any) -> Hyperparameters:
    """Build them from values that a file `name` holds. Raises ValueError with a sentence."""
    heads = {"gpt.heads": gpt_heads, "s2mel.DiT.num_heads": dit_heads}
    for key, value in heads.items():
        if not _is_count(value):
            raise ValueError(f"{name} must say a number of heads from 1 to {MOST_HEADS}: {key}.")
    if (
        not isinstance(emotion_groups, list)
        or len(emotion_groups) != EMOTIONS
        or not all(map(_is_count, emotion_groups))
    ):
        raise ValueError(f"{name} must list {EMOTIONS} numbers of rows: emo_num.")
    return Hyperparameters(
        gpt_heads=gpt_heads, dit_heads=dit_heads, emotion_groups=tuple(emotion_groups)
    )


def qwen_base(path: Path) -> float | None:
    """Return the base of the rotary positions that a Qwen3's config.json says.

    None if it is another model's, or says what our network does not do. Raises OSError.
    """
    if path.stat().st_size > LARGEST_FILE:
        return None
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    base = _at(config, "rope_theta") or _at(config, "rope_parameters", "rope_theta")
    usual = (
        _at(config, "model_type") == "qwen3"
        and _at(config, "rms_norm_eps") == QWEN_EPSILON
        and not _at(config, "rope_scaling")
        and _at(config, "rope_parameters", "rope_type") in {None, "default"}
    )
    return float(base) if usual and type(base) in {int, float} and base > 1 else None


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MOST_HEADS


def _at(config: Any, *keys: str) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config
