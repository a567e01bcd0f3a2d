"""The canary: a model says its golden lines to nobody, and what is no speech is not let in.

What fails a line on its own: not finite, silent, cut off at full scale, too short or too long for
its words, no end. Against the baseline of the same voice: another length, another sound.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import time

import numpy as np

from indextts_daemon.audio.timbre import Timbre, timbre
from indextts_daemon.errors import EngineUnavailableError, Problem, SpeechError, SynthesisError
from indextts_daemon.speech import ModelInfo, Samples, Say, Sentence, SpeechRequest, Voice
from indextts_daemon.text.language import language_name
from indextts_daemon.worker.handle import WorkerHandle

from .baselines import Baseline, Baselines
from .golden_lines import GoldenLine, lines

FRAME_S = 0.03
SILENT = 1e-3  # RMS, -60 dB, that a tenth of all moments have to reach: a click is not enough
FULL_SCALE = 0.999
CUT_RUN = 3  # samples at full scale in a row: a wave by itself only touches it
MOST_CUT = 0.02  # of all samples; loud speech that was brought to full scale stays far below
RATIOS = (0.6, 1.8)  # of the baseline's length
LEAST_LIKENESS = 0.5  # to the baseline: less is somebody else


class CanaryError(SpeechError):
    """The model does not speak as it should."""

    code = "canary_failed"

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        super().__init__(" ".join([message, *problems]))
        self.problems = tuple(Problem(message=problem) for problem in problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """What was measured on one line."""

    language: str
    voice: str
    duration_s: float
    took_s: float
    peak: float
    rms: float
    loud_rms: float  # that a tenth of all moments reach
    clipped_share: float
    duration_ratio: float | None = None  # to the baseline, as is the likeness
    likeness: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryReport:
    """What was measured on all lines, and what `Baselines.learn` takes once it is promoted."""

    lines: tuple[LineReport, ...]
    said: tuple[tuple[GoldenLine, Baseline], ...]

    def shape(self) -> dict[str, object]:
        """Return the figures as plain JSON."""
        return {"lines": [asdict(line) for line in self.lines]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Song:
    """One line as it was said."""

    line: GoldenLine
    samples: Samples
    sample_rate: int
    took_s: float

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate


async def sing(
    speaker: WorkerHandle,
    info: ModelInfo,
    voices: Sequence[Voice],
    baselines: Baselines,
    say: Say,
) -> CanaryReport:
    """Have a loaded model say its golden lines, with these voices. Raises CanaryError.

    Each line may take as long as a step of the engine; after one that takes longer, or ends the
    process, no other is asked for.
    """
    golden, problems = lines(voices), list[str]()
    reports, said = list[LineReport](), list[tuple[GoldenLine, Baseline]]()
    for place, line in enumerate(golden, 1):
        say(f"It speaks to nobody: line {place} of {len(golden)}.")
        try:
            song = await _sung(speaker, line)
        except SynthesisError as err:
            problems.append(f"{_named(line)}: {err.message}")
            continue
        except EngineUnavailableError as err:
            problems.append(f"{_named(line)}: {err.message}")
            break
        except TimeoutError:
            limit_s = speaker.spec.step_timeout_s
            problems.append(f"{_named(line)} did not come to an end within {limit_s:g} s.")
            break
        if not (song.samples.size and np.isfinite(song.samples).all()):
            problems.append(f"{_named(line)} is no sound.")
            continue
        if song.took_s > song.duration_s:
            pace = song.took_s / song.duration_s
            say(f"It takes {pace:.1f} seconds for a second of speech: slower than it is spoken.")
        report, sound = await asyncio.to_thread(_measured, song, baselines.before(line))
        problems += _faults(line, report, known=baselines.of(line) is not None)
        reports.append(report)
        said.append((line, Baseline(duration_s=report.duration_s, timbre=sound)))
    if not golden:
        problems.append("It has no voice.")
    if problems:
        raise CanaryError(f"The model {info.id} does not speak as it should.", problems)
    return CanaryReport(lines=tuple(reports), said=tuple(said))


async def _sung(speaker: WorkerHandle, line: GoldenLine) -> _Song:
    """Listen to a line, or to its beginning where it is far too long.

    Raises SynthesisError, EngineUnavailableError, TimeoutError.
    """
    began, parts, rate, length_s = time.monotonic(), list[Samples](), 1, 0.0
    request, sentence = SpeechRequest(language=line.language), Sentence.plain(line.text)
    async with (
        asyncio.timeout(speaker.spec.step_timeout_s),
        speaker.submit(request, line.voice, [sentence]) as stream,
    ):
        async for chunk in stream:
            parts.append(chunk.samples)
            rate = chunk.sample_rate
            length_s += len(chunk.samples) / rate
            if length_s > line.longest_s:
                break
    return _Song(
        line=line,
        samples=np.concatenate([*parts, np.zeros(0, np.float32)]),
        sample_rate=rate,
        took_s=time.monotonic() - began,
    )


def _measured(song: _Song, before: Baseline | None) -> tuple[LineReport, Timbre | None]:
    """Measure a line, and compare it to how the voice said it before."""
    samples = song.samples
    sound = timbre(samples, song.sample_rate)
    ratio = likeness = None
    if before is not None:
        ratio = round(song.duration_s / before.duration_s, 2)
        if sound is not None and before.timbre is not None:
            likeness = round(before.timbre.likeness(sound), 2)
    report = LineReport(
        language=song.line.language,
        voice=song.line.voice.id,
        duration_s=round(song.duration_s, 2),
        took_s=round(song.took_s, 2),
        peak=round(float(np.abs(samples).max(initial=0.0)), 4),
        rms=round(float(np.sqrt(np.square(samples, dtype=np.float64).mean())), 5),
        loud_rms=round(_loudness(samples, song.sample_rate), 5),
        clipped_share=round(_cut_off(samples), 5),
        duration_ratio=ratio,
        likeness=likeness,
    )
    return report, sound


def _loudness(samples: Samples, sample_rate: int) -> float:
    """Return the RMS that a tenth of all moments reach."""
    frame = max(1, round(FRAME_S * sample_rate))
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if not len(whole):
        return 0.0
    powers = np.square(whole, dtype=np.float64).mean(axis=1)
    return float(np.sqrt(np.percentile(powers, 90)))


def _cut_off(samples: Samples) -> float:
    """Return the share of samples that stay at full scale for longer than a wave does by itself."""
    full = np.abs(samples) >= FULL_SCALE
    if len(full) < CUT_RUN:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(full, CUT_RUN).all(axis=1)
    return float(np.convolve(runs, np.ones(CUT_RUN)).astype(bool).mean())


def _faults(line: GoldenLine, report: LineReport, *, known: bool) -> Iterator[str]:
    """Say what is wrong with a line; `known` is whether this very voice has a baseline."""
    name, length = _named(line), f"{report.duration_s:.1f} s"
    if report.loud_rms < SILENT:
        yield f"{name} is silent."
    if report.clipped_share > MOST_CUT:
        yield f"{name} is distorted: {report.clipped_share:.0%} of it is at full scale."
    if report.duration_s < line.shortest_s:
        yield f"{name} is too short for its words: {length}."
    if report.duration_s > line.longest_s:
        yield f"{name} is too long for its words: it had not ended after {length}."
    if not known:
        return
    ratio, likeness = report.duration_ratio, report.likeness
    if ratio is not None and not RATIOS[0] <= ratio <= RATIOS[1]:
        yield f"{name} takes {ratio:g} times as long as this voice took before."
    if likeness is not None and likeness < LEAST_LIKENESS:
        yield f"{name} does not sound like this voice did before."


def _named(line: GoldenLine) -> str:
    return f"The line in {language_name(line.language)}"
