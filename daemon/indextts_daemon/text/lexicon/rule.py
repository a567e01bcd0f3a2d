"""One rule of the lexicon, and for whom it counts."""

from dataclasses import dataclass

LONGEST = 200  # characters of what a rule looks for, and of what it says


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Who is to speak, in what."""

    tags: frozenset[str]  # of the language, in small letters: de-at and de
    voice: str
    spells_out: tuple[str, ...]  # notations of a sound that the model understands

    @classmethod
    def of(cls, *, language: str, voice: str, spells_out: tuple[str, ...]) -> "Occasion":
        """Take the language apart."""
        parts = language.lower().replace("_", "-").split("-")
        tags = frozenset("-".join(parts[:length]) for length in range(1, len(parts) + 1))
        return cls(tags=tags, voice=voice, spells_out=spells_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Some words, or what a pattern finds, and how they are said."""

    source: str
    is_pattern: bool = False
    say: str | None = None  # in letters; of a pattern, what its groups are put into
    phonemes: tuple[tuple[str, str], ...] = ()  # notation and sound, the best first
    languages: tuple[str, ...] = ()  # tags in small letters; none is every language
    voices: tuple[str, ...] = ()  # none is every voice

    def counts(self, occasion: Occasion) -> bool:
        """Whether it is for this language and this voice."""
        return (not self.languages or not occasion.tags.isdisjoint(self.languages)) and (
            not self.voices or occasion.voice in self.voices
        )

    def said(self, word: str, spells_out: tuple[str, ...]) -> str | None:
        """Return what stands for a word, None where the model knows neither sound nor letters."""
        for notation, sound in self.phonemes:
            if notation in spells_out:
                return f"<{word}|{sound}>"
        return self.say


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where a rule has something to say for what is written."""

    start: int
    end: int
    said: str
    rule: Rule
