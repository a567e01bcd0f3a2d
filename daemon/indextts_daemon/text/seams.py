"""Cleans a text while it arrives: what comes out, joined, is what `clean` makes of the whole."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

import re

from indextts_daemon.text.cleaning import clean

_SEAM = re.compile(r"(?<=\S)(?=\s)|(?<=[。！？｡、，；：])(?=\S)")
_STANDS_FOR_ALL_BEFORE = "。"  # cleaning leaves it alone, and it ends no word
_MOST_TRIES = 4
_PATIENCE = 512  # characters for which something may be open before it is taken as it stands
_WORTHWHILE = 64  # characters to cut off in front of what is open; less would cost the most
_WORD = re.compile(r"\s{0,8}[^\W_]{2,64}")
_HEADING = re.compile(r"[ \t>]*#{1,6}[ \t]")
_BRACKETS = re.compile(r"[\[\]()\n]")
_OPEN = re.compile(
    r"<(?:[A-Za-z/!][^<>]*)?\Z"  # a tag
    r"|&#?[0-9A-Za-z]{0,31}\Z"  # an entity
    r"|^[ \t]*(?:```|~~~)[\w+-]*[ \t]*\Z",  # the fence of a code block
    re.MULTILINE,
)


class CleanStream:
    """Gives a text back clean, up to the last place where both sides can be cleaned apart."""

    def __init__(self) -> None:
        self._raw = ""  # not given back yet
        self._before = ""  # what stands for the text in front of that
        self._seams: list[int] = []
        self._last_word = -1
        self._try_again_at = 0

    def feed(self, text: str) -> str:
        """Take a piece, and return what can be cleaned now."""
        known = len(self._raw)
        self._raw += text
        self._seams += [seam.start() for seam in _SEAM.finditer(self._raw, known)]
        word = next((at for at in reversed(range(len(text))) if text[at].isalnum()), None)
        if word is None:
            return ""
        self._last_word = known + word
        if not self._seams or len(self._raw) < self._try_again_at:
            return ""
        opened = _first_open(self._raw)
        if opened < min(self._last_word, _WORTHWHILE):
            return ""
        seams = [seam for seam in self._seams if seam <= min(self._last_word, opened)]
        for seam in reversed(seams[-_MOST_TRIES:]):
            if (cleaned := self._cut(seam)) is not None:
                return cleaned
        if seams:  # a later one may do, but a text that is all like this must not cost its square
            self._try_again_at = len(self._raw) * 5 // 4 + 1
        return ""

    def rest(self) -> str:
        """Return what there is beyond, clean as if nothing more followed."""
        return _cleaned(self._before, self._raw)

    def next_word(self) -> str:
        """Return the beginning of the word beyond, and the blank before it; empty if it is none."""
        word = _WORD.match(self._raw)
        return _cleaned(self._before, word[0]) if word else ""

    @property
    def raw_rest(self) -> str:
        """What there is beyond, as it came."""
        return self._raw

    @property
    def is_open(self) -> bool:
        """Whether something has begun in it that what follows may still close."""
        return _first_open(self._raw) < len(self._raw)

    def _cut(self, seam: int) -> str | None:
        """Return what is before the seam, unless the two sides would be read otherwise apart."""
        before, after = self._raw[:seam], self._raw[seam:]
        line = (self._before + before).rpartition("\n")[2]
        joint = f"{after[0] if after[0].isspace() else ''}{_STANDS_FOR_ALL_BEFORE}"
        cleaned = _cleaned(self._before, before + joint)[: -len(_STANDS_FOR_ALL_BEFORE)].rstrip()
        ahead = f"{'# ' if _HEADING.match(line) else ''}{_STANDS_FOR_ALL_BEFORE}"
        if cleaned + _cleaned(ahead, after) != self.rest():
            return None
        self._raw, self._before = after, ahead
        self._seams = [later - seam for later in self._seams if later > seam]
        self._last_word -= seam
        self._try_again_at = 0
        return cleaned


def _cleaned(before: str, raw: str) -> str:
    """Clean what follows a seam; the blank or the end of paragraph in front of it is kept."""
    return clean(before + raw)[len(_STANDS_FOR_ALL_BEFORE) if before else 0 :]


def _first_open(raw: str) -> int:
    """Return where the first thing begins that what follows may still close, else the length."""
    since = max(0, len(raw) - _PATIENCE)
    found = _OPEN.search(raw, since)
    return min(_first_open_link(raw, since), found.start() if found else len(raw))


def _first_open_link(raw: str, since: int) -> int:
    labels: list[int] = []
    link, depth = len(raw), 0  # one whose address is still open, and in how many parentheses
    for bracket in _BRACKETS.finditer(raw, since):
        mark, at = bracket[0], bracket.start()
        if mark == "[":
            labels.append(at)
        elif mark == "]":
            label = labels.pop() if labels else at
            if link == len(raw) and raw[at + 1 : at + 2] in ("", "("):
                link, depth = label, 0
        elif link < len(raw):
            depth += {"(": 1, ")": -1}.get(mark, 0)
            if depth == 0:
                labels = [label for label in labels if label < link]
            if depth == 0 or mark == "\n":
                link = len(raw)
    return min([link, *labels[:1]])
