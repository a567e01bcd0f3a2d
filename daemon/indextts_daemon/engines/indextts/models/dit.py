"""The transformer that says which way the mel spectrogram flows, given speaker and conditions.

B batch, T mel frames, C channels. What depends on time alone and what is the same at every time
are parts of their own, so that neither is computed more often than it changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from indextts_daemon.engines.indextts.layers import rotary
from indextts_daemon.engines.indextts.layers.time_modulation import TimedNorm, TimeEmbedding
from indextts_daemon.engines.indextts.layers.wavenet import WaveNet

_EPSILON = 1e-6  # of the last norm


@dataclass(frozen=True, slots=True, kw_only=True)
class DiTSizes:
    """What the tensors say, and the number of heads, which they do not."""

    mel_bins: int
    conditions: int
    speaker: int
    channels: int
    num_heads: int
    hidden: int  # of the feed-forward
    depth: int
    sinusoids: int
    wavenet_channels: int
    wavenet_kernel: int
    wavenet_layers: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], *, num_heads: int) -> "DiTSizes":
        channels, inputs = tensors["input.weight"].shape
        mel_bins = tensors["mel.weight"].shape[0]
        if channels % (2 * num_heads):  # positions turn pairs
            raise ValueError(f"{channels} channels are no {num_heads} heads of an even width")
        return cls(
            mel_bins=mel_bins,
            conditions=tensors["condition.weight"].shape[1],
            speaker=inputs - 2 * mel_bins - channels,
            channels=channels,
            num_heads=num_heads,
            hidden=tensors["blocks.0.feed_forward.gate.weight"].shape[0],
            depth=sum(key.endswith("attention.qkv.weight") for key in tensors),
            sinusoids=tensors["clock.embedding.input.weight"].shape[1],
            wavenet_channels=tensors["wavenet_input.weight"].shape[0],
            wavenet_kernel=tensors["wavenet.layers.0.conv.weight"].shape[-1],
            wavenet_layers=sum(
                key.startswith("wavenet.layers.") and key.endswith(".conv.weight")
                for key in tensors
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All that time alone decides: a row per time, or one row for the whole batch."""

    attention: tuple[Tensor, ...]  # (B,2C) for each block
    feed_forward: tuple[Tensor, ...]
    norm: Tensor  # (B,2C)
    wavenet: Tensor  # (B,2C·layers,1)
    output: Tensor  # (B,2C)


class Clock(nn.Module):
    """Turns time into what it means to each part; nothing else of the DiT knows it."""

    def __init__(self, sizes: DiTSizes) -> None:
        super().__init__()
        channels, wavenet = sizes.channels, sizes.wavenet_channels
        self.embedding = TimeEmbedding(sizes.sinusoids, channels)
        self.attention = _linears(channels, sizes.depth)
        self.feed_forward = _linears(channels, sizes.depth)
        self.norm = nn.Linear(channels, 2 * channels)
        self.output = nn.Linear(channels, 2 * wavenet)
        self.wavenet_embedding = TimeEmbedding(sizes.sinusoids, wavenet)
        self.wavenet = nn.Conv1d(wavenet, 2 * wavenet * sizes.wavenet_layers, 1)

    def forward(self, time: Tensor) -> Timing:
        """Return what times (B,) in float32 decide."""
        embedded = self.embedding(time)
        return Timing(
            attention=tuple(linear(embedded) for linear in self.attention),
            feed_forward=tuple(linear(embedded) for linear in self.feed_forward),
            norm=self.norm(embedded),
            output=self.output(F.silu(embedded)),
            wavenet=self.wavenet(self.wavenet_embedding(time)[..., None]),
        )


def _linears(channels: int, number: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in range(number))


class DiT(nn.Module):
    """Blocks below the middle one reach those above it; a WaveNet gives the flow its detail."""

    def __init__(self, sizes: DiTSizes) -> None:
        super().__init__()
        channels, wavenet, depth = sizes.channels, sizes.wavenet_channels, sizes.depth
        self.mel_bins = sizes.mel_bins
        self.middle = depth // 2
        self.head_size = channels // sizes.num_heads
        self.clock = Clock(sizes)
        self.condition = nn.Linear(sizes.conditions, channels)
        self.input = nn.Linear(2 * sizes.mel_bins + channels + sizes.speaker, channels)
        self.blocks = nn.ModuleList(_Block(sizes, skip=i > self.middle) for i in range(depth))
        self.norm = TimedNorm(channels)
        self.skip = nn.Linear(channels + sizes.mel_bins, channels)
        self.wavenet_input = nn.Linear(channels, wavenet)
        self.wavenet = WaveNet(wavenet, sizes.wavenet_kernel, sizes.wavenet_layers)
        self.residual = nn.Linear(channels, wavenet)
        self.output = nn.Linear(wavenet, wavenet)
        self.mel = nn.Conv1d(wavenet, sizes.mel_bins, 1)

    def forward(
        self, x: Tensor, prompt: Tensor, time: Tensor, speaker: Tensor, condition: Tensor
    ) -> Tensor:
        """Return the velocity (B,80,T) of x (B,80,T) at `time` (B,).

        `prompt` (B,80,T) is the prompt's mel and zero after it, `speaker` (B,S) the speaker's
        embedding, `condition` (B,T,C_in) what each frame is to say.
        """
        return self.velocity(x, self.given(prompt, speaker, condition), self.clock(time))

    def given(self, prompt: Tensor, speaker: Tensor, condition: Tensor) -> Tensor:
        """Return what the inputs that stay the same add to every frame, (B,T,C)."""
        dtype = self.input.weight.dtype
        frames = prompt.transpose(1, 2).to(dtype)
        conditions = self.condition(condition.to(dtype))
        speakers = speaker[:, None].expand(-1, frames.shape[1], -1).to(dtype)
        weight = self.input.weight[:, self.mel_bins :]
        return F.linear(torch.cat((frames, conditions, speakers), -1), weight, self.input.bias)

    def velocity(self, x: Tensor, given: Tensor, timing: Timing) -> Tensor:
        """Return the velocity (B,80,T) of x (B,80,T) with what `given` and the clock return."""
        frames = x.transpose(1, 2).to(given.dtype)
        hidden = F.linear(frames, self.input.weight[:, : self.mel_bins]) + given  # (B,T,C)
        hidden = self._transform(hidden, timing)
        hidden = self.skip(torch.cat((hidden, frames), dim=-1))
        detail = self.wavenet(self.wavenet_input(hidden).transpose(1, 2), timing.wavenet)
        output = detail.transpose(1, 2) + self.residual(hidden)
        shift, scale = timing.output[:, None].chunk(2, dim=-1)
        output = F.layer_norm(output, output.shape[-1:], eps=_EPSILON) * (1 + scale) + shift
        return self.mel(self.output(output).transpose(1, 2))

    def _transform(self, x: Tensor, timing: Timing) -> Tensor:
        turns = rotary.turns(x.shape[1], self.head_size, x.device)
        below: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            skipped = below.pop() if i > self.middle else None
            x = block(x, skipped, turns, timing.attention[i], timing.feed_forward[i])
            if i < self.middle:
                below.append(x)
        return self.norm(x, timing.norm)


class _Block(nn.Module):
    def __init__(self, sizes: DiTSizes, *, skip: bool) -> None:
        super().__init__()
        self.skip = nn.Linear(2 * sizes.channels, sizes.channels) if skip else None
        self.attention_norm = TimedNorm(sizes.channels)
        self.attention = _Attention(sizes.channels, sizes.num_heads)
        self.feed_forward_norm = TimedNorm(sizes.channels)
        self.feed_forward = _FeedForward(sizes.channels, sizes.hidden)

    def forward(
        self,
        x: Tensor,
        below: Tensor | None,
        turns: Tensor,
        attention_timing: Tensor,
        feed_forward_timing: Tensor,
    ) -> Tensor:
        if self.skip is not None and below is not None:
            x = self.skip(torch.cat((x, below), dim=-1))
        x = x + self.attention(self.attention_norm(x, attention_timing), turns)
        return x + self.feed_forward(self.feed_forward_norm(x, feed_forward_timing))


class _Attention(nn.Module):
    """Every frame sees every frame."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.head_size = channels // num_heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.output = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        heads = self.qkv(x).unflatten(-1, (3, -1, self.head_size))  # (B,T,3,H,D)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B,H,T,D)
        query, key = rotary.turn(query, turns), rotary.turn(key, turns)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.output(seen.transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, hidden, bias=False)
        self.value = nn.Linear(channels, hidden, bias=False)
        self.output = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.silu(self.gate(x)) * self.value(x))
