"""How a text would be read aloud by sentences, and which rules of the lexicon had a part in it."""

from dataclasses import dataclass

from indextts_daemon.text.household import read_aloud
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.lexicon import Lexicon
from indextts_daemon.text.pronunciation import without_pronunciation


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Sentences as a model would be given them, and the words and patterns that were found."""

    sentences: tuple[str, ...]
    hits: tuple[str, ...]


def preview(
    text: str, lexicon: Lexicon, *, language: str, voice: str, spells_out: tuple[str, ...]
) -> Preview:
    """Read a text as `voice` would, in a model that understands these notations of a sound."""
    sentences, hits = [], dict[str, None]()
    for written in IncomingText.whole(text).begin(language):
        said = lexicon.said(written, language=language, voice=voice, spells_out=spells_out)
        told = said.text if spells_out else without_pronunciation(said.text)
        sentences.append(read_aloud(told, language))
        hits |= dict.fromkeys(rule.source for rule in said.rules)
    return Preview(sentences=tuple(sentences), hits=tuple(hits))
