"""From what was written to what can be read aloud: no emoji, no markup, no invisible characters.

Every pattern stops at its own opening mark, so that hostile text costs linear time.
"""

import html
import re
import unicodedata

from .pronunciation import SPELLED_OUT

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_COMBINING_LIMIT = 4  # real scripts stack fewer; normalising a longer run is quadratic

_URL = re.compile(r"(?i)<?(?<![a-z0-9])(?:(?:https?|wss?|ftp)://|(?=www\.))([!-;=?-~]*)>?")
_URL_END = ".,:;!?\"')]}*_"
_BLOCK_TAG = re.compile(r"(?i)</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|blockquote)\b[^<>]*>")
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9:-]*(?:\s[^<>=]*=[^<>]*|\s*/?)>|<![^<>]*>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31}\d{0,2});")

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)?\)")
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]*\]:?")
_FENCE = re.compile(r"(?m)^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$")
_RULE = re.compile(r"(?m)^[ \t:|=_*~+-]{3,}$")
_HEADING = re.compile(r"(?m)^[ \t]*#{1,6}[ \t]+([^\n]*)$")
_QUOTE = re.compile(r"(?m)^[ \t]*>[> \t]*")
_BULLET = re.compile(
    r"(?m)^[ \t]*"
    r"(?:[-*+•‣◦\u2013]|[\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]\ufe0f?)"
    r"[ \t]+(?:\[[ xX]\][ \t]+)?"
)
_NUMBERED = re.compile(r"(?m)^[ \t]*(\d{1,3}[.)])[ \t]+")
_STARS = re.compile(r"\*\*+|(?<![\s\d])\*|\*(?![\s\d])|(?<=\d)\*(?=\s)|(?<=\s)\*(?=\d)")
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_MARKS = re.compile(r"`+|~~+")

_BAR = re.compile(rf"{SPELLED_OUT}|\|")

_DASH_AS_MINUS = re.compile(r"(?<!\S)\u2013(?=\d)")  # "\u20133 °C", but not "3\u20135"
_PARAGRAPH = re.compile(r"\n\s*\n")


def clean(text: str) -> str:
    """Return the text to be spoken: one line per paragraph, single spaces within."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    text = _without_html(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _without_markdown(_URL.sub(_host, _LINK.sub(r"\1", _LINK.sub(r"\1", text))))
    text = _DASH_AS_MINUS.sub("-", text)
    text = unicodedata.normalize("NFC", _tamed(text.translate(_SPEAKABLE)))
    paragraphs = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(text))
    return "\n".join(filter(None, paragraphs))


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit, in any script."""
    return any(map(str.isalnum, text))


def _host(url: re.Match[str]) -> str:
    """Say where a link leads, never its path, port or credentials."""
    address = url[1].rstrip(_URL_END)
    authority = re.split(r"[/?#\\]", address, maxsplit=1)[0].rpartition("@")[2]
    host = "" if authority.startswith("[") else authority.partition(":")[0]
    return host.removeprefix("www.") + url[1][len(address) :]


def _without_html(text: str) -> str:
    if "<" in text:
        text = _TAG.sub("", _BLOCK_TAG.sub("\n\n", text))
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return text


def _without_markdown(text: str) -> str:
    text = _FOOTNOTE.sub("", text)
    text = _RULE.sub("\n", _FENCE.sub("\n", text))
    text = _BULLET.sub("\n\n", _QUOTE.sub("", text))
    text = _NUMBERED.sub(r"\n\n\1 ", _HEADING.sub(r"\n\n\1\n\n", text))
    text = _UNDERSCORES.sub("", _STARS.sub("", text))
    return _BAR.sub(_unless_spelled_out, _MARKS.sub("", text))


def _unless_spelled_out(bar: re.Match[str]) -> str:
    return bar[0] if len(bar[0]) > 1 else " "


def _tamed(text: str) -> str:
    """Cut runs of combining marks to what a script can need."""
    if text.isascii():
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _COMBINING_LIMIT:
            kept.append(character)
    return "".join(kept)


class _Speakable(dict[int, str]):
    """A translation that decides by Unicode category and keeps no record of what it saw."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _REWRITTEN:
            return _REWRITTEN[character]
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs", "Me") or code in _VARIATION_SELECTORS:
            return ""
        if category in ("Co", "Cn", "So", "Sk") and character not in _SPOKEN_SYMBOLS:
            return " "
        if (code in _FULL_WIDTH or code in _MATHEMATICAL) and character.isalnum():
            return unicodedata.normalize("NFKC", character)
        return character


_REWRITTEN = {
    "\x0b": "\n",
    "\x0c": "\n\n",
    "\x85": "\n",
    "\u2028": "\n",
    "\u2029": "\n\n",
    "\u2212": "-",  # voices skip these three: the frost, and the degrees
    "℃": " °C",
    "℉": " °F",
}
_SPOKEN_SYMBOLS = frozenset("°№") | {chr(code) for code in range(0x3200, 0x3400)}
_VARIATION_SELECTORS = frozenset((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
_FULL_WIDTH = range(0xFF10, 0xFF5B)
_MATHEMATICAL = range(0x1D400, 0x1D800)
_SPEAKABLE = _Speakable({code: chr(code) for code in (9, 10, *range(0x20, 0x7F))})
