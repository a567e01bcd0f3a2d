"""What the two processes say to each other: typed messages and their frames on the socket pair.

A frame is the length of the rest (u32, big-endian), a msgpack map, and for audio the samples as
float32 little-endian. Knows no sockets: bytes in, messages out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
import struct
from typing import Any, ClassVar

import msgpack  # type: ignore[import-untyped]
import numpy as np

from indextts_daemon.speech import (
    AudioChunk,
    Emotion,
    JobId,
    ModelInfo,
    Samples,
    Sentence,
    SpeechRequest,
    Voice,
)

MAX_FRAME = 64 << 20  # bytes after the length: eleven minutes of audio at 24 kHz
LOAD_JOB = JobId(0)  # in a `Failed`: loading failed, not a job
_LONE_SURROGATES = "surrogatepass"  # JSON lets them in; they must not break the pipe
_LENGTH = struct.Struct(">I")
_HEADER_PEEK = 1 << 10  # an audio frame's map is shorter; others are parsed whole


class MalformedFrameError(ValueError):
    """The other process sent what is not a frame: it cannot be talked to any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Become the worker of this model."""

    engine: str
    model: str
    nice: int = 0
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Open a job; its sentences follow."""

    job: JobId
    request: SpeechRequest
    voice: Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """The next sentence of a job."""

    job: JobId
    sentence: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """No further sentence follows."""

    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Forget a job; answered by `Cancelled`, whatever became of it."""

    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStats:
    """Answered by `Stats`, also while a step runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Take no new job, speak the live ones to their end, and exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Loading has come to `state`, and in a sentence for people so far."""

    state: str
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The engine is loaded and has spoken once."""

    info: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """The next stretch of a job's speech."""

    job: JobId
    chunk: AudioChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job is spoken to its end."""

    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A job, or for `LOAD_JOB` the loading, cannot go on."""

    job: JobId
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job is forgotten: no later frame mentions it."""

    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Dying:
    """The process cannot go on and ends now: `crash` or `oom`, and in a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters since the worker was ready; told when asked for and before a job's end."""

    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Once a second; both times are the worker's monotonic clock, None when no step runs."""

    at: float
    step_started_at: float | None


Command = Load | Start | Append | End | Cancel | AskStats | Stop
Report = Progress | Ready | Audio | Finished | Failed | Cancelled | Dying | Stats | Heartbeat
Message = Command | Report


def encode(message: Message) -> bytes:
    """Return the whole frame."""
    header, audio = _encode_map(message), b""
    if isinstance(message, Audio):
        audio = np.ascontiguousarray(message.chunk.samples, "<f4").tobytes()
    packed = msgpack.packb(header, unicode_errors=_LONE_SURROGATES)
    size = len(packed) + len(audio)
    if size > MAX_FRAME:
        raise MalformedFrameError(f"A frame of {size} bytes is over the limit of {MAX_FRAME}.")
    return b"".join((_LENGTH.pack(size), packed, audio))


def decode(frame: bytes | bytearray | memoryview) -> Message:
    """Read one frame without its length. The samples are a copy; the buffer may be reused."""
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_FRAME, unicode_errors=_LONE_SURROGATES)
    body = memoryview(frame)
    try:
        unpacker.feed(body[:_HEADER_PEEK])
        try:
            header = unpacker.unpack()
        except msgpack.OutOfData:
            unpacker.feed(body[_HEADER_PEEK:])
            header = unpacker.unpack()
        return _decode_map(header, body[unpacker.tell() :])
    except MalformedFrameError:
        raise
    except (
        msgpack.UnpackException,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as err:
        raise MalformedFrameError(f"A frame cannot be read: {type(err).__name__}.") from err


class FrameReader:
    """Cuts a byte stream into messages, receiving into its own buffer."""

    _SPARE: ClassVar[int] = 64 << 10

    def __init__(self) -> None:
        self._buffer = bytearray(4 * self._SPARE)
        self._filled = 0

    def get_buffer(self) -> memoryview:
        """Return where the next bytes are to be put."""
        if len(self._buffer) - self._filled < self._SPARE:
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._filled :]

    def received(self, count: int) -> list[Message]:
        """Take note of `count` new bytes and return the messages that are now whole."""
        self._filled += count
        messages: list[Message] = []
        start = 0
        with memoryview(self._buffer) as view:
            while self._filled - start >= _LENGTH.size:
                (size,) = _LENGTH.unpack_from(view, start)
                if size > MAX_FRAME:
                    raise MalformedFrameError(f"A frame announces {size} bytes.")
                end = start + _LENGTH.size + size
                if end > self._filled:
                    break
                messages.append(decode(view[start + _LENGTH.size : end]))
                start = end
        if start:
            rest = self._buffer[start : self._filled]
            self._buffer[: len(rest)] = rest
            self._filled = len(rest)
        return messages


def _encode_map(message: Message) -> dict[str, object]:
    kind = type(message).__name__.lower()
    match message:
        case Audio(job=job, chunk=chunk):
            return {"is": kind, "job": job, "rate": chunk.sample_rate, "stages": chunk.stages}
        case Start(job=job, request=request, voice=voice):
            return {
                "is": kind,
                "job": job,
                "request": {**_fields(request), "emotion": _emotion_fields(request.emotion)},
                "voice": _fields(voice),
            }
        case Append(job=job, sentence=sentence):
            return {"is": kind, "job": job, "sentence": _fields(sentence)}
        case Ready(info=info):
            voices = [_fields(voice) for voice in info.voices]
            parameters = sorted(info.parameters)
            plain = {**_fields(info), "voices": voices, "parameters": parameters}
            return {"is": kind, "info": plain}
        case _:
            return {"is": kind, **_fields(message)}


def _fields(thing: Any) -> dict[str, object]:
    return {name: getattr(thing, name) for name in thing.__dataclass_fields__}


def _emotion_fields(emotion: Emotion | None) -> dict[str, object] | None:
    if emotion is None:
        return None
    lender = None if emotion.voice is None else _fields(emotion.voice)
    return {**_fields(emotion), "voice": lender}


def _decode_map(header: Any, audio: memoryview) -> Message:
    if not isinstance(header, dict):
        raise MalformedFrameError("A frame does not begin with a map.")
    kind = header.pop("is", None)
    if kind == "audio":
        return Audio(job=_job(header), chunk=_chunk(header, audio))
    if len(audio):
        raise MalformedFrameError("Bytes follow a frame that carries no audio.")
    if not isinstance(kind, str) or kind not in _DECODERS:
        raise MalformedFrameError("A frame of an unknown kind.")
    message: Message = _DECODERS[kind](header)
    return message


def _is(value: Any, *types: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, types):
        raise MalformedFrameError("A field has the wrong type.")
    return value


def _job(header: dict[str, Any]) -> JobId:
    return JobId(_is(header["job"], int))


def _chunk(header: dict[str, Any], audio: memoryview) -> AudioChunk:
    samples: Samples = np.array(np.frombuffer(audio, "<f4"), np.float32)
    stages = {
        _is(key, str): float(_is(header["stages"][key], int, float)) for key in header["stages"]
    }
    return AudioChunk(samples=samples, sample_rate=_is(header["rate"], int), stages=stages)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(_is(value, str) for value in _is(values, list))


def _voice(fields: dict[str, Any]) -> Voice:
    return Voice(
        id=_is(fields["id"], str),
        name=_is(fields["name"], str),
        languages=_texts(fields["languages"]),
        models=_texts(fields["models"]),
        revision=_is(fields["revision"], str),
        moods=tuple((mood, voice) for mood, voice in map(_texts, _is(fields["moods"], list))),
        handle=_is(fields["handle"], str),
    )


def _emotion(fields: Any) -> Emotion | None:
    if fields is None:
        return None
    lender = _is(fields, dict)["voice"]
    return Emotion(
        weights=tuple(float(_is(weight, int, float)) for weight in _is(fields["weights"], list)),
        voice=None if lender is None else _voice(_is(lender, dict)),
        text=_is(fields["text"], str),
        strength=float(_is(fields["strength"], int, float)),
    )


def _info(fields: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=_is(fields["id"], str),
        engine=_is(fields["engine"], str),
        name=_is(fields["name"], str),
        revision=_is(fields["revision"], str),
        voices=tuple(_voice(_is(voice, dict)) for voice in _is(fields["voices"], list)),
        parameters=frozenset(_texts(fields["parameters"])),
        max_jobs=_is(fields["max_jobs"], int),
        pronunciation=_texts(fields["pronunciation"]),
    )


def _request(fields: dict[str, Any]) -> SpeechRequest:
    return SpeechRequest(
        language=_is(fields["language"], str),
        speed=float(_is(fields["speed"], int, float)),
        seed=_is(fields["seed"], int),
        emotion=_emotion(fields["emotion"]),
    )


def _sentence(fields: dict[str, Any]) -> Sentence:
    return Sentence(raw=_is(fields["raw"], str), normalized=_is(fields["normalized"], str))


def _options(fields: Any) -> dict[str, object]:
    return {_is(name, str): value for name, value in _is(fields, dict).items()}


def _counters(fields: Any) -> dict[str, int]:
    return {_is(name, str): _is(value, int) for name, value in _is(fields, dict).items()}


def _seconds_or_none(value: Any) -> float | None:
    return None if value is None else float(_is(value, int, float))


_DECODERS: Mapping[str, Any] = {
    "load": lambda h: Load(
        engine=_is(h["engine"], str),
        model=_is(h["model"], str),
        nice=_is(h["nice"], int),
        options=_options(h["options"]),
    ),
    "start": lambda h: Start(
        job=_job(h), request=_request(_is(h["request"], dict)), voice=_voice(_is(h["voice"], dict))
    ),
    "append": lambda h: Append(job=_job(h), sentence=_sentence(_is(h["sentence"], dict))),
    "end": lambda h: End(job=_job(h)),
    "cancel": lambda h: Cancel(job=_job(h)),
    "askstats": lambda _: AskStats(),
    "stop": lambda _: Stop(),
    "progress": lambda h: Progress(state=_is(h["state"], str), sentence=_is(h["sentence"], str)),
    "ready": lambda h: Ready(info=_info(_is(h["info"], dict))),
    "finished": lambda h: Finished(job=_job(h)),
    "failed": lambda h: Failed(
        job=_job(h), code=_is(h["code"], str), message=_is(h["message"], str)
    ),
    "cancelled": lambda h: Cancelled(job=_job(h)),
    "dying": lambda h: Dying(reason=_is(h["reason"], str), message=_is(h["message"], str)),
    "stats": lambda h: Stats(counters=_counters(h["counters"])),
    "heartbeat": lambda h: Heartbeat(
        at=float(_is(h["at"], int, float)), step_started_at=_seconds_or_none(h["step_started_at"])
    ),
}
