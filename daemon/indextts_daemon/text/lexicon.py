"""How the household wants its names and words to be said."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The household's rules, ready to be applied."""

    name: str = ""  # changes with the rules; empty where there are none

    def applied(self, text: str, *, language: str, voice: str, spells_out: bool) -> str:
        """Return the text with every rule applied that counts for the language and the voice."""
        del language, voice, spells_out
        return text
