"""A whole checkpoint of random numbers, of published or of tiny size, in the official layout."""

from collections.abc import Iterable
from copy import deepcopy
import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
import yaml

from tests.engine.full_size.shapes import FILES, Spec
from tests.engine.official import write_official
from tests.engine.parity import VARIABLE, ParitySet, folder

Size = Literal["full", "tiny"]
PUBLISHED = Path(__file__).with_name("published.yaml")
SPREAD = 0.02  # of random numbers: through norms and residuals they stay finite
SEED = 20260810
STAND_IN = {"2": "bpe.model", "2.5": "stand_in.tiktoken"}  # text is given as ids, nobody reads it


class RandomSet(ParitySet):
    """Stands where a golden set is expected as the source of weights."""

    def __init__(self, sizes: dict[str, Any], version: str, path: Path) -> None:
        self.path, self.name = path, path.name
        self.config, self.version = sizes, version

    def weights(self, stage: str) -> dict[str, Tensor]:
        """Draw the tensors of `weights_<stage>`, the same ones each time."""
        return drawn(specs(self.config, self.version)[stage])


def sizes_of(size: Size, version: str) -> dict[str, Any]:
    """Return what decides all shapes. Raises FileNotFoundError where no golden set says it."""
    if size == "tiny":
        return _golden_sizes(version)
    sizes: dict[str, Any] = deepcopy(yaml.safe_load(PUBLISHED.read_text("utf-8")))
    told = sizes["official_config"]["gpt"]
    told["number_text_tokens"] = told["number_text_tokens"][version]
    return sizes


def specs(sizes: dict[str, Any], version: str) -> dict[str, list[Spec]]:
    """List the tensors of each file as published: 2.5's s2mel.pth holds 2's `gpt_layer` too."""
    written = {stage: "2" if stage == "s2mel" else version for stage in FILES}
    return {stage: list(FILES[stage](sizes, of)) for stage, of in written.items()}


def write(size: Size, version: str, place: Path) -> None:
    """Write a checkpoint into `place`, and have it on the disk, not only on its way there."""
    stand_in = place.with_name(f"{place.name}-tokenizer")
    stand_in.mkdir(parents=True)
    (stand_in / STAND_IN[version]).write_text("a stand-in for a tokenizer\n", "utf-8")
    write_official(RandomSet(sizes_of(size, version), version, stand_in), place)
    for file in place.rglob("*"):
        if file.is_file():
            with file.open("rb") as written:
                os.fsync(written.fileno())


def drawn(listed: Iterable[Spec]) -> dict[str, Tensor]:
    """Make tensors as listed."""
    generator = torch.Generator().manual_seed(SEED)
    return {spec.name: _tensor(spec, generator) for spec in listed}


def _tensor(spec: Spec, generator: torch.Generator) -> Tensor:
    if spec.fill is None:
        return torch.empty(spec.shape).normal_(0.0, SPREAD, generator=generator)
    return torch.full(spec.shape, spec.fill, dtype=torch.int64 if spec.counts else torch.float32)


def _golden_sizes(version: str) -> dict[str, Any]:
    place = folder()
    if place is None:
        raise FileNotFoundError(
            f"no golden vectors are beside the project: name them in {VARIABLE}"
        )
    for file in sorted(place.glob("*/config.json")):
        sizes: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if sizes["version"].removeprefix("v").replace("_", ".") == version:
            return sizes
    raise FileNotFoundError(f"no golden vectors are of version {version}")
