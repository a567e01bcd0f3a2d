"""Text on its way to a voice: cleaning, language, sentences. Serves every engine."""

from indextts_daemon.speech import Sentence
from indextts_daemon.text.cleaning import clean, has_words
from indextts_daemon.text.sentences import split

TEXT_RULES_VERSION = "1"  # part of the revision: raise it when any text is read differently


def prepare(text: str, language: str) -> list[Sentence]:
    """Clean and split a text; empty when there is nothing to say.

    The plain twin of `incoming.IncomingText`, which gives the same of a text that is arriving.
    """
    return [Sentence.plain(one) for one in split(clean(text), language) if has_words(one)]
