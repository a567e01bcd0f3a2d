"""Frames between the processes: every message survives the way, nonsense has a name."""

from dataclasses import MISSING, fields
from functools import partial
from typing import Any, get_args

from hypothesis import Phase, find, given, settings, strategies as st
import msgpack
import numpy as np
import pytest

from indextts_daemon.speech import (
    AudioChunk,
    Emotion,
    JobId,
    ModelInfo,
    Sentence,
    SpeechRequest,
    Voice,
)
from indextts_daemon.worker.protocol import (
    MAX_FRAME,
    Append,
    AskStats,
    Audio,
    Cancel,
    Cancelled,
    Command,
    Dying,
    End,
    Failed,
    Finished,
    FrameReader,
    Heartbeat,
    Load,
    MalformedFrameError,
    Message,
    Progress,
    Ready,
    Report,
    Start,
    Stats,
    Stop,
    decode,
    encode,
)

ANY = settings(phases=[Phase.generate])  # the first that is found
texts = st.text(st.characters(exclude_categories=()))  # lone surrogates too
names = st.lists(texts, max_size=3).map(tuple)
jobs = st.integers(0, 1 << 62).map(JobId)
seconds = st.floats(allow_nan=False)
counts = st.integers(-(1 << 60), 1 << 60)
voices = st.builds(
    Voice,
    id=texts,
    name=texts,
    languages=names,
    models=names,
    revision=texts,
    moods=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    handle=texts,
)
emotions = st.builds(
    Emotion,
    weights=st.lists(seconds, max_size=8).map(tuple),
    voice=st.none() | voices,
    text=texts,
    strength=seconds,
)
chunks = st.builds(
    AudioChunk,
    samples=st.lists(st.floats(width=32, allow_nan=False), max_size=50).map(
        lambda values: np.array(values, np.float32)
    ),
    sample_rate=st.integers(1, 1 << 20),
    stages=st.dictionaries(texts, seconds, max_size=3),
)
infos = st.builds(
    ModelInfo,
    id=texts,
    engine=texts,
    name=texts,
    revision=texts,
    voices=st.lists(voices, max_size=3).map(tuple),
    parameters=st.frozensets(texts, max_size=3),
    max_jobs=counts,
    pronunciation=names,
)
requests = st.builds(
    SpeechRequest,
    language=texts,
    speed=seconds,
    seed=st.integers(0, 1 << 32),
    emotion=st.none() | emotions,
)
options = st.dictionaries(texts, st.none() | st.booleans() | counts | seconds | texts, max_size=3)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Load, engine=texts, model=texts, nice=counts, options=options),
    st.builds(Start, job=jobs, request=requests, voice=voices),
    st.builds(Append, job=jobs, sentence=st.builds(Sentence, raw=texts, normalized=texts)),
    *(st.builds(kind, job=jobs) for kind in (End, Cancel, Finished, Cancelled)),
    *(st.builds(kind) for kind in (AskStats, Stop)),
    st.builds(Progress, state=texts, sentence=texts),
    st.builds(Ready, info=infos),
    st.builds(Audio, job=jobs, chunk=chunks),
    st.builds(Failed, job=jobs, code=texts, message=texts),
    st.builds(Dying, reason=texts, message=texts),
    st.builds(Stats, counters=st.dictionaries(texts, counts, max_size=3)),
    st.builds(Heartbeat, at=seconds, step_started_at=st.none() | seconds),
)


def comparable(message: Message) -> Any:
    """Return the message's parts, arrays as bytes: chunks have no equality."""
    if isinstance(message, Audio):
        chunk = message.chunk
        return message.job, chunk.samples.tobytes(), chunk.sample_rate, chunk.stages
    return type(message), [getattr(message, field.name) for field in fields(message)]


def feed(reader: FrameReader, data: bytes) -> list[Message]:
    received: list[Message] = []
    while data:
        buffer = reader.get_buffer()
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        received += reader.received(count)
        data = data[count:]
    return received


@pytest.mark.parametrize("kind", [*get_args(Command), *get_args(Report)])
def test_every_kind_of_message_is_tried_below(kind: type[Message]) -> None:
    patient = settings(ANY, max_examples=5000)  # there are many kinds, and each has to come up
    found = find(messages, lambda message: isinstance(message, kind), settings=patient)
    assert isinstance(found, kind)


@pytest.mark.parametrize("strategy", [voices, emotions, infos, requests, chunks])
def test_every_part_that_may_be_left_out_is_tried_below(strategy: st.SearchStrategy[Any]) -> None:
    for field in fields(find(strategy, lambda _: True, settings=ANY)):
        if field.default is not MISSING:
            unlike = partial(_differs, field.name, field.default)
            assert unlike(find(strategy, unlike, settings=ANY))


def _differs(name: str, default: object, found: object) -> bool:
    return bool(getattr(found, name) != default)


@given(messages)
def test_every_message_survives_the_way(message: Message) -> None:
    assert comparable(decode(encode(message)[4:])) == comparable(message)


@given(st.lists(messages, max_size=5), st.integers(1, 100))
def test_frames_may_arrive_in_any_pieces(sent: list[Message], size: int) -> None:
    stream = b"".join(map(encode, sent))
    reader = FrameReader()
    received = [
        message
        for start in range(0, len(stream), size)
        for message in feed(reader, stream[start : start + size])
    ]
    assert list(map(comparable, received)) == list(map(comparable, sent))


def test_a_frame_larger_than_the_buffer_arrives_whole() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 1_000_000).astype(np.float32)
    chunk = AudioChunk(samples=samples, sample_rate=24000)
    sent = [Audio(job=JobId(1), chunk=chunk), Finished(job=JobId(1))]
    received = feed(FrameReader(), b"".join(map(encode, sent)))
    assert list(map(comparable, received)) == list(map(comparable, sent))


def test_received_samples_do_not_change_when_the_buffer_is_used_again() -> None:
    reader = FrameReader()
    chunk = AudioChunk(samples=np.ones(100, np.float32), sample_rate=24000)
    [first] = feed(reader, encode(Audio(job=JobId(1), chunk=chunk)))
    silence = AudioChunk(samples=np.zeros(100, np.float32), sample_rate=24000)
    feed(reader, encode(Audio(job=JobId(1), chunk=silence)))
    assert isinstance(first, Audio)
    assert first.chunk.samples.all()


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_malformed_frame(nonsense: bytes) -> None:
    try:
        message = decode(nonsense)
    except MalformedFrameError:
        return
    assert comparable(decode(encode(message)[4:])) == comparable(message)


@given(messages, st.data())
def test_a_damaged_frame_is_malformed_or_another_message(message: Message, data: Any) -> None:
    frame = bytearray(encode(message)[4:])
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] = data.draw(st.integers(0, 255))
    try:
        decode(frame)
    except MalformedFrameError:
        return


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"is": "zork"},
        {"is": ["end"]},
        {"is": "end"},
        {"is": "end", "job": "1"},
        {"is": "end", "job": True},
        {"is": "ready", "info": {}},
        {"is": "stats", "counters": [1]},
        {"is": "audio", "job": 1, "rate": 24000, "stages": 3},
        {"is": "append", "job": 1, "sentence": {"raw": b"", "normalized": ""}},
        ["end", 1],
        {1: 2},
    ],
)
def test_a_header_that_is_none_is_malformed(header: object) -> None:
    with pytest.raises(MalformedFrameError):
        decode(msgpack.packb(header))


def test_audio_that_is_cut_within_a_sample_is_malformed() -> None:
    chunk = AudioChunk(samples=np.ones(3, np.float32), sample_rate=24000)
    with pytest.raises(MalformedFrameError):
        decode(encode(Audio(job=JobId(1), chunk=chunk))[4:-1])


def test_bytes_after_a_message_without_audio_are_malformed() -> None:
    with pytest.raises(MalformedFrameError):
        decode(encode(End(job=JobId(1)))[4:] + b"\0\0\0\0")


def test_a_length_over_the_limit_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(MalformedFrameError):
        feed(FrameReader(), (MAX_FRAME + 1).to_bytes(4, "big"))


def test_a_message_over_the_limit_is_not_sent() -> None:
    samples = np.broadcast_to(np.float32(0), (MAX_FRAME // 4 + 1,))
    with pytest.raises(MalformedFrameError):
        encode(Audio(job=JobId(1), chunk=AudioChunk(samples=samples, sample_rate=24000)))
