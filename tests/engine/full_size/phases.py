"""What is measured, each phase in a process of its own: python -m tests.engine.full_size.phases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
import json
from pathlib import Path
from statistics import median
import sys
import time
from types import MappingProxyType
from typing import Any

from safetensors.torch import load_file, save_file
import torch
from torch import Tensor

from indextts_daemon.checkpoints.layout import find
from indextts_daemon.engines.indextts.conditioning import (
    ReferenceNetworks,
    VoiceConditioning,
    encode_reference,
)
from indextts_daemon.engines.indextts.convert import convert
from indextts_daemon.engines.indextts.decode import generate_codes, make_prefix
from indextts_daemon.engines.indextts.features import (
    prompt_mel,
    resample_sinc,
    semantic_input,
    speaker_input,
)
from indextts_daemon.engines.indextts.loader import open_weights
from indextts_daemon.engines.indextts.networks import (
    RenderNetworks,
    enrolment_networks,
    render_networks,
)
from indextts_daemon.engines.indextts.pipeline import Noise, RenderOptions, render
from indextts_daemon.engines.indextts.sampling import SamplingParams
from indextts_daemon.engines.indextts.variant import SAMPLE_RATE, Variant
from tests.engine.full_size import checkpoint
from tests.engine.full_size.stopwatch import Stopwatch, memory, walk

RECORDING_S = 5
TEXT_IDS = list(range(10, 41))  # with start and stop 33 rows, as the official figures have
NUM_CODES, NUM_BEAM_CODES, NUM_STEPS = 60, 20, 25
BEAMS = 3
SEED = 7
CPU = torch.device("cpu")
LOADERS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {"render": render_networks, "enrolment": enrolment_networks}
)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which model is measured, where its files are, and how many cores work."""

    version: str
    size: checkpoint.Size
    folder: Path
    threads: int

    def place(self, kind: str) -> Path:
        """Name the folder of the model, `official` or `converted`."""
        return self.folder / kind

    @property
    def voice(self) -> Path:
        """Name the file that the enrolment leaves to the sentence."""
        return self.folder / "voice.safetensors"


def write(plan: Plan) -> Figures:
    """Write the checkpoint."""
    begun = time.perf_counter()
    checkpoint.write(plan.size, plan.version, plan.place("official"))
    files = open_weights(plan.place("official")).found.files
    return {
        "seconds": time.perf_counter() - begun,
        "files": {role: [path.name, path.stat().st_size] for role, path in files.items()},
    }


def stages(plan: Plan, kind: str) -> Figures:
    """Read stage by stage, letting each go before the next."""
    weights = open_weights(plan.place(kind))
    rows = {}
    for stage in weights.stages:
        begun = time.perf_counter()
        tensors = weights.stage(stage)
        rows[stage] = {
            "seconds": time.perf_counter() - begun,
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
        }
    return rows


def load(plan: Plan, kind: str, networks: str) -> Figures:
    """Build the networks that speak, or those that listen."""
    begun = time.perf_counter()
    built = LOADERS[networks](open_weights(plan.place(kind)), device=CPU)
    figures = {"seconds": time.perf_counter() - begun, **memory()}
    del built  # it had to live until its memory was counted
    return figures


def converted(plan: Plan) -> Figures:
    """Convert the checkpoint."""
    found = find(plan.place("official"))
    begun = time.perf_counter()
    whole = convert(found, plan.place("converted"), lambda *_: None)
    seconds = time.perf_counter() - begun
    size = sum(record.bytes for record in whole.files.values())
    return {"seconds": seconds, "bytes": size, **memory()}


def enrol(plan: Plan) -> Figures:
    """Listen to a recording, twice, and keep what it was."""
    weights = open_weights(plan.place("converted"))
    networks = enrolment_networks(weights, device=CPU)
    audio = recording()
    speech = resample_sinc(audio)
    watch = _watched_enrolment(networks)
    runs = []
    for _ in range(2):
        steps, last, voice = walk(encode_reference(networks, weights.variant, audio))
        taken = [seconds for _, seconds in steps[1:]] + [last]
        names = [name for name, _ in steps]
        runs.append(
            {
                "stages": dict(zip(names, taken, strict=True)),
                "whole": sum(taken) + steps[0][1],
                "networks": watch.lap(),
                "features": {
                    "prompt_mel": _timed(lambda: prompt_mel(audio)),
                    "speaker_input": _timed(lambda: speaker_input(speech)),
                    "semantic_input": _timed(lambda: semantic_input(speech)),
                },
            }
        )
    tensors = {field.name: getattr(voice, field.name).contiguous() for field in fields(voice)}
    _require_finite(tensors)
    save_file(tensors, plan.voice)
    return {"runs": runs, "frames": voice.prompt_mel.shape[-1], **memory()}


def speak(plan: Plan) -> Figures:
    """Speak a short sentence to its end; a shorter one before it, which does not count."""
    weights = open_weights(plan.place("converted"))
    networks = render_networks(weights, device=CPU)
    voice = VoiceConditioning(**load_file(plan.voice))
    _sentence(networks, weights.variant, voice, num_codes=4, num_steps=1)
    watch = _watched_rendering(networks)
    figures = _sentence(networks, weights.variant, voice, num_codes=NUM_CODES, num_steps=NUM_STEPS)
    passes = watch.of("gpt")
    figures |= {
        "prefill": passes[0],
        "latents": passes[-1] if weights.variant.second_pass else None,
        "latent_projection": sum(watch.of("latent_projection")) or None,
        "codec": sum(watch.of("codec")),
        "length_regulator": sum(watch.of("length_regulator")),
        "dit": {"calls": len(watch.of("dit")), "median": median(watch.of("dit"))},
        "vocoder": sum(watch.of("vocoder")),
        "beams": _beams(networks, weights.variant, voice),
    }
    return figures | memory()


def recording() -> Tensor:
    """Make five seconds (1, N) of a gliding tone with its harmonics, and pauses."""
    time_s = torch.arange(RECORDING_S * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * torch.pi * (140 * time_s - 6 * torch.cos(2 * torch.pi * 0.8 * time_s))
    tone = torch.stack([torch.sin(n * phase) / n for n in range(1, 12)]).sum(0)
    loudness = torch.sin(2 * torch.pi * 1.5 * time_s).clamp(min=0)
    return (0.2 * tone * loudness)[None]


def _sentence(
    networks: RenderNetworks,
    variant: Variant,
    voice: VoiceConditioning,
    *,
    num_codes: int,
    num_steps: int,
) -> Figures:
    options = RenderOptions(max_codes=num_codes, num_steps=num_steps)
    generator = torch.Generator().manual_seed(SEED)
    steps, last, codes = walk(
        render(
            networks,
            variant,
            voice=voice,
            emotion=voice.emotion,
            text_ids=TEXT_IDS,
            language="en",
            options=options,
            noise=Noise(generator=generator),
        )
    )
    sound = torch.cat([step.samples for step, _ in steps if step.samples is not None])
    _require_finite({"samples": sound})
    gpt = [seconds for step, seconds in steps if step.stage == "gpt"]
    euler = [seconds for step, seconds in steps if step.stage == "s2mel"][1:]
    audio_s = len(sound) / SAMPLE_RATE
    whole = sum(seconds for _, seconds in steps) + last
    return {
        "num_codes": codes.shape[1],
        "frames": len(sound) // networks.vocoder.hop,
        "prompt_frames": voice.prompt_mel.shape[-1],
        "token": median(gpt[1:]),
        "decode": sum(gpt[1:]),
        "flow": sum(euler),
        "audio_s": audio_s,
        "whole": whole,
        "rtf": whole / audio_s,
    }


def _beams(networks: RenderNetworks, variant: Variant, voice: VoiceConditioning) -> float:
    """Return the seconds that a token takes with as many beams as upstream has."""
    prefix = make_prefix(
        networks.gpt,
        variant,
        speaker_rows=voice.speaker_rows,
        emotion=voice.emotion,
        text_ids=torch.tensor([TEXT_IDS]),
        language="en",
    )
    generator = torch.Generator().manual_seed(SEED)
    params = SamplingParams(num_beams=BEAMS)
    steps, _, _ = walk(
        generate_codes(networks.gpt, prefix, params, max_codes=NUM_BEAM_CODES, generator=generator)
    )
    return median(seconds for _, seconds in steps[1:])


def _watched_enrolment(networks: ReferenceNetworks) -> Stopwatch:
    watch = Stopwatch()
    for name in (
        "semantic_encoder",
        "speaker_encoder",
        "speaker_conditioner",
        "emotion_conditioner",
        "length_regulator",
    ):
        watch.put_on(getattr(networks, name), "forward", name)
    if networks.codec_encoder is not None:
        watch.put_on(networks.codec_encoder, "forward", "codec_encoder")
        watch.put_on(networks.codec, "quantize", "codec quantize")
    return watch


def _watched_rendering(networks: RenderNetworks) -> Stopwatch:
    watch = Stopwatch()
    watch.put_on(networks.gpt, "forward", "gpt")
    watch.put_on(networks.length_regulator, "forward", "length_regulator")
    watch.put_on(networks.flow_matching, "velocity", "dit")
    watch.put_on(networks.vocoder, "forward", "vocoder")
    if networks.latent_projection is None:
        watch.put_on(networks.codec, "decode", "codec")
    else:
        watch.put_on(networks.latent_projection, "forward", "latent_projection")
        watch.put_on(networks.codec, "embed", "codec")
    return watch


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _require_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all() or not tensor.any():
            raise ArithmeticError(f"{name} is all zero or not finite")


PHASES: Mapping[str, Callable[..., Figures]] = MappingProxyType(
    {
        "write": write,
        "stages": stages,
        "load": load,
        "convert": converted,
        "enrol": enrol,
        "speak": speak,
    }
)


def main(arguments: list[str]) -> None:
    """Run one phase, and print its figures as JSON in a line."""
    version, size, folder, threads, phase, *more = arguments
    if size not in {"full", "tiny"}:
        raise ValueError(size)
    plan = Plan(
        version=version,
        size="full" if size == "full" else "tiny",
        folder=Path(folder),
        threads=int(threads),
    )
    torch.set_num_threads(plan.threads)
    with torch.inference_mode():
        figures = PHASES[phase](plan, *more)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
