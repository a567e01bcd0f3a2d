"""How English is read aloud at home: the order of all rules, and what is left after them."""

# ruff: noqa: RUF001 - the dashes of other scripts look like ours on purpose

import re

from .amounts import DASH, amounts, numbers, proportions, tidied
from .english_forms import ROMAN, english_figures, english_moments, english_names
from .english_speaker import English
from .figures import SIGN
from .identifiers import DOT, ENTITY, identifiers, numbers_to_call, spelled_out
from .kept import ANNOTATION
from .moments import moments
from .notation import COMPARED, JOINT, NUMBER, rule
from .numbers_english import cardinal, paired
from .reader import Reader
from .units import BARE_UNIT, BASES, UNITS

_HALF = r"(?:1[0-2]|0?[1-9])(?::[0-5]\d)? ?[AaPp]\.?[Mm](?![A-Za-z])"
_UNTIL_HALF = re.compile(
    rf"(?<![\d.,:/-])(\d{{1,2}}(?::[0-5]\d)?(?: ?[AaPp]\.?[Mm])?) ?[-–~] ?(?={_HALF})"
)
_UNTIL_CLOCK = re.compile(r"(?<=\d:\d\d) ?[-–~] ?(?=\d{1,2}:\d\d(?!\d))")
_BETWEEN = re.compile(rf"(\b[Bb]etween -?{NUMBER}) ?[-–] ?(?=-?\d)")

_SQUARE_FEET = re.compile(r"(?<=\d )sq\.? ?(ft|m|km)(?![A-Za-z])")
_GLUED = r"(?<=[A-Za-z])(?<!\d[xX])[.-]?(\d{3,4})(?!\d|[.,]\d)"
_TALL = r"(?<![\w'’])(\d)['’′] ?(\d{1,2})[\"”″]"

_NEXT_TO_FIGURES = (
    (r"(?<=\d)x(?![A-Za-z0-9])|(?<=\d) ?× ?|× ?(?=\d)|(?<=\d) ?\* ?(?=\d)", "times"),
    (r"(?<=[\w)])\^2(?!\d)", "squared"),
    (r"(?<=[\w)])\^3(?!\d)", "cubed"),
    (r"(?<=[\w)])\^(?=-?\d)", "to the"),
    (r"(?<=[\d\x1f])/(?=\d)", "slash"),
    (r"(?<=[A-Za-z]\d)-(?=\d)|(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])", " "),
)
_COMPARED = (
    (r"(?i:(?<=about )|(?<=around ))[~≈]", ""),
    (r"(?<!\d)(?<!\d )~|≈", "about"),
    (r"≥|>=", "at least"),
    (r"≤|<=", "at most"),
    (r"[-=]>", "to"),
    (r"(?<=\d )/(?= )", "divided by"),
    (r">", "more than"),
    (r"<", "less than"),
)
_MARKS = tuple((re.compile(f"(?:{mark}){COMPARED}"), said) for mark, said in _COMPARED)
_SIGNS = (
    (r"~ ?(?=\x1f)", "to"),
    (r"±", "plus or minus"),
    (r"\+", "plus"),
    (r"=", "equals"),
    (r"&", "and"),
    (r"@", "at"),
    (r"÷", "divided by"),
    (DOT, "dot"),
    (r"°C(?![A-Za-z])", "degrees Celsius"),
    (r"°F(?![A-Za-z])", "degrees Fahrenheit"),
    (r"°", "degrees"),
    (r"%", "percent"),
    (r"‰", "per mille"),
    (r"(?<![A-Za-z])\$(?![A-Za-z])", "dollars"),
    (r"€", "euros"),
    (r"£", "pounds"),
    (r"¥", "yen"),
)
_JOINT = re.compile(r" ?\x1f[\x1f ]*+")
_OPENING, _CLOSING = "([{\"'“‘«<-–—/ ", ".,:;!?)]}\"'”’»>-–—/… "


_NOT_TALL = r"(?<=\d)(?<!['’′]\d)(?<!['’′]\d\d)(?<!['’′] \d)(?<!['’′] \d\d)"
_EXTENT = "(?:wide|tall|long|deep|high|thick|expected)"
_RESPELLED = (
    (r"(?<![\d.,:])(\d{1,2}) ?m(?= (?:ago|left|remaining|later|timer)\b)", r"\1 min"),
    (r"(?i:(\btimer(?: is| for| set for)?:? )(\d{1,3}) ?m)(?![A-Za-z0-9])", r"\1\2 min"),
    (r"(?<![\d.,:])([01]?\d)\.([0-5]\d)(?= ?[AaPp]\.?[Mm](?![A-Za-z]))", r"\1:\2"),
    (r"(?<=\d) ?ft\.? ?(?=(?:1[01]|\d) ?in\b)", " feet "),
    (r"(?<= feet )(1[01]|\d) ?in\b(?! the\b)(?:\.(?= [a-z]))?", r"\1 inches"),
    (rf"(?<=\d) ?in\.?(?= (?:of (?:rain|snow|water)|{_EXTENT})\b)", " inches"),
    (rf"{_NOT_TALL}″", " inches"),
)
_REWRITTEN = tuple((re.compile(written), said) for written, said in _RESPELLED)
_INCHES = re.compile(rf"{_NOT_TALL}[\"”]")


def _respelled(text: str) -> str:
    for written, said in _REWRITTEN:
        text = written.sub(said, text)
    if text.count('"') + text.count("”") == 1 and "“" not in text:  # alone it quotes nothing
        text = _INCHES.sub(" inches", text)
    text = tidied(spelled_out(text))
    for mark, said in _MARKS:
        text = mark.sub(f"{JOINT}{said} " if said else "", text)
    if DASH.search(text):
        text = _UNTIL_CLOCK.sub(" to ", _UNTIL_HALF.sub(r"\1 to ", text))
        text = _BETWEEN.sub(r"\1 and ", text)
    return _SQUARE_FEET.sub(r"\1^2", text) if "sq" in text else text


def _tall(written: re.Match[str]) -> str:
    return f"{cardinal(written[1])} foot {cardinal(written[2])}"


def _bare_unit(written: re.Match[str]) -> str:
    per = written["per"]
    return UNITS[written["unit"]].many + (f" per {BASES[per].one}" if per else "")


def _left_over(written: re.Match[str]) -> str:
    between = {"": "", ",": ", ", "/": " slash "}.get(written[1], " ")
    return between + cardinal(written[2])


def _joined(text: str) -> str:
    return _JOINT.sub(_space, text)


def _space(joint: re.Match[str]) -> str:
    """Return a space, unless one of the marks that cling is beside the joint."""
    if " " in joint[0]:
        return " "
    before = joint.string[: joint.start()][-1:]
    after = joint.string[joint.end() :][:1]
    return "" if before in _OPENING or after in _CLOSING else " "


_ENGLISH = English()


def _reader(*, month_first: bool) -> Reader:
    return Reader(
        marked=re.compile(rf"{SIGN}|{DOT}|{ENTITY}|{ROMAN}|{BARE_UNIT}"),
        kept=ANNOTATION,
        respelled=_respelled,
        rules=(
            *english_moments(_ENGLISH, month_first=month_first),
            *moments(_ENGLISH, month_first=month_first),
            *identifiers(_ENGLISH),
            *english_names(_ENGLISH),
            rule(_TALL, _tall, "'’′"),
            *proportions(_ENGLISH),
            *amounts(_ENGLISH),
            *numbers_to_call(_ENGLISH),
            *english_figures(),
            rule(BARE_UNIT, _bare_unit, "/^"),
            rule(_GLUED, lambda written: paired(written[1])),
            rule(r"(?<![\d.])\d{3,4}(?=[pi](?![A-Za-z]))", lambda written: paired(written[0])),
            *(rule(pattern, said) for pattern, said in _NEXT_TO_FIGURES),
            rule(r"(?<=\d)(?!x\d)[a-z](?![A-Za-z])", lambda written: written[0].upper()),
            *numbers(_ENGLISH),
            rule(r"([,:/]?)(\d+)", _left_over),
            *(rule(pattern, said) for pattern, said in _SIGNS),
        ),
        joined=_joined,
    )


AMERICAN, BRITISH = _reader(month_first=True), _reader(month_first=False)
