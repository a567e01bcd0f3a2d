"""How a rule of the lexicon may spell out a sound: checked before a model is given it."""

from collections.abc import Callable
import re

from indextts_daemon.text.household.kept import SYLLABLES

_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
_PHONES = frozenset(_CONSONANTS) | {f"{vowel}{stress}" for vowel in _VOWELS for stress in "012"}
_SYLLABLE = re.compile(r"([a-zü]+)[1-5]")
_KANA = re.compile(r"[\u3041-\u30ff]+")

LONGEST_SOUND = 64  # characters, of the sound and of the word that it is for


def wrong_cmu(sound: str) -> str:
    """Say what is wrong with phones of the CMU dictionary, "" if nothing is."""
    for phone in sound.split(" "):
        if phone not in _PHONES:
            return f"{phone or 'a space too many'} is no phone of CMU; L AY1 V is how they look"
    return ""


def wrong_pinyin(sound: str) -> str:
    """Say what is wrong with syllables of pinyin, "" if nothing is."""
    for syllable in sound.split(" "):
        found = _SYLLABLE.fullmatch(syllable.lower())
        if found is None or found[1] not in SYLLABLES:
            return f"{syllable or 'a space too many'} is no pinyin; CHONG2 QING4 is how it looks"
    return ""


def wrong_kana(sound: str) -> str:
    """Say what is wrong with kana, "" if nothing is."""
    return "" if _KANA.fullmatch(sound) else "expected hiragana or katakana only"


NOTATIONS: dict[str, Callable[[str], str]] = {
    "pinyin": wrong_pinyin,
    "cmu": wrong_cmu,
    "kana": wrong_kana,
}
