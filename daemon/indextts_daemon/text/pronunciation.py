"""Words whose sound is spelled out, `<live|L AY1 V>`: understood by some models only."""

import re

_PART = r"[^<>|\s](?:[^<>|\n]{0,62}[^<>|\s])?"
SPELLED_OUT = rf"<{_PART}\|{_PART}>"
_WORD = re.compile(rf"<({_PART})\|{_PART}>")


def without_pronunciation(text: str) -> str:
    """Return the text with the words alone, for a model that would read the rest aloud."""
    return _WORD.sub(r"\1", text)
