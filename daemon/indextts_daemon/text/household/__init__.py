"""What is said at home for figures and signs: times, dates, units, prices, numbers to call, names.

Serves every engine, so that a voice gets words; knows English and Chinese.
"""

from .chinese import CHINESE
from .english import AMERICAN, BRITISH

_READERS = {"en": BRITISH, "zh": CHINESE}  # of a language, whatever its region
_AMERICAN = ("en", "en-us", "en_us")


def read_aloud(text: str, language: str) -> str:
    """Return a clean text as it is said; in a language without rules, as it is written.

    Keeps no digit but in annotations for the engine and, in Chinese, in pinyin with its tone.
    """
    code = language.lower()
    reader = AMERICAN if code in _AMERICAN else _READERS.get(code.partition("-")[0])
    return reader.read(text) if reader else text
