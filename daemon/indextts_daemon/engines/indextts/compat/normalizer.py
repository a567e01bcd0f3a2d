"""The text as the published models have it read: numbers as words, few marks, no brackets."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

import re

from indextts_daemon.engines.indextts.compat import pronunciation, terms
from indextts_daemon.engines.indextts.compat.grammar import Grammar
from indextts_daemon.engines.indextts.compat.pronunciation import Kept
from indextts_daemon.engines.indextts.compat.terms import Glossary

_HAN = re.compile("[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")
_E_MAIL = re.compile(r"[A-Za-z0-9]+@[A-Za-z0-9]+\.[A-Za-z]+")  # and nothing else

_PAUSE = re.compile(r"\.{3}|,{3}|，{3}|…{2}")
MARKS = str.maketrans(
    {
        **dict.fromkeys("：:；;，、", ","),
        "。": ".",
        "！": "!",
        "？": "?",
        "\n": " ",
        **dict.fromkeys('“”‘’"（）()《》〈〉【】[]「」『』', "'"),
        **dict.fromkeys("—～~·", "-"),
    }
)


def marks_mapped(text: str) -> str:
    """Return the text with each mark as the one of a few that stands for it."""
    return _PAUSE.sub("…", text).translate(MARKS)


def has_han(text: str) -> bool:
    """Whether a Chinese character is in it."""
    return _HAN.search(text) is not None


def is_chinese(text: str) -> bool:
    """Whether the Chinese grammar reads the text; one that looks like pinyin is enough."""
    return (
        has_han(text)
        or _LATIN.search(text) is None
        or _E_MAIL.fullmatch(text.strip()) is not None
        or pronunciation.has_pinyin(text)
    )


class Normalizer:
    """Both grammars and what is done around them."""

    def __init__(self, glossary: Glossary | None = None) -> None:
        self._glossary = glossary or {}
        self._chinese = Grammar("zh")
        self._english = Grammar("en")

    def normalize(self, text: str) -> str:
        """Return the text as it is read aloud."""
        text = terms.uncontracted(text)
        chinese = is_chinese(text)
        text = terms.with_glossary(text, self._glossary, "zh" if chinese else "en")
        text = terms.hyphens_kept(text)
        text = self._read_chinese(text) if chinese else self._english.read(text)
        return marks_mapped(terms.hyphens_restored(text)).strip()

    def _read_chinese(self, text: str) -> str:
        tones = Kept(plane=16)
        text = pronunciation.replace_pinyin(
            text, lambda syllable: tones.keep(pronunciation.corrected(syllable))
        )
        return tones.restored(self._chinese.read(text))
