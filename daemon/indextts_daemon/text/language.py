"""Which language a text is in, seen from a household: its own, unless the text says otherwise."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache
import re
import threading

from py3langid.langid import (  # type: ignore[import-untyped]
    MODEL_FILE,
    LanguageIdentifier,
)

from indextts_daemon.text.names import LANGUAGE_NAMES, REGION_NAMES

_MIN_WORDS = 4
_CONFIDENT = 0.8  # share of the probability that another language needs
_DOUBT = 0.02  # and what may be left for the household's
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


_LOADING = threading.Lock()


@cache
def _model() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class LanguageDetector:
    """Detects by script first, by py3langid where that cannot tell. Safe for several threads."""

    def load(self) -> None:
        """Read the model, over half a second: call it in a thread, else the first need pays."""
        with _LOADING:  # 70 MB: once in a process
            _model()

    def detect(self, text: str, *, household: str, among: Collection[str]) -> str:
        """Return a code of `among`, else a language's own code for the caller to refuse."""
        script, words = _script(text)
        home = match(household, among) or household
        bases = dict.fromkeys(_base(tag) for tag in (home, *among))
        if script == _LATIN:
            language = self._among_latin(text, words, _base(home), bases)
        else:
            language = self._among_script(text, script, words, _base(home), bases)
        return home if language == _base(home) else _tag_of(language, among)

    def _among_latin(self, text: str, words: int, home: str, bases: Collection[str]) -> str:
        pool = [base for base in bases if base not in _NOT_LATIN]
        return self._unless_certain(home, text, pool) if words >= _MIN_WORDS else home

    def _among_script(
        self, text: str, script: str, words: int, home: str, bases: Collection[str]
    ) -> str:
        """Choose among all languages of the script, or the spoken ones where the text is short."""
        written = _LANGUAGES_OF[script]
        short = words < _MIN_WORDS
        if short and home in written:
            return home
        pool = [language for language in written if language in bases] if short else written
        default = home if home in written else (pool or written)[0]
        return self._unless_certain(default, text, pool)

    def _unless_certain(self, default: str, text: str, pool: Sequence[str]) -> str:
        """Return the default, unless the text is almost certainly in another of the pool."""
        shares = self._shares(text, pool)
        best = max(shares, key=lambda language: shares[language], default=default)
        certain = shares.get(best, 0) >= _CONFIDENT and shares.get(default, 0) <= _DOUBT
        return best if certain else default

    def _shares(self, text: str, pool: Sequence[str]) -> dict[str, float]:
        """Return how the probability divides among the pool."""
        if len(pool) <= 1:
            return dict.fromkeys(pool, 1.0)
        self.load()
        known = {name: share for name, share in _model().rank(text) if name in pool}
        total = sum(known.values()) or 1.0
        return {name: share / total for name, share in known.items()}


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


def _tag_of(language: str, among: Iterable[str]) -> str:
    """Return the plain code, or the first of its regions if only those are offered."""
    tags = [tag for tag in among if _base(tag) == language]
    return match(language, tags) or next(iter(tags), language)


def _script(text: str) -> tuple[str, int]:
    """Return the script most words are in, and how many those are. Kana makes its han Japanese."""
    if text.isascii():
        return _LATIN, len(_WORDS.findall(text))
    words = Counter(found.lastgroup or _LATIN for found in _WORDS.finditer(text))
    if words["kana"]:
        words["kana"] += words.pop("han", 0)
    return max(words.items(), key=lambda item: item[1], default=(_LATIN, 0))
