"""Which language a text is in, seen from a household: its own, unless the text says otherwise."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
import re
import threading

from py3langid.langid import (  # type: ignore[import-untyped]
    MODEL_FILE,
    LanguageIdentifier,
)

from indextts_daemon.text.names import LANGUAGE_NAMES, REGION_NAMES

_MIN_WORDS = 4
_CONFIDENT = 0.9
_LATIN = "latin"

# The languages of each script, the likeliest first; any other language is written in Latin.
_LANGUAGES_OF = {
    "kana": ("ja",),
    "han": ("zh", "ja"),
    "hangul": ("ko",),
    "cyrillic": ("ru", "uk", "bg", "sr", "be", "mk", "kk"),
    "greek": ("el",),
    "arabic": ("ar", "fa", "ur"),
    "hebrew": ("he",),
    "devanagari": ("hi", "mr", "ne"),
    "thai": ("th",),
    "armenian": ("hy",),
    "georgian": ("ka",),
    "bengali": ("bn",),
    "tamil": ("ta",),
}
_NOT_LATIN = frozenset(language for pool in _LANGUAGES_OF.values() for language in pool)

# A word each: two characters where words are not spaced, else a run of letters.
_WORDS = re.compile(
    r"(?P<kana>[\u3041-\u30ff\uff66-\uff9d]{1,2})"
    r"|(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{1,2})"
    r"|(?P<hangul>[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+)"
    r"|(?P<cyrillic>[\u0400-\u052f]+)"
    r"|(?P<greek>[\u0370-\u03ff\u1f00-\u1fff]+)"
    r"|(?P<arabic>[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+)"
    r"|(?P<hebrew>[\u0590-\u05ff]+)"
    r"|(?P<devanagari>[\u0900-\u097f]+)"
    r"|(?P<thai>[\u0e00-\u0e7f]{1,4})"
    r"|(?P<armenian>[\u0530-\u058f]+)"
    r"|(?P<georgian>[\u10a0-\u10ff]+)"
    r"|(?P<bengali>[\u0980-\u09ff]+)"
    r"|(?P<tamil>[\u0b80-\u0bff]+)"
    r"|(?P<latin>[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+(?:['\u2019][A-Za-z]+)?)"
)


class LanguageDetector:
    """Detects by script first, by py3langid where that cannot tell. Safe for several threads."""

    def __init__(self) -> None:
        self._identifier: LanguageIdentifier | None = None
        self._loading = threading.Lock()

    def load(self) -> None:
        """Read the model, over half a second: call it in a thread, else the first need pays."""
        with self._loading:
            if self._identifier is None:
                self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def detect(self, text: str, *, household: str, among: Collection[str]) -> str:
        """Return a code of `among`, or that of a script whose language nobody here speaks."""
        script, words = _script(text)
        home = match(household, among) or household
        bases = tuple(dict.fromkeys(_base(tag) for tag in (home, *among)))
        spoken = tuple(base for base in bases if _written_in(base, script))
        language = self._choose(text, script, words, home=_base(home), spoken=spoken)
        return home if language == _base(home) else (_tag_of(language, among) or language)

    def _choose(
        self, text: str, script: str, words: int, *, home: str, spoken: Sequence[str]
    ) -> str:
        """Choose the language of a text that is mostly in one script."""
        long_enough = words >= _MIN_WORDS
        pool = spoken
        if script != _LATIN and (long_enough or not spoken):
            pool = _LANGUAGES_OF[script]
        if home not in pool and script != _LATIN:
            return self._best(text, pool)[0]
        if not long_enough or not pool:
            return home
        language, confidence = self._best(text, pool)
        return language if confidence >= _CONFIDENT else home

    def _best(self, text: str, pool: Sequence[str]) -> tuple[str, float]:
        """Return the likeliest of the pool and its share of the pool's probability."""
        if len(pool) == 1:
            return pool[0], 1.0
        self.load()
        assert self._identifier is not None  # noqa: S101 - load() has just seen to it
        ranking = [(name, p) for name, p in self._identifier.rank(text) if name in pool]
        total = sum(p for _, p in ranking)
        if not total:
            return pool[0], 0.0
        return ranking[0][0], ranking[0][1] / total


def match(tag: str, among: Iterable[str]) -> str | None:
    """Find a BCP 47 tag: as it is, else without its last parts; case does not matter."""
    offered = {code.lower(): code for code in among}
    parts = tag.strip().lower().replace("_", "-").split("-")
    candidates = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((offered[candidate] for candidate in candidates if candidate in offered), None)


def language_name(code: str) -> str:
    """Return the English name, with the region if there is one; an unknown code is its own name."""
    language, _, region = code.partition("-")
    name = LANGUAGE_NAMES.get(language.lower())
    if name is None:
        return code
    return f"{name} ({REGION_NAMES.get(region.upper(), region)})" if region else name


def _base(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _written_in(language: str, script: str) -> bool:
    return language not in _NOT_LATIN if script == _LATIN else language in _LANGUAGES_OF[script]


def _tag_of(language: str, among: Iterable[str]) -> str | None:
    """Return the plain code if it is offered, else the first of its regions."""
    tags = [tag for tag in among if _base(tag) == language]
    return match(language, tags) or next(iter(tags), None)


def _script(text: str) -> tuple[str, int]:
    """Return the script most words are in, and how many those are. Kana makes its han Japanese."""
    if text.isascii():
        return _LATIN, len(_WORDS.findall(text))
    words = Counter(found.lastgroup or _LATIN for found in _WORDS.finditer(text))
    if words["kana"]:
        words["kana"] += words.pop("han", 0)
    return max(words.items(), key=lambda item: item[1], default=(_LATIN, 0))
