"""The embedded voices themselves: they speak, intelligibly, as asked, whatever the text."""

from collections.abc import Iterator, Sequence

from hibari import Hibari, dsp
import jiwer
import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder
import pytest
import soxr

from indextts_daemon.engines import embedded
from indextts_daemon.engines.embedded import EmbeddedEngine
from indextts_daemon.engines.heart import HeartVoice
from indextts_daemon.engines.waveform import NoiseTable, Spectra, Waveform
from indextts_daemon.speech import (
    AudioChunk,
    Failed,
    Finished,
    JobId,
    Samples,
    Sentence,
    SpeechRequest,
)

SENTENCE = "The washing machine has finished, and the laundry is ready to be hung outside."
IN_LANGUAGE = {
    "heart": SENTENCE,
    "pico-de": "Die Waschmaschine ist fertig.",
    "pico-es": "La lavadora ha terminado.",
    "pico-fr": "La machine à laver a terminé.",
    "pico-it": "La lavatrice ha finito.",
    "pico-en-gb": "The washing machine has finished.",
}
ODD_TEXTS = {
    "markup": "<speak>Hello <break/> there</speak> <volume level='500'>you</volume>",
    "null": "Hello\0 there",
    "emoji": "Hello 😀🎉 there",
    "chinese": "洗衣机已经洗完了。",
    "surrogate": "Hello \ud800 there",
    "no clause": "word " * 400,
    "one word": "ä" * 900,
    "digits": "1" * 900,
    "marks": "!?" * 300 + " yes",
    "phonemes": "[x](/" + "a" * 500 + "/)",
    "control": "\x1b[31mHello\r\n\t there\x7f",
}
HOME_SENTENCES = (
    "The washing machine has finished.",
    "Someone is standing at the front door.",
    "The lights in the living room are off.",
    "It is going to rain in the afternoon.",
    "Please close the kitchen window.",
    "Dinner will be ready in a few minutes.",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    loaded = embedded.create({"threads": 2})
    yield loaded
    loaded.close()


def say(
    engine: EmbeddedEngine, voice: str, *texts: str, speed: float = 1.0, seed: int = 0
) -> tuple[list[AudioChunk], Finished | Failed]:
    [chosen] = [each for each in engine.info.voices if each.id == voice]
    request = SpeechRequest(language=chosen.languages[0], speed=speed, seed=seed)
    job = JobId(1)
    engine.start(job, request, chosen)
    for text in texts:
        engine.append(job, Sentence(raw="not this", normalized=text))
    engine.end(job)
    chunks: list[AudioChunk] = []
    while True:
        for _, outcome in engine.step():
            if not isinstance(outcome, AudioChunk):
                return chunks, outcome
            chunks.append(outcome)


def sound(chunks: Sequence[AudioChunk]) -> Samples:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize("voice", IN_LANGUAGE)
def test_every_voice_speaks_at_a_sane_level(engine: EmbeddedEngine, voice: str) -> None:
    chunks, end = say(engine, voice, IN_LANGUAGE[voice])
    samples, rate = sound(chunks), chunks[0].sample_rate
    assert end == Finished()
    assert 1.0 < len(samples) / rate < 8.0
    assert np.abs(samples).max() <= 1.0
    assert 0.02 < np.sqrt(np.mean(samples**2)) < 0.12
    assert chunks[0].stages["vocoder"] > 0


def test_the_voices_are_those_that_need_no_download(engine: EmbeddedEngine) -> None:
    languages = {voice.id: voice.languages for voice in engine.info.voices}
    assert languages == {
        "heart": ("en",),
        "pico-de": ("de",),
        "pico-es": ("es",),
        "pico-fr": ("fr",),
        "pico-it": ("it",),
        "pico-en-gb": ("en-GB",),
    }
    assert engine.info.parameters == {"speed", "seed"}


@pytest.mark.parametrize("voice", IN_LANGUAGE)
def test_speed_acts_in_the_right_direction(engine: EmbeddedEngine, voice: str) -> None:
    slow, normal, fast, clamped = (
        len(sound(say(engine, voice, IN_LANGUAGE[voice], speed=speed)[0]))
        for speed in (0.5, 1.0, 2.0, 9.0)
    )
    assert slow > 1.6 * normal
    assert normal > 1.4 * fast
    assert clamped == fast


@pytest.mark.parametrize("voice", IN_LANGUAGE)
def test_the_same_seed_gives_the_same_samples(engine: EmbeddedEngine, voice: str) -> None:
    texts = (IN_LANGUAGE[voice], IN_LANGUAGE[voice])
    once, again = (sound(say(engine, voice, *texts, seed=4)[0]) for _ in range(2))
    assert np.array_equal(once, again)


def test_seeds_and_sentences_differ_in_their_noise(engine: EmbeddedEngine) -> None:
    heard = [sound(say(engine, "heart", SENTENCE, seed=seed)[0]) for seed in (1, 2, 3)]
    heard.append(sound(say(engine, "heart", SENTENCE, SENTENCE, seed=1)[0])[len(heard[0]) :])
    assert {len(samples) for samples in heard} == {len(heard[0])}
    assert len({samples.tobytes() for samples in heard}) == 4


def test_the_first_chunk_is_short_and_the_rest_follows(engine: EmbeddedEngine) -> None:
    chunks, _ = say(engine, "heart", SENTENCE)
    assert [len(chunk.samples) / chunk.sample_rate < 0.5 for chunk in chunks] == [True, False]


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
@pytest.mark.parametrize("voice", ["heart", "pico-de", "pico-en-gb"])
def test_any_text_is_spoken_or_has_nothing_to_say(
    engine: EmbeddedEngine, voice: str, text: str
) -> None:
    chunks, end = say(engine, voice, text)
    assert end == Finished() if chunks else isinstance(end, Failed)
    assert not isinstance(end, Failed) or end.code == "nothing_to_say"
    for chunk in chunks:
        assert np.isfinite(chunk.samples).all()
        assert len(chunk.samples) < 60 * chunk.sample_rate


@pytest.mark.parametrize("voice", IN_LANGUAGE)
@pytest.mark.parametrize("text", ["", " ", "😀", "...", "\0"])
def test_without_a_word_there_is_nothing_to_say(
    engine: EmbeddedEngine, voice: str, text: str
) -> None:
    chunks, end = say(engine, voice, text)
    assert chunks == []
    assert isinstance(end, Failed)
    assert end.code == "nothing_to_say"


def test_pico_obeys_no_markup_in_the_text(engine: EmbeddedEngine) -> None:
    plain, _ = say(engine, "pico-de", "speed level='20' Hallo Welt /speed")
    marked, _ = say(engine, "pico-de", "<speed level='20'>Hallo Welt</speed>")
    assert np.isclose(len(sound(plain)), len(sound(marked)), rtol=0.3)


class _GivenNoise:
    """Stands in for the generator that hibari draws from."""

    def __init__(self, table: NoiseTable, place: int) -> None:
        self._table, self._place = table, place

    def standard_normal(self, shape: tuple[int, int], dtype: type) -> NDArray[np.float32]:
        frames = [self._table.frames(self._place, frame, 1) for frame in range(shape[1] // 2)]
        return np.ascontiguousarray(np.concatenate(frames).T).view(np.float32)


@pytest.mark.parametrize("text", [SENTENCE, "Okay.", "a"])
@pytest.mark.parametrize("windows", [[10_000], [32, 10_000], [1] * 2000, [7, 200, 3, 10_000]])
def test_windows_add_up_to_what_hibari_computes_at_once(text: str, windows: list[int]) -> None:
    network = Hibari()
    [phonemes] = network.phonemize(text)
    feed = {"ids": np.asarray([network.ids(phonemes)]), "speed": np.ones(1, np.float32)}
    parts = [output[0] for output in network.sess.run(None, feed)]
    names = ("harmonic", "harmonic_phase", "noise", "free", "free_phase", "pitch")
    table = NoiseTable()
    waveform = Waveform(Spectra(**dict(zip(names, parts, strict=True))), table, place=520_000)
    rendered = [waveform.render(window) for window in windows if waveform.frames_left]
    whole = dsp.synth(*(part.copy() for part in parts), _GivenNoise(table, 520_000))
    assert np.allclose(np.concatenate(rendered), whole, rtol=0, atol=1e-6)


def test_heart_differs_from_hibari_no_more_than_seeds_do(engine: EmbeddedEngine) -> None:
    network = Hibari()
    ours = sound(say(engine, "heart", SENTENCE)[0])
    theirs, reseeded = (network(SENTENCE, seed=seed) for seed in (0, 1))
    assert _spectral_distance(ours, theirs) < 1.05 * _spectral_distance(reseeded, theirs)


def _spectral_distance(one: Samples, other: Samples) -> float:
    assert len(one) == len(other)
    levels = [np.log(np.abs(np.fft.rfft(each.reshape(-1, 300) + 1e-6))) for each in (one, other)]
    return float(np.mean(np.abs(levels[0] - levels[1])))


def test_heart_is_understood(engine: EmbeddedEngine) -> None:
    heard, reversed_heard = [], []
    decoder = Decoder(samprate=16000, loglevel="FATAL")
    for text in HOME_SENTENCES:
        samples = soxr.resample(sound(say(engine, "heart", text)[0]), 24000, 16000)
        heard.append(_recognised(decoder, samples))
        reversed_heard.append(_recognised(decoder, samples[::-1]))
    said = [text.lower().rstrip(".") for text in HOME_SENTENCES]
    assert jiwer.wer(said, heard) <= 0.2
    assert jiwer.wer(said, reversed_heard) > 0.8


def _recognised(decoder: Decoder, samples: Samples) -> str:
    padded = np.pad(samples, 8000)
    decoder.start_utt()
    decoder.process_raw((padded * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def test_heart_loads_from_the_bytes_that_were_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path reaches onnxruntime: between the check and the load nothing can change."""
    models: list[object] = []
    original = embedded.heart.onnxruntime.InferenceSession

    def recording(model: object, *args: object, **kwargs: object) -> object:
        models.append(model)
        return original(model, *args, **kwargs)

    monkeypatch.setattr(embedded.heart.onnxruntime, "InferenceSession", recording)
    HeartVoice()
    assert [type(model) for model in models] == [bytes, bytes]
