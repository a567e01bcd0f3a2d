"""Whose voice it is: what a frame's surroundings are, in recordings longer than one stretch."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import relu

from indextts_daemon.engines.indextts.models.speaker_encoder import CAMPPlus, CAMPPlusSizes

SIZES = CAMPPlusSizes(
    front=2, bands=1, channels=8, growth=4, bottleneck=6, gate=3, depths=(1, 1, 1), embedding=5
)
STRETCH = 100  # frames, as upstream's


@pytest.mark.parametrize("num_frames", [1, STRETCH, STRETCH + 1, 250])
def test_a_frame_is_gated_by_the_hundred_it_stands_in_and_by_all(num_frames: int) -> None:
    torch.manual_seed(0)
    network = CAMPPlus(SIZES)
    for parameter in network.parameters():
        parameter.copy_(torch.randn(parameter.shape))
    layer = network.blocks[0].layers[0]
    x = torch.randn(1, SIZES.channels, num_frames)
    narrow = relu(layer.bottleneck_norm(layer.bottleneck(relu(layer.norm(x)))))
    local = layer.local(narrow)
    made = layer(x)
    for frame in range(num_frames):
        first = frame // STRETCH * STRETCH
        around = mean(narrow[..., first : first + STRETCH]) + mean(narrow)
        gate = torch.sigmoid(layer.gate(relu(layer.context(around))))
        torch.testing.assert_close(made[..., frame], (local[..., frame, None] * gate)[..., 0])


def mean(x: Tensor) -> Tensor:
    return x.mean(dim=2, keepdim=True)
