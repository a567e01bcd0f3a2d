"""How the household wants its names and words to be said: rules for words, and patterns.

Knows no file: the rules are handed in, and the text is clean. A rule reads what was written and
never what a rule has said, so that none can feed another, or itself, for ever.
"""

from .lexicon import Lexicon, Said
from .rule import LONGEST, Rule

__all__ = ["LONGEST", "Lexicon", "Rule", "Said"]
