"""From noise to a mel spectrogram: the flow that the DiT describes, followed in equal steps.

B batch, F frames of the prompt, T frames to speak, C channels.
"""

from collections.abc import Generator

import torch
from torch import Tensor
from torch.nn import functional as F

from .models.dit import DiT

STEPS = 25
GUIDANCE = 0.7


def solve(
    dit: DiT,
    *,
    prompt_mel: Tensor,
    speaker_embedding: Tensor,
    condition: Tensor,
    noise: Tensor,
    num_steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> Generator[None, None, Tensor]:
    """Yield after every step; return the mel (1,80,F+T), its first F frames zero.

    `prompt_mel` is (1,80,F), `speaker_embedding` (1,S), `condition` (1,F+T,C) and `noise`
    (1,80,F+T). Guidance leads away from what the DiT says when it is told nothing.
    """
    prompt_frames, frames = prompt_mel.shape[-1], noise.shape[-1]
    prompt = F.pad(prompt_mel, (0, frames - prompt_frames))
    inputs = [prompt, speaker_embedding, condition]
    if guidance:
        inputs = [torch.cat((one, torch.zeros_like(one))) for one in inputs]
    given = dit.given(*inputs)
    mel = noise.clone()
    mel[..., :prompt_frames] = 0
    for step in range(num_steps):
        timing = dit.clock(torch.tensor([step / num_steps], device=noise.device))
        velocity = dit.velocity(mel.expand(len(given), -1, -1), given, timing).to(mel.dtype)
        if guidance:
            told, untold = velocity.chunk(2)
            velocity = (1 + guidance) * told - guidance * untold
        mel = mel + velocity / num_steps
        mel[..., :prompt_frames] = 0
        yield
    return mel
