"""A mel spectrogram becomes a waveform, whole or in chunks that are the same waveform.

B batch, T mel frames, C channels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import math

from torch import Tensor, nn

from indextts_daemon.engines.indextts.layers.snake import AntiAliasedSnake

DILATIONS = (1, 3, 5)
INFLUENCE = 34  # frames either side that a mel frame can reach; past 31 nobody measured any of it
CONTEXT = 24  # frames either side that a chunk needs: what reaches further is below rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class BigVGANSizes:
    """What the tensors say."""

    mel_bins: int
    input_kernel: int
    output_kernel: int
    channels: tuple[int, ...]  # before the first upsampling, and after each
    upsampling_kernels: tuple[int, ...]  # twice their rates
    block_kernels: tuple[int, ...]  # of the blocks side by side after each upsampling
    taps: int  # of the filters around an activation

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "BigVGANSizes":
        channels, mel_bins, input_kernel = tensors["input.weight"].shape
        stages = sum(f"upsamplings.{i}.weight" in tensors for i in range(len(tensors)))
        upsamplings = [tensors[f"upsamplings.{i}.weight"].shape for i in range(stages)]
        blocks = sum(key.endswith("layers.0.dilated.weight") for key in tensors)
        return cls(
            mel_bins=mel_bins,
            input_kernel=input_kernel,
            output_kernel=tensors["output.weight"].shape[-1],
            channels=(channels, *(shape[1] for shape in upsamplings)),
            upsampling_kernels=tuple(shape[2] for shape in upsamplings),
            block_kernels=tuple(
                tensors[f"blocks.{i}.layers.0.dilated.weight"].shape[-1]
                for i in range(blocks // stages)
            ),
            taps=tensors["activation.upsampling"].shape[-1],
        )


class BigVGAN(nn.Module):
    """Stages that each raise the rate and then add detail."""

    def __init__(self, sizes: BigVGANSizes) -> None:
        super().__init__()
        rates = [kernel // 2 for kernel in sizes.upsampling_kernels]
        self.hop = math.prod(rates)  # samples per frame
        self.input = _same(sizes.mel_bins, sizes.channels[0], sizes.input_kernel)
        self.upsamplings = nn.ModuleList(
            nn.ConvTranspose1d(below, above, 2 * rate, stride=rate, padding=rate // 2)
            for below, above, rate in zip(sizes.channels, sizes.channels[1:], rates, strict=False)
        )
        self.blocks = nn.ModuleList(
            _Block(channels, kernel, sizes.taps)
            for channels in sizes.channels[1:]
            for kernel in sizes.block_kernels
        )
        self.activation = AntiAliasedSnake(sizes.channels[-1], sizes.taps)
        self.output = _same(sizes.channels[-1], 1, sizes.output_kernel, bias=False)

    def forward(self, mel: Tensor) -> Tensor:
        """Return samples (B,1,hop·T) within ±1 of mel (B,80,T)."""
        x = self.input(mel.to(self.input.weight.dtype))
        side_by_side = len(self.blocks) // len(self.upsamplings)
        for stage, upsample in enumerate(self.upsamplings):
            x = upsample(x)
            blocks = self.blocks[stage * side_by_side : (stage + 1) * side_by_side]
            x = sum(block(x) for block in blocks) / side_by_side
        return self.output(self.activation(x)).float().clamp(-1, 1)


def synthesize(vocoder: BigVGAN, mel: Tensor, *, chunk_frames: int) -> Iterator[Tensor]:
    """Yield the waveform of mel (B,80,T) in chunks (B,1,hop·frames), a bounded piece at a time."""
    frames = mel.shape[-1]
    for start in range(0, frames, chunk_frames):
        end = min(start + chunk_frames, frames)
        first = max(start - CONTEXT, 0)
        samples = vocoder(mel[..., first : end + CONTEXT])
        yield samples[..., (start - first) * vocoder.hop : (end - first) * vocoder.hop]


class _Block(nn.Module):
    """Pairs of convolutions, the first of each wider from pair to pair."""

    def __init__(self, channels: int, kernel: int, taps: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(channels, kernel, d, taps) for d in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class _Layer(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int, taps: int) -> None:
        super().__init__()
        self.first = AntiAliasedSnake(channels, taps)
        self.dilated = _same(channels, channels, kernel, dilation=dilation)
        self.second = AntiAliasedSnake(channels, taps)
        self.plain = _same(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(self.second(self.dilated(self.first(x))))


def _same(
    inputs: int, outputs: int, kernel: int, *, dilation: int = 1, bias: bool = True
) -> nn.Conv1d:
    """Return a convolution that keeps the length."""
    side = dilation * (kernel - 1) // 2
    return nn.Conv1d(inputs, outputs, kernel, padding=side, dilation=dilation, bias=bias)
