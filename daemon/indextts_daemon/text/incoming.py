"""Text that is still arriving, and the sentences of it that can be spoken already.

Whatever the cuts, the words are those of the whole text, cleaned and split at once, each once.
"""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

from itertools import islice
import re
from typing import Self

from indextts_daemon.text.abbreviations import ABBREVIATIONS
from indextts_daemon.text.cleaning import clean, has_words
from indextts_daemon.text.seams import CleanStream
from indextts_daemon.text.sentences import split

_LEAST_WORDS, _LEAST_LETTERS = 3, 12  # of a first clause
_CLAUSE = re.compile(r"[,;:–—](?=\s+(\S))|[、，；：](?=(\S))")
_FINAL, _CLOSERS = frozenset(".!?…؟۔।։。！？｡"), "\"'”’“»)]」』）】》 "
_WINDOW = 512  # characters in which the end of a clause or sentence is looked for
_WIDE = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # a syllable each
_OPENING, _CLOSING = "([{（［｛「『【《", ")]}）］｝」』】》"


class IncomingText:
    """Takes a text in pieces, cut anywhere, and gives it back in sentences.

    Nothing is given back before `begin`. Until then `language`, if it is known, tells where
    sentences end; if not, they end where they do in every language.
    """

    def __init__(self, language: str | None = None) -> None:
        self.ended = False
        self.failure: Exception | None = None  # why the rest of it will not come
        self.characters = 0
        self.has_sentence = False  # a first one has arrived whole
        self._languages = tuple(ABBREVIATIONS) if language is None else (language,)
        self._cleaning = CleanStream()
        self._settled = ""  # whole sentences that came, and a pause, before `begin`
        self._text = ""  # clean, and not given back yet
        self._begun = False

    @classmethod
    def whole(cls, text: str) -> Self:
        """Hold a text of which nothing is still to come."""
        made = cls()
        made.characters, made.ended, made._text = len(text), True, clean(text)
        return made

    @property
    def arrived(self) -> str:
        """What has arrived and was not given back, clean."""
        rest = "" if self.ended else self._cleaning.rest()
        return self._settled + self._text + rest

    @property
    def has_clause(self) -> bool:
        """Whether a first clause has arrived, of a sentence that has not arrived whole."""
        return self._clause() > 0

    def feed(self, text: str) -> list[str]:
        """Take a piece, and give back the sentences that it completes; none before `begin`."""
        self.characters += len(text)
        cleaned = self._cleaning.feed(text)
        self._text += cleaned
        if not cleaned and not self._ahead():
            return []
        if self._begun:
            return self._take_complete()
        self.has_sentence = self.has_sentence or self._completes()
        return []

    def begin(self, language: str) -> list[str]:
        """Fix the language; give back what can be spoken already, be it a first clause only."""
        self._languages, self._begun = (language,), True
        if self.ended:
            return self._take_all()
        settled, self._settled = self._settled, ""
        if sentences := self._spoken(settled) + self._take_complete():
            return sentences
        cut = self._clause()
        clause, self._text = self._text[:cut], self._text[cut:]
        return [clause] if cut else []

    def pause(self) -> list[str]:
        """Say that nothing has followed for a while, which ends a sentence that looks whole."""
        if self.ended or self._cleaning.is_open or not self._looks_whole():
            return []
        whole, self._cleaning = f"{self.arrived}\n", CleanStream()
        self._settled, self._text = ("", whole) if self._begun else (whole, "")
        self.has_sentence = True
        return self._take_all() if self._begun else []

    def end(self) -> list[str]:
        """Say that nothing more follows, and give back the rest; none before `begin`."""
        self._settled, self._text = "", self.arrived
        self.ended = True
        return self._take_all() if self._begun else []

    def _completes(self) -> bool:
        return all(any(map(has_words, self._complete(language))) for language in self._languages)

    def _take_all(self) -> list[str]:
        text, self._text = self._text, ""
        return self._spoken(text)

    def _spoken(self, text: str) -> list[str]:
        return [sentence for sentence in split(text, self._languages[0]) if has_words(sentence)]

    def _take_complete(self) -> list[str]:
        sentences = self._complete(self._languages[0])
        taken = sum(len("".join(sentence.split())) for sentence in sentences)
        places = (place.start() for place in re.finditer(r"\S", self._text))
        self._text = self._text[next(islice(places, taken, None), len(self._text)) :]
        return [sentence for sentence in sentences if has_words(sentence)]

    def _complete(self, language: str) -> list[str]:
        """Return the sentences that stay as they are, whatever follows."""
        sentences = split(self._text + self._ahead(), language)
        following = ""
        while sentences and not (len(following) > 1 and has_words(following)):
            following = sentences.pop() + following
        return sentences

    def _looks_whole(self) -> bool:
        """Whether what has arrived ends as a sentence does, and not as "z. B." or "3." do."""
        text = self._text + self._cleaning.rest()
        if not (_is_final(text) and has_words(text)):
            return False
        word, end = text.rstrip("".join(_FINAL) + _CLOSERS), text[-_WINDOW:]
        return not word[-1:].isdecimal() and all(
            split(f"{end} Ja", language)[-1] == "Ja" for language in self._languages
        )

    def _ahead(self) -> str:
        """Return the beginning of the next word, where it may tell that a sentence has ended."""
        return self._cleaning.next_word() if _is_final(self._text) else ""

    def _clause(self) -> int:
        """Return where the first clause ends, or 0 where its sentence may have arrived whole."""
        if len(self._text) > _WINDOW:  # no sentence is that long
            return 0
        window = self._text + self._cleaning.raw_rest[:_WINDOW]
        end = _first_clause(window)
        if not 0 < end <= len(self._text) or _is_final(window):
            return 0
        alone = any(len(split(window, language)) == 1 for language in self._languages)
        return end if alone else 0


def _is_final(text: str) -> bool:
    return text.rstrip(_CLOSERS)[-1:] in _FINAL


def _first_clause(text: str) -> int:
    """Return where a voice may pause after something worth beginning with, else 0."""
    since = depth = letters = wide = 0
    for mark in _CLAUSE.finditer(text):
        part, since = text[since : mark.start()], mark.start()
        depth += sum((c in _OPENING) - (c in _CLOSING) for c in part)
        letters += sum(map(str.isalpha, part))
        wide += len(_WIDE.findall(part))
        between_digits = part[-1:].isdecimal() and (mark[1] or mark[2]).isdecimal()
        if depth > 0 or between_digits or letters + wide < _LEAST_LETTERS:
            continue
        if wide or len(text[:since].split()) >= _LEAST_WORDS:
            return mark.end()
    return 0
