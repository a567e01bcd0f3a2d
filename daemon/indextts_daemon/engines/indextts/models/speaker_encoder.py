"""Whose voice a recording is: CAM++, which looks at frames, at their surroundings and at the whole.

B batch, T frames, W mel bands, C channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
import torch.nn.functional as F

DILATIONS = (1, 2, 2)  # of the blocks
SURROUNDINGS = 100  # frames that are averaged as a layer's surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class CAMPPlusSizes:
    """What the tensors say."""

    front: int  # channels that the front makes of one band
    bands: int  # left of them after the front, an eighth
    channels: int
    growth: int
    bottleneck: int
    gate: int
    depths: tuple[int, ...]
    embedding: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Read the sizes from our tensors."""
        front = tensors["front.input.weight"].shape[0]
        channels, folded, _ = tensors["input.weight"].shape
        layer = "blocks.0.layers.0"
        growth, bottleneck, _ = tensors[f"{layer}.local.weight"].shape
        depths = [
            {key.split(".")[3] for key in tensors if key.startswith(f"blocks.{block}.layers.")}
            for block in range(len(DILATIONS))
        ]
        return cls(
            front=front,
            bands=folded // front,
            channels=channels,
            growth=growth,
            bottleneck=bottleneck,
            gate=tensors[f"{layer}.context.weight"].shape[0],
            depths=tuple(map(len, depths)),
            embedding=tensors["output.weight"].shape[0],
        )


class CAMPPlus(nn.Module):
    """A log mel spectrogram (B, T, W) without its mean to a speaker embedding (B, S)."""

    def __init__(self, sizes: CAMPPlusSizes) -> None:
        super().__init__()
        self.front = _Front(sizes.front)
        channels = sizes.channels
        folded = sizes.front * sizes.bands
        self.input = nn.Conv1d(folded, channels, 5, stride=2, padding=2, bias=False)
        self.input_norm = _Affine(channels)
        self.blocks = nn.ModuleList()
        for depth, dilation in zip(sizes.depths, DILATIONS, strict=True):
            self.blocks.append(_Block(channels, depth, dilation, sizes))
            channels = (channels + depth * sizes.growth) // 2
        self.norm = _Affine(channels)
        self.output = nn.Conv1d(2 * channels, sizes.embedding, 1, bias=False)
        self.output_norm = _Affine(sizes.embedding)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.front(mel.transpose(1, 2)[:, None]).flatten(1, 2)
        x = F.relu(self.input_norm(self.input(x)))
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.norm(x)).float()
        summed = torch.cat((x.mean(2), x.std(2)), dim=1).to(mel.dtype)
        return self.output_norm(self.output(summed[:, :, None]))[:, :, 0]


class _Affine(nn.Module):
    """What a batch norm does once it is trained: scale and shift by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, ...)
        shape = (-1, *(1,) * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


class _Front(nn.Module):
    """Bands (B, 1, W, T) to (B, C, W / 8, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.input_norm = _Affine(channels)
        self.stages = nn.ModuleList(
            nn.Sequential(_Residual(channels, halving=True), _Residual(channels, halving=False))
            for _ in range(2)
        )
        self.output = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.output_norm = _Affine(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.input_norm(self.input(x)))
        for stage in self.stages:
            x = stage(x)
        return F.relu(self.output_norm(self.output(x)))


class _Residual(nn.Module):
    def __init__(self, channels: int, *, halving: bool) -> None:
        super().__init__()
        stride = (2, 1) if halving else (1, 1)
        self.conv_1 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.norm_1 = _Affine(channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_2 = _Affine(channels)
        self.shortcut: nn.Module = nn.Identity()
        self.shortcut_norm: nn.Module = nn.Identity()
        if halving:
            self.shortcut = nn.Conv2d(channels, channels, 1, stride=stride, bias=False)
            self.shortcut_norm = _Affine(channels)

    def forward(self, x: Tensor) -> Tensor:
        deep = F.relu(self.norm_1(self.conv_1(x)))
        deep = self.norm_2(self.conv_2(deep))
        return F.relu(deep + self.shortcut_norm(self.shortcut(x)))


class _Block(nn.Module):
    """Layers that each add channels to all before them; then half as many channels."""

    def __init__(self, channels: int, depth: int, dilation: int, sizes: CAMPPlusSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer(channels + index * sizes.growth, dilation, sizes) for index in range(depth)
        )
        widest = channels + depth * sizes.growth
        self.norm = _Affine(widest)
        self.output = nn.Conv1d(widest, widest // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), dim=1)
        return self.output(F.relu(self.norm(x)))


class _Layer(nn.Module):
    """New channels of each frame, gated by its surroundings and the whole recording."""

    def __init__(self, channels: int, dilation: int, sizes: CAMPPlusSizes) -> None:
        super().__init__()
        narrow, growth = sizes.bottleneck, sizes.growth
        self.norm = _Affine(channels)
        self.bottleneck = nn.Conv1d(channels, narrow, 1, bias=False)
        self.bottleneck_norm = _Affine(narrow)
        self.local = nn.Conv1d(narrow, growth, 3, padding=dilation, dilation=dilation, bias=False)
        self.context = nn.Conv1d(narrow, sizes.gate, 1)
        self.gate = nn.Conv1d(sizes.gate, growth, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bottleneck(F.relu(self.norm(x)))
        x = F.relu(self.bottleneck_norm(x))
        around = F.avg_pool1d(x, SURROUNDINGS, ceil_mode=True)
        around = around.repeat_interleave(SURROUNDINGS, dim=2)[:, :, : x.shape[2]]
        context = F.relu(self.context(x.mean(2, keepdim=True) + around))
        return self.local(x) * torch.sigmoid(self.gate(context))
