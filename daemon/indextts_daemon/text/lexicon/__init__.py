"""How the household wants its names and words to be said: rules for words, and patterns.

Knows no file: the rules are handed in, and the text is clean. A rule reads what was written and
never what a rule has said, so that none can feed another, or itself, for ever.
"""

from .lexicon import Lexicon, Said
from .patterns import Pattern
from .rule import LONGEST, Rule
from .words import folded, keeps_case

__all__ = ["LONGEST", "Lexicon", "Pattern", "Rule", "Said", "folded", "keeps_case"]
