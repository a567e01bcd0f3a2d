r"""Finds what a pattern of the lexicon describes, in RE2: no text makes it slow.

`\1` in what it says stands for what its first group has found.
"""

from collections.abc import Iterable, Iterator
import re
from typing import Any

import re2  # type: ignore[import-untyped]

from .rule import Hit, Occasion, Rule

MEMORY = 1 << 18  # bytes of a pattern; what needs more is refused, or searched more slowly
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


class Pattern:
    """A rule that looks for what its pattern describes."""

    def __init__(self, rule: Rule) -> None:
        """Compile it. Raises ValueError with a sentence for whoever wrote it."""
        self._rule = rule
        self._regex = _compiled(rule.source)
        self._template = _parts(rule.say or "", groups=self._regex.groups)
        if self._regex.search("") is not None:
            raise ValueError("the pattern also finds nothing at all; write + for *")

    def hits(self, text: str, free: Iterable[tuple[int, int]], occasion: Occasion) -> Iterator[Hit]:
        """Yield what is found within the free stretches of the text, from left to right."""
        if not self._rule.counts(occasion) or self._regex.search(text) is None:
            return
        for start, end in free:
            for found in self._regex.finditer(text, start, end):
                if found.end() > found.start():
                    said = "".join(
                        part if isinstance(part, str) else found[part] or ""
                        for part in self._template
                    )
                    yield Hit(start=found.start(), end=found.end(), said=said, rule=self._rule)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False  # they would quote it
    try:
        return re2.compile(pattern, options)
    except re2.error as err:
        told = err.args[0].decode(errors="replace") if err.args else "it cannot be read"
        why = told.partition(": ")[0]  # then it quotes
        raise ValueError(f"the pattern is not one that RE2 knows: {why}") from err


def _parts(template: str, *, groups: int) -> tuple[str | int, ...]:
    r"""Cut a template at `\1` to `\9`. Raises ValueError."""
    parts: list[str | int] = []
    end = 0
    for escape in _ESCAPE.finditer(template):
        parts.append(template[end : escape.start()])
        end = escape.end()
        if escape[1] == "\\":
            parts.append("\\")
        elif escape[1] in set("123456789"):
            if int(escape[1]) > groups:
                raise ValueError(f"{escape[0]} stands for a group that the pattern does not have")
            parts.append(int(escape[1]))
        else:
            raise ValueError(f"{escape[0]} means nothing here; write \\1 to \\9, or \\\\")
    return (*parts, template[end:])
