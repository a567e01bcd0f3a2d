"""The figures as tables for people, beside those of the official code and files.

Official seconds were taken on two cores of an EPYC, of five seconds of recording and sixty codes
with random weights in float32: more or less 30 percent.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

Known = Mapping[str, str | Mapping[str, str]]

PARAMETERS: Known = MappingProxyType(  # in millions
    {
        "gpt": {"2": "512", "2.5": "574"},
        "codec": {"2.5": "25.3"},
        "codec_encoder": {"2": "44.3 with codec and unused ones"},
        "length_regulator": "5",
        "flow_matching": "98.2 with unused ones",
        "vocoder": "112",
        "semantic_encoder": "411",
        "speaker_encoder": "6.85",
        "emotion_conditioner": "158",
        "speaker_conditioner": {"2": "178"},
    }
)
FILES: Known = MappingProxyType(  # in megabytes
    {
        "gpt": {"2": "3480", "2.5": "3259.6"},
        "s2mel": {"2": "415 and training state", "2.5": "414.9"},
        "codec": {"2": "177", "2.5": "202.4 and training state"},
        "semantic_encoder": "2320",
        "speaker_encoder": "28",
        "vocoder": "450",
        "statistics": "0.0093",
        "emotion_speakers": "0.057",
        "emotion_rows": "0.375",
    }
)
ENROLMENT: Known = MappingProxyType(  # in seconds, for a call
    {
        "semantic_encoder": "1.13",
        "speaker_encoder": "0.033",
        "codec_encoder": "0.061 with quantize",
        "speaker_conditioner": {"2": "0.43"},
        "emotion_conditioner": "0.32-0.37",
        "prompt_mel": "0.001",
        "speaker_input": "0.001",
    }
)
SENTENCE: Known = MappingProxyType(
    {
        "prefill": {"2": "0.49", "2.5": "0.32"},
        "token": "0.109",
        "beams": "0.226-0.284",
        "decode": "6.5",
        "latents": {"2": "0.76"},
        "dit": "0.74 (533 frames)",
        "flow": "22.7 (533 frames)",
        "vocoder": "0.86 (103 frames)",
        "rtf": {"2": "26"},
    }
)
LOADS = ("render official", "enrolment official", "render converted", "enrolment converted")


def as_text(version: str, figures: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """Return all tables of one version."""
    tables = (
        f"IndexTTS-{version}, " + ", ".join(f"{key} {value}" for key, value in machine.items()),
        _files(version, figures["written"]),
        _stages(version, figures),
        _loads(figures),
        _enrolment(version, figures["enrolment"]),
        _sentence(version, figures["sentence"]),
    )
    return "\n\n".join(tables) + "\n\n"


def _files(version: str, written: Mapping[str, Any]) -> str:
    rows = [
        (role, name, f"{size / 1e6:.4g}" if size < 1e6 else f"{size / 1e6:.1f}", told)
        for role, (name, size) in written["files"].items()
        if (told := _told(FILES, role, version))
    ]
    return _table("file|called|MB|official", rows)


def _stages(version: str, figures: Mapping[str, Any]) -> str:
    published, converted = figures["stages official"], figures["stages converted"]
    rows: list[Sequence[str]] = [
        (
            stage,
            f"{row['parameters'] / 1e6:.2f}",
            _told(PARAMETERS, stage, version),
            f"{row['seconds']:.2f}",
            f"{converted[stage]['seconds']:.2f}",
        )
        for stage, row in published.items()
    ]
    whole = sum(row["parameters"] for row in published.values())
    rows.append(("all", f"{whole / 1e6:.2f}", "", *_sums(published, converted)))
    return _table("stage|M parameters|official|read official, s|read converted, s", rows)


def _sums(*kinds: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{sum(row['seconds'] for row in kind.values()):.2f}" for kind in kinds)


def _loads(figures: Mapping[str, Any]) -> str:
    rows = []
    for kind in LOADS:
        cold, warm = figures[f"{kind}, from disk"], figures[f"{kind}, again"]
        memory = (f"{warm[key] / 1e9:.2f}" for key in ("peak", "own"))
        rows.append((kind, f"{cold['seconds']:.2f}", f"{warm['seconds']:.2f}", *memory))
    made = figures["converted"]
    convert = f"convert to {made['bytes'] / 1e9:.2f} GB"
    memory = (f"{made[key] / 1e9:.2f}" for key in ("peak", "own"))
    rows.append((convert, "", f"{made['seconds']:.2f}", *memory))
    return _table("load|from disk, s|again, s|peak, GB|of its own, GB", rows)


def _enrolment(version: str, figures: Mapping[str, Any]) -> str:
    first, again = figures["runs"]
    rows = [
        (f"stage {stage}", "", f"{seconds:.3f}", f"{again['stages'][stage]:.3f}", "")
        for stage, seconds in first["stages"].items()
    ]
    rows.append(("whole", "", f"{first['whole']:.3f}", f"{again['whole']:.3f}", ""))
    calls = {**first["networks"], **{name: [one] for name, one in first["features"].items()}}
    later = {**again["networks"], **{name: [one] for name, one in again["features"].items()}}
    rows += [
        (
            name,
            str(len(seconds)),
            f"{seconds[0]:.3f}",
            f"{later[name][0]:.3f}",
            _told(ENROLMENT, name, version),
        )
        for name, seconds in calls.items()
    ]
    frames, peak = figures["frames"], figures["peak"] / 1e9
    head = f"enrolment, {frames} frames, peak {peak:.2f} GB|calls|first, s|again, s|official"
    return _table(head, rows)


def _sentence(version: str, figures: Mapping[str, Any]) -> str:
    whole = figures["prompt_frames"] + figures["frames"]
    rows = [
        ("prefill", "prefill", figures["prefill"]),
        ("token", "a token, one beam", figures["token"]),
        ("beams", "a token, three beams", figures["beams"]),
        ("decode", f"decode of {figures['num_codes']} codes", figures["decode"]),
        ("latents", "second pass", figures["latents"]),
        ("", "latent projection", figures["latent_projection"]),
        ("", "codec", figures["codec"]),
        ("", "length regulator", figures["length_regulator"]),
        ("dit", f"DiT, a call of {whole} frames", figures["dit"]["median"]),
        ("flow", f"flow, {figures['dit']['calls']} steps", figures["flow"]),
        ("vocoder", f"vocoder, {figures['frames']} frames", figures["vocoder"]),
        ("", "whole", figures["whole"]),
    ]
    cells = [
        (name, "" if seconds is None else f"{seconds:.3f}", _told(SENTENCE, key, version))
        for key, name, seconds in rows
    ]
    cells.append(("RTF", f"{figures['rtf']:.1f}", _told(SENTENCE, "rtf", version)))
    audio, peak = figures["audio_s"], figures["peak"] / 1e9
    return _table(f"sentence of {audio:.2f} s, peak {peak:.2f} GB|seconds|official", cells)


def _told(known: Known, key: str, version: str) -> str:
    told = known.get(key, "")
    return told if isinstance(told, str) else told.get(version, "")


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    lines = [head.split("|"), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )
