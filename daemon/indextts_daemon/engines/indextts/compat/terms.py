"""Terms that keep their form, or get the one they are spoken with."""

from collections.abc import Mapping
import re
from typing import Literal, TypeAlias

Language = Literal["zh", "en"]
Glossary: TypeAlias = Mapping[str, str | Mapping[Language, str]]  # a term, and how it is said

_HYPHEN = "<H>"  # which both grammars pass on
_HYPHENATED = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")
_CONTRACTED = re.compile(
    r"(?i)\b(what|where|who|which|how|there|here|it|she|he|that|this)'s\b",
)


def hyphens_kept(text: str) -> str:
    """Return the text with GPT-5's hyphen hidden from the grammars, to whom it is a minus."""
    return _HYPHENATED.sub(lambda term: term[0].replace("-", _HYPHEN), text)


def hyphens_restored(text: str) -> str:
    """Return the text with its hyphens again."""
    return text.replace(_HYPHEN, "-")


def uncontracted(text: str) -> str:
    """Return the text with "it's" as "it is"."""
    return _CONTRACTED.sub(r"\1 is", text)


def with_glossary(text: str, glossary: Glossary, language: Language) -> str:
    """Return the text with each term, in any case and the longest first, as it is said."""
    if not glossary:
        return text
    said = {term.lower(): spoken for term, spoken in glossary.items()}
    longest_first = sorted(map(re.escape, said), key=len, reverse=True)

    def spoken(term: re.Match[str]) -> str:
        entry = said[term[0].lower()]
        return entry if isinstance(entry, str) else entry.get(language, term[0])

    return re.sub("|".join(longest_first), spoken, text, flags=re.IGNORECASE)
