"""Digits and signs of every script and width, made the plain ones that the rules know."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

import re
import unicodedata

SIGN = (  # what is said, be there a digit or not; numbers that are no digits are among them
    r"[_+=&@÷±°℃℉%％﹪＋＝＆＠‰$€£¥＄￥￡^＾⁻¼-¾\u2150-\u2188\u2460-\u24ff\u3248-\u33ff]"
)


def plain(text: str) -> str:
    """Return the text with plain figures and single spaces; words stay as they are."""
    text = _BETWEEN_DIGITS.sub(lambda mark: _SEPARATORS[mark[0]], text.translate(_PLAIN))
    text = _POWER.sub(lambda power: "^" + power[0].replace("^", ""), text)
    text = _DEGREE.sub("°", " ".join(text.split()))
    return _BARE_POINT.sub("0.", text)


class _Plain(dict[int, str]):
    """A translation that decides by Unicode category and keeps no record of what it saw."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code in _SQUARED:
            return unicodedata.normalize("NFKC", character).replace("μ", "µ")
        category = unicodedata.category(character)
        if category[0] != "N":
            return character
        digit = unicodedata.digit(character, None)
        form = unicodedata.decomposition(character)
        if form.startswith("<super>"):
            return f"^{digit}"
        if category == "Nd" or form.startswith("<sub>"):
            return character if digit is None else str(digit)
        written = unicodedata.normalize("NFKC", character).replace("\u2044", "/")
        if digit is None and written == character:
            return character
        return f" {written if digit is None else digit} "


_SQUARED = (*range(0x32C0, 0x32D0), *range(0x3300, 0x3400))
_SIGNS = {
    "\u2212": "-", "－": "-", "μ": "µ", "\u2126": "Ω", "℃": "°C", "℉": "°F", "％": "%", "﹪": "%",
    "＋": "+", "＝": "=", "＆": "&", "＠": "@", "＃": "#", "＄": "$", "￥": "¥", "￡": "£",
    "／": "/", "＿": "_", "№": "No. ", "＊": "*", "＾": "^", "～": "~", "〜": "~", "⁻": "^-",
}  # fmt: skip
_PLAIN = _Plain(
    {code: chr(code) for code in range(0x80)} | {ord(sign): said for sign, said in _SIGNS.items()}
)
_SEPARATORS = {"：": ":", "∶": ":", "．": "."}
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[：．∶](?=\d)")
_POWER = re.compile(r"\^[-\d](?:\^\d)++")
_DEGREE = re.compile(
    r"° (?=[CF](?![A-Za-z]))|(?<=\d)º ?(?=[CF](?![A-Za-z]))|(?<=\d )º ?(?=[CF](?![A-Za-z]))"
)
_BARE_POINT = re.compile(r"(?<![\w.,)\]%°])\.(?=\d)")
