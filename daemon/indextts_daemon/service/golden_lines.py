"""What a model says before it is let in: a household's sentence in each language, its bounds."""

from collections.abc import Iterable
from dataclasses import dataclass
import hashlib

from indextts_daemon.speech import Voice

MOST = 8  # lines; a model of more languages is heard in the first ones
NEUTRAL = "1, 2, 3, 4, 5."  # read aloud in every language

_TEXTS = {
    "ar": "صباح الخير. ضوء المطبخ مضاء.",
    "de": "Guten Morgen. In der Küche brennt Licht.",
    "en": "Good morning. The kitchen light is on.",
    "es": "Buenos días. La luz de la cocina está encendida.",
    "fr": "Bonjour. La lumière de la cuisine est allumée.",
    "it": "Buongiorno. La luce della cucina è accesa.",
    "ja": "おはようございます。台所の電気がついています。",
    "ko": "좋은 아침이에요. 부엌에 불이 켜져 있어요.",
    "zh": "早上好。厨房的灯开着。",
}

# Seconds of a character. Nobody speaks faster than the first, even an auctioneer (25 letters a
# second); the second is three times as slow as reading to a child, for a recording may drawl.
_LETTERS = (0.03, 0.25)
_SYLLABLES = (0.04, 0.8)  # of scripts in which a character is a syllable or more; 11 a second
_BY_SYLLABLE = frozenset({"ja", "ko", "zh"})
_DIGITS = (0.03, 1.0)  # one is a word in any language
_SILENCE_S = 2.0  # before, between and after the words


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenLine:
    """A sentence, who says it, and between which lengths that is speech."""

    language: str  # as the voice lists it
    text: str
    voice: Voice
    shortest_s: float
    longest_s: float

    @property
    def key(self) -> str:
        """Name the line by what is said, in which language."""
        told = f"{self.language} {self.text}"
        return f"{self.language}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def lines(voices: Iterable[Voice]) -> tuple[GoldenLine, ...]:
    """Return one line for each language of these voices, said by the first that speaks it."""
    found: dict[str, GoldenLine] = {}
    for voice in voices:
        for language in voice.languages:
            root = language.partition("-")[0].lower()
            if root not in found:
                found[root] = _line(root, language, voice)
    return tuple(found.values())[:MOST]


def _line(root: str, language: str, voice: Voice) -> GoldenLine:
    text = _TEXTS.get(root, NEUTRAL)
    pace = _SYLLABLES if root in _BY_SYLLABLE else _LETTERS
    fast, slow = pace if root in _TEXTS else _DIGITS
    return GoldenLine(
        language=language,
        text=text,
        voice=voice,
        shortest_s=len(text) * fast,
        longest_s=len(text) * slow + _SILENCE_S,
    )
