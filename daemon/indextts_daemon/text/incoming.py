"""Text that is still arriving, and the sentences of it that can be spoken already."""

from typing import Self

from indextts_daemon.text import prepare
from indextts_daemon.text.cleaning import clean


class IncomingText:
    """Takes a text in pieces, cut anywhere, and gives it back in sentences."""

    def __init__(self, language: str | None = None) -> None:
        self.ended = False
        self.characters = 0
        self._language = language
        self._raw = ""
        self._begun = False

    @classmethod
    def whole(cls, text: str) -> Self:
        """Hold a text of which nothing is still to come."""
        made = cls()
        made.feed(text)
        made.end()
        return made

    @property
    def arrived(self) -> str:
        """What has arrived before it was begun, cleaned."""
        return clean(self._raw)

    @property
    def has_sentence(self) -> bool:
        """Whether a first sentence has arrived whole."""
        return self.ended

    @property
    def has_clause(self) -> bool:
        """Whether a first clause has arrived, of a sentence that has not arrived whole."""
        return False

    def feed(self, text: str) -> list[str]:
        """Take a piece, and give back the sentences that it completes; none before `begin`."""
        self.characters += len(text)
        self._raw += text
        return []

    def begin(self, language: str) -> list[str]:
        """Fix the language, and give back what can be spoken already."""
        self._language, self._begun = language, True
        return self._rest() if self.ended else []

    def end(self) -> list[str]:
        """Say that nothing more follows, and give back the rest; none before `begin`."""
        self.ended = True
        return self._rest() if self._begun else []

    def _rest(self) -> list[str]:
        rest, self._raw = self._raw, ""
        return [sentence.raw for sentence in prepare(rest, self._language or "")]
