"""One segment of text, from its ids to sound: the whole of the model, read from top to bottom.

N codes, L rows of semantic features, F frames of the prompt, T frames to speak, D, C channels.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from indextts_daemon.errors import SynthesisError

from .conditioning import VoiceConditioning
from .decode import generate_codes, latents, make_prefix
from .flow_matching import GUIDANCE, STEPS, solve
from .models.bigvgan import synthesize
from .models.length_regulator import num_frames_of
from .networks import RenderNetworks
from .sampling import SamplingParams
from .variant import HOP, SAMPLE_RATE, Variant

PIECE_FRAMES = 128  # that the vocoder makes sound of at a time: a second and a half

Made = TypeVar("Made")


class SilentSegmentError(SynthesisError):
    """The model stopped before its first sound; by another chance it may speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How much is computed, and how fast is spoken."""

    sampling: SamplingParams = field(default_factory=SamplingParams)
    num_steps: int = STEPS
    guidance: float = GUIDANCE
    prompt_s: float | None = None  # of the recording that the flow sees; None is all
    speed: float = 1.0
    max_codes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Advance:
    """One bounded piece of work was done for a stage; sound comes with the last of them."""

    stage: str
    samples: Tensor | None = None  # (num_frames * 256,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise:
    """Where chance comes from: a generator of the CPU, or what a test gives."""

    generator: torch.Generator | None = None
    given: Tensor | None = None  # (1, 80, at least F + T)

    def of(self, frames: int, like: Tensor) -> Tensor:
        """Return (1, 80, frames) on the device of `like`."""
        if self.given is not None:
            return self.given[..., :frames].to(like)
        made = torch.randn(1, like.shape[1], frames, generator=self.generator)
        return made.to(like)


def render(
    networks: RenderNetworks,
    variant: Variant,
    *,
    voice: VoiceConditioning,
    emotion: Tensor,
    text_ids: list[int],
    language: str,
    options: RenderOptions,
    noise: Noise,
) -> Generator[Advance, None, Tensor]:
    """Yield after each piece of work, and the sound as it is made; return the codes (1, N).

    `emotion` is (1, D). The codes end with the stop code if it was reached. Raises
    SilentSegmentError before any sound, and SynthesisError.
    """
    prefix = make_prefix(
        networks.gpt,
        variant,
        speaker_rows=voice.speaker_rows,
        emotion=emotion,
        text_ids=torch.tensor([text_ids]),
        language=language,
    )
    codes = yield from working(
        "gpt",
        generate_codes(
            networks.gpt,
            prefix,
            options.sampling,
            max_codes=options.max_codes,
            generator=noise.generator,
        ),
    )
    spoken = codes[:, codes[0] < networks.gpt.sizes.start_code]  # what has a sound
    if not spoken.shape[1]:
        raise SilentSegmentError("The model found nothing to say.")

    if networks.latent_projection is None:
        features = networks.codec.decode(spoken)  # (1, L, C), two rows for each code
    else:
        sharpened = networks.latent_projection(latents(networks.gpt, prefix, spoken))
        features = networks.codec.embed(spoken) + sharpened
    frames = num_frames_of(features.shape[1], duration_factor=1 / options.speed)
    condition = networks.length_regulator(features, frames)
    yield Advance(stage="s2mel")

    heard = _prompt_frames(voice, options.prompt_s)
    prompt_mel = voice.prompt_mel[..., :heard]
    mel = yield from working(
        "s2mel",
        solve(
            networks.flow_matching,
            prompt_mel=prompt_mel,
            speaker_embedding=voice.speaker_embedding,
            condition=torch.cat((voice.prompt_condition[:, :heard], condition), dim=1),
            noise=noise.of(heard + frames, prompt_mel),
            num_steps=options.num_steps,
            guidance=options.guidance,
        ),
    )

    sound = synthesize(networks.vocoder, mel[..., heard:], chunk_frames=PIECE_FRAMES)
    for piece in sound:
        yield Advance(stage="vocoder", samples=piece.flatten().float())
    return codes


def working(stage: str, work: Generator[None, None, Made]) -> Generator[Advance, None, Made]:
    """Pass on that a stage goes on, until it is done."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            made: Made = done.value
            return made
        yield Advance(stage=stage)


def _prompt_frames(voice: VoiceConditioning, prompt_s: float | None) -> int:
    whole = voice.prompt_mel.shape[-1]
    return whole if prompt_s is None else min(whole, int(prompt_s * SAMPLE_RATE / HOP))
