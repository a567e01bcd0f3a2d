"""A checkpoint's tensors by stage, in our spelling.

What is guaranteed: nothing in a file is run; a tensor that is missing, unknown, not of floats,
of a wrong shape or not finite is refused by name. A flipped bit that leaves a finite number is
not noticed here: `verify` notices it, by the manifest's hashes or the published files' checksums.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from indextts_daemon.checkpoints.hyperparameters import Hyperparameters
from indextts_daemon.checkpoints.layout import Found, LayoutError, find
from indextts_daemon.checkpoints.revision import revision_of

from .spelling import (
    codec,
    conditioners,
    gpt,
    misc,
    qwen,
    s2mel,
    semantic_encoder,
    speaker_encoder,
    vocoder,
)
from .spelling.rules import CheckpointError
from .tensor_files import published, readable, safetensors, usable
from .variant import VARIANTS, Variant

Translate = Callable[[Mapping[str, Tensor]], dict[str, dict[str, Tensor]]]


def _listeners(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Translate what looks at a recording, and leave the decoder it shares a file with alone."""
    known = re.compile(conditioners.PATTERN)
    return conditioners.translate({key: one for key, one in tensors.items() if known.match(key)})


ORIGINS: Mapping[str, Mapping[str, Translate]] = MappingProxyType(  # of a stage: by file's role
    {
        "gpt": {"gpt": gpt.translate},
        "codec": {"codec": codec.translate},
        "length_regulator": {"s2mel": s2mel.translate},
        "latent_projection": {"s2mel": s2mel.translate},
        "flow_matching": {"s2mel": s2mel.translate},
        "vocoder": {"vocoder": vocoder.translate},
        "emotions": {"emotion_speakers": misc.translate, "emotion_rows": misc.translate},
        "semantic_encoder": {
            "semantic_encoder": semantic_encoder.translate,
            "statistics": misc.translate,
        },
        "speaker_encoder": {"speaker_encoder": speaker_encoder.translate},
        "codec_encoder": {"codec": codec.translate},
        "emotion_conditioner": {"gpt": _listeners},
        "speaker_conditioner": {"gpt": _listeners},
    }
)
OPTIONAL: Mapping[str, Mapping[str, Translate]] = MappingProxyType(  # left as it is by converting
    {"feelings": {"feelings": qwen.translate}}
)
# Tensors without which a stage would pass for the other version's.
TELLING = MappingProxyType(
    {
        ("2", "gpt"): "speeds.weight",
        ("2.5", "gpt"): "languages.weight",
        ("2.5", "codec"): "doubling.weight",
    }
)


def stages_of(variant: Variant) -> tuple[str, ...]:
    """Name what a model consists of."""
    needed = {"latent_projection": variant.second_pass, "codec_encoder": variant.quantized_prompt}
    return tuple(stage for stage in ORIGINS if needed.get(stage, True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A checkpoint that was found; a stage is read when it is asked for.

    `revision` names them as `revision_of` does.
    """

    found: Found
    variant: Variant
    revision: str

    @classmethod
    def of(cls, found: Found) -> Self:
        """Name what was found. Raises CheckpointError."""
        with readable("The model"):
            revision = revision_of(found)
        variant = next(one for one in VARIANTS if one.version == found.version)
        return cls(found=found, variant=variant, revision=revision)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """What the tensors do not tell."""
        return self.found.hyperparameters

    @property
    def tokenizer(self) -> Path:
        """The file that the text is cut by."""
        return self.found.files["tokenizer"]

    @property
    def stages(self) -> tuple[str, ...]:
        """What can be read."""
        return (
            *stages_of(self.variant),
            *(stage for stage in OPTIONAL if stage in self.found.files),
        )

    def roles(self, stage: str) -> tuple[str, ...]:
        """Name the keys of the files that a stage comes from."""
        return (stage,) if self.found.converted else tuple(_origins(stage))

    def file_names(self, stage: str) -> str:
        """Name the files that a stage comes from, for people."""
        return " or ".join(map(self.found.name, self.roles(stage)))

    def stage(self, name: str) -> dict[str, Tensor]:
        """Read a stage's tensors: float32, finite, mapped from the file where that is possible.

        Raises CheckpointError naming the file and the tensor.
        """
        tensors = self._tensors(name, device="cpu")
        for key, tensor in tensors.items():
            if not all(edge.isfinite() for edge in tensor.aminmax()):
                raise CheckpointError(
                    f"{self.file_names(name)} holds a number that is not finite: {key}."
                )
        return tensors

    def outline(self, name: str) -> dict[str, Tensor]:
        """Return a stage's tensors as `stage` does but without their numbers: on `meta`."""
        return self._tensors(name, device="meta")

    def _tensors(self, stage: str, device: str) -> dict[str, Tensor]:
        files, name = self.found.files, self.found.name
        tensors: dict[str, Tensor] = {}
        if self.found.converted and stage in ORIGINS:
            tensors = usable(safetensors(files[stage], name(stage)), name(stage), device)
        else:
            for role, translate in _origins(stage).items():
                upstream = usable(published(role, files[role], name(role)), name(role), device)
                tensors |= _ours(translate, upstream, name(role)).get(stage, {})
        telling = TELLING.get((self.variant.version, stage))
        if telling and telling not in tensors:
            raise CheckpointError(f"{self.file_names(stage)} lacks the tensor {telling}.")
        for key, tensor in tensors.items():
            if tensor.dtype != torch.float32:
                raise CheckpointError(f"{self.file_names(stage)} holds no floats: {key}.")
        return tensors


def open_weights(folder: Path) -> Weights:
    """Open the model in a folder, converted or as published. Raises CheckpointError."""
    try:
        return Weights.of(find(folder))
    except LayoutError as err:
        raise CheckpointError(err.message, code=err.error_code) from err


Network = TypeVar("Network", bound=nn.Module)


def build(
    make: Callable[[Mapping[str, Tensor]], Network], tensors: Mapping[str, Tensor], *, name: str
) -> Network:
    """Make a network of the sizes that the tensors have, and of exactly these tensors.

    Raises CheckpointError naming the file `name` and the tensor.
    """
    try:
        with torch.device("meta"), _Undrawn():
            network = make(tensors)
    except KeyError as err:
        raise CheckpointError(f"{name} lacks the tensor {err.args[0]}.") from err
    except (IndexError, ValueError, TypeError, ArithmeticError, RuntimeError) as err:
        raise CheckpointError(
            f"{name} holds tensors whose shapes no model has, or none with that many heads."
        ) from err
    expected = network.state_dict()
    for key, wanted in expected.items():
        if key not in tensors:
            raise CheckpointError(f"{name} lacks the tensor {key}.")
        if tensors[key].shape != wanted.shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(wanted.shape)}"
            raise CheckpointError(f"{name} holds a tensor of a wrong shape: {key} is {shapes}.")
    if surplus := sorted(tensors.keys() - expected.keys()):
        raise CheckpointError(f"{name} holds a tensor too many, or lacks its kin: {surplus[0]}.")
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


class _Undrawn(TorchFunctionMode):
    """Draws no first numbers: `meta` keeps none, and torch would load its compiler for them."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        draws = getattr(func, "__module__", None) == nn.init.__name__
        return given["tensor"] if draws else func(*args, **given)


def _origins(stage: str) -> Mapping[str, Translate]:
    return ORIGINS[stage] if stage in ORIGINS else OPTIONAL[stage]


def _ours(
    translate: Translate, tensors: Mapping[str, Tensor], name: str
) -> dict[str, dict[str, Tensor]]:
    try:
        return translate(tensors)
    except CheckpointError as err:
        raise CheckpointError(f"{name}: {err.message}") from err
    except (LookupError, ValueError, RuntimeError) as err:
        raise CheckpointError(f"{name} holds tensors whose shapes no model has.") from err
