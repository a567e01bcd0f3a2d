"""The embedded English voice: hibari's phonemes and network, and a waveform that starts early."""

from collections.abc import Iterator
import json
import time
import zlib

from hibari import Hibari  # type: ignore[import-untyped]
from hibari.g2p import G2P  # type: ignore[import-untyped]
from hibari.g2p.oov import OOV  # type: ignore[import-untyped]
import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from indextts_daemon.speech import AudioChunk, SpeechRequest, Voice

from .packaged import checked, folder, revision_of
from .pieces import FASTEST, SLOWEST, Piece, bounded, breakable
from .waveform import SAMPLE_RATE, NoiseTable, Spectra, Waveform

DIGESTS = {
    "hibari.onnx": "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
    "lexicon_us_gold.json.gz": "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2",
    "lexicon_us_silver.json.gz": "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3",
    "normalize.json": "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8",
    "oov.json": "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c",
    "oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "tagger.json.gz": "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb",
    "tokenizer_exceptions.json": "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a",
    "vocab.json": "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d",
    "voices.json": "f8b7657ecd0e0e362d3403e99538c0e5bfe20d6a903dfcd04c772b2c73abb204",
}
_LONGEST = 400  # characters, and phonemes: half a minute of speech, 70 ms of work
_FIRST_WINDOW = 32  # frames of 12.5 ms: soon there, and long enough to render the next meanwhile
_WINDOW = 512


class HeartVoice:
    """Speaks American English at 24 kHz."""

    def __init__(self) -> None:
        assets = folder("hibari", "assets")
        files = checked(assets, DIGESTS)
        self.voice = Voice(
            id="heart",
            name="Heart",
            languages=("en",),
            models=("embedded",),
            revision=revision_of(DIGESTS),
        )
        self._network = _session(files["hibari.onnx"])
        self._vocabulary: dict[str, int] = json.loads(files["vocab.json"])
        unknown_words = OOV(str(assets / "oov.onnx"), session=_session(files["oov.onnx"]))
        self._phonemes = G2P(oov=unknown_words)
        self._noise = NoiseTable()

    def speak(self, text: str, request: SpeechRequest, number: int) -> Iterator[Piece]:
        """Speak a sentence: its first 0.4 s as soon as the network has run, then the rest."""
        begun = time.perf_counter()
        runs = self._runs(text)
        stages = {"normalize": time.perf_counter() - begun}
        for index, ids in enumerate(runs):
            begun = time.perf_counter()
            spectra = self._predict(ids, request.speed)
            predicted = time.perf_counter()
            stages["s2mel"] = predicted - begun
            place = zlib.crc32(b"%d %d %d" % (request.seed, number, index))
            waveform = Waveform(spectra, self._noise, place=place)
            window = _FIRST_WINDOW
            begun = predicted
            while waveform.frames_left > 0:
                samples = waveform.render(window)
                np.clip(samples, -1, 1, out=samples)
                stages["vocoder"] = time.perf_counter() - begun
                chunk = AudioChunk(samples=samples, sample_rate=SAMPLE_RATE, stages=stages)
                yield Piece(chunk=chunk, last=waveform.frames_left == 0 and index == len(runs) - 1)
                stages, window = {}, _WINDOW
                begun = time.perf_counter()

    def _runs(self, text: str) -> list[list[int]]:
        """Return what the network is to say, in runs that it can hold at once."""
        runs = []
        for sentence in Hibari.split_sentences(breakable(text)):
            for part in bounded(sentence, _LONGEST):
                for phonemes in bounded(self._phonemes(part), _LONGEST):
                    ids = [self._vocabulary[c] for c in phonemes if c in self._vocabulary]
                    if any(map(str.isalpha, phonemes)):
                        runs.append([0, *ids, 0])
        return runs

    def _predict(self, ids: list[int], speed: float) -> Spectra:
        feed = {
            "ids": np.asarray([ids], np.int64),
            "speed": np.asarray([min(max(speed, SLOWEST), FASTEST)], np.float32),
        }
        outputs = self._network.run(("lh", "theta", "ln", "lr", "phi", "f0"), feed)
        harmonic, harmonic_phase, noise, free, free_phase, pitch = (each[0] for each in outputs)
        return Spectra(
            harmonic=harmonic,
            harmonic_phase=harmonic_phase,
            noise=noise,
            free=free,
            free_phase=free_phase,
            pitch=pitch,
        )


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
