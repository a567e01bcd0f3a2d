"""What only English writes in this way: months, ordinals, rooms, numbers to call, Roman figures."""

# ruff: noqa: RUF001 - a right quotation mark is an apostrophe

import re

from .english_speaker import MONTHS, English
from .moments import month_and_day
from .notation import ALONE, ENDED, NUMBER, Rule, any_of, rule, rule_behind, words
from .numbers_english import cardinal, ordinal, paired
from .units import UNITS

_MONTH_NUMBERS = {month: index for index, month in enumerate(MONTHS, 1)}
_MONTH_NUMBERS |= {month[:3]: index for month, index in _MONTH_NUMBERS.items()} | {"Sept": 9}
_MONTH = rf"(?<![A-Za-z])(?P<month>{any_of(_MONTH_NUMBERS)})\.?"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR = r"(?:,? (?P<year>(?:1[5-9]|20|21)\d\d)(?!\d|[.,:]\d))?"
_NTH = r"(?:st|nd|rd|th)?"
_MONTH_DAY = (
    rf"{_MONTH} (?P<day>{_DAY}){_NTH}(?: ?[-–] ?(?P<last>{_DAY}){_NTH})?{_YEAR}"
    r"(?!\d|[.:/]\d|[A-Za-z%°])"
)
_DAY_MONTH = rf"{ALONE}(?P<day>{_DAY}){_NTH} {_MONTH}(?![A-Za-z]){_YEAR}"
_MONTH_YEAR = rf"{_MONTH} (?P<year>(?:19|20)\d\d){ENDED}"
_WEEKDAY = r"(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)"
_ON = rf"(?P<front>\b(?:(?i:on|by|since|until|due|date|today is)|{_WEEKDAY})[,:.]? )"
_SHORT_DATE = rf"{_ON}({_DAY})/({_DAY}){ENDED}"
_TIMED = (
    r"(?P<front>(?i:\b(?:timer|remaining|takes|took|duration|countdown|eta in)"
    r"(?: (?:is|was|for|set for|set to|of))?:? ))(\d{1,3}):([0-5]\d)"
    r"(?: ?h(?:ours?|rs?)?(?![A-Za-z]))?"
)
_NO_HALF = r"(?!\d|:\d| ?[AaPp]\.?[Mm])"
_LASTS = (
    rf"{ALONE}(\d{{1,3}}):([0-5]\d)"
    r"(?:(?= (?:left|remaining|elapsed|to go)\b)| ?(?:hours|hrs?)(?![A-Za-z]))"
)

_WON = ("score", "score:", "score is", "score of", "won", "lost", "ratio")
_BEHIND = "|".join(rf"(?<=\b{word} )" for word in _WON)
_SCORE = rf"(?i:{_BEHIND})(\d{{1,3}}) ?: ?(\d{{1,3}})(?!\d|:\d)"

_CALL = r"(?i:\b(?:call|dial|phone|text|ring|tel\.?|extension|ext\.?)(?: number)?(?: is|:)? )"
_COUNTED = r"(?! ?[%°]| (?:people|times|guests|seconds|minutes|hours)\b)"
_CALLED = rf"(?P<front>{_CALL})"
_CALLED += rf"(?=\d[\d. -]{{2}})(?P<digits>\d++(?:-\d++|[. ]\d{{2,9}}+)*){ENDED}(?!-\d){_COUNTED}"
_GUARD = r"(?i:\b(?:code|pin|passcode|password|combination|otp|zip|id|port|account)\b)"
_CODE = rf"(?P<front>{_GUARD}(?: (?:is|was|now|to|of|number)\b){{0,3}}:? )"
_CODE += r"(?=[\d-]{3})(?P<digits>\d++(?:-\d++)*)"
_NO_AMOUNT = rf"(?![A-Za-z0-9]|[.,:/]\d| ?(?:{any_of(UNITS)})(?![A-Za-z0-9]))"
_PLACES = words(
    "room apartment apt suite unit gate flight highway route bus line house building terminal"
    " platform channel flat interstate"
)
_PLACE = rf"(?P<front>(?i:\b(?:{'|'.join(_PLACES)})\.? ))(?P<digits>\d{{1,4}})(?P<wing>[A-Z]?)"
_MODEL = r"(?P<front>\b(?:RTX|GTX|RX|Radeon|GeForce|Boeing|Canon|Ryzen \d) ?)(?P<digits>\d{3,4})"
_NUMBER_SIGN = (
    r"(?:(?<![A-Za-z0-9&])#|(?<![A-Za-z])(?<!or )(?<!said )(?<!say )[Nn](?:o|r|os)\. ?)(?=\d)"
)
_IN_YEAR = r"(?P<front>(?i:\b(?:in|since|until|of|year|circa)) )(?P<digits>1[0-8]\d\d)"

_ORDINAL = rf"{NUMBER}(?:st|nd|rd|th)(?![A-Za-z])"
_DECADE = rf"(?:{ALONE}((?:1[89]|20)\d0)|(?:(?<=\b[Tt]he )|(?<=')|(?<=’))([2-9]0))'?s(?![A-Za-z])"
_WHOSE = r"(?:the|his|her|their|my|your|our|early|mid|late)"
_KINDS = r"(?:music|songs?|hits|playlist|rock|pop|party|radio|classics|movies|style)"
_TENS = r"[2-9]0s(?:(?:,|,? and|,? or|,? to) [2-9]0s)*+"
_DECADES = rf"(?i:(?P<front>\b{_WHOSE} |){ALONE}(?<![A-Za-z]){_TENS}(?P<kind> {_KINDS}\b)?)"
_ONE_DECADE = re.compile(r"([2-9]0)[sS]")
_MANY = r"(?<=[A-Za-z])-?(\d{1,2})s(?![A-Za-z0-9])"

_RULERS = words("Charles Edward Elizabeth Francis George Henry James John Louis Paul Pius William")
_ROMAN = r"(?P<roman>X{0,2}(?:I[XV]|V?I{0,3}))(?<=[IVX])(?![\w'’-])"
_CHAPTER = r"(?:Act|Book|Chapter|Class|Episode|Level|Part|Phase|Season|Stage|Type|Volume|War)"
_NOT_ME = r"(?!I(?![IVX])(?! (?:of|is|and)\b|[.,:;!?)]|$))"
_CHAPTERS = rf"(?<![A-Za-z])(?P<front>{_CHAPTER} ){_NOT_ME}{_ROMAN}"
_INITIAL = r"(?!V\b|X\b|I\b)"
_REIGNS = rf"(?<![A-Za-z])(?P<front>(?:{'|'.join(_RULERS)}) ){_INITIAL}{_ROMAN}"
ROMAN = rf"{_CHAPTERS}|{_REIGNS}".replace("?P<front>", "?:").replace("?P<roman>", "?:")


def english_moments(speaker: English, *, month_first: bool) -> tuple[Rule, ...]:
    """Return the rules for scores, dates with the month's name, and decades."""

    def month_day(written: re.Match[str]) -> str:
        said = speaker.date("", _MONTH_NUMBERS[written["month"]], int(written["day"]))
        if last := written.groupdict().get("last"):
            said += f" to {ordinal(str(int(last)))}"
        return said + (f", {paired(written['year'])}" if written["year"] else "")

    def month_year(written: re.Match[str]) -> str:
        return f"{MONTHS[_MONTH_NUMBERS[written['month']] - 1]} {paired(written['year'])}"

    def short_date(written: re.Match[str]) -> str:
        month, day = month_and_day(written[2], written[3], month_first=month_first)
        if month > len(MONTHS):
            return written[0]
        return written["front"] + speaker.date("", month, day)

    def span(written: re.Match[str]) -> str:
        return speaker.span([(int(written[1]), "h"), (int(written[2]), "m")])

    def timed(written: re.Match[str]) -> str:
        said = speaker.span([(int(written[2]), "h"), (int(written[3]), "m")])
        return written["front"] + said

    return (
        rule(_SCORE, lambda written: speaker.ratio(written[1], written[2]), ":"),
        rule(_MONTH_DAY, month_day),
        rule(_DAY_MONTH, month_day),
        rule(_MONTH_YEAR, month_year),
        rule(_SHORT_DATE, short_date, "/"),
        rule(_TIMED + _NO_HALF, timed, ":"),
        rule(_LASTS, span, ":"),
        rule(_DECADES, _decades, "0"),
        rule(_DECADE, _decade, "0"),
    )


def english_names(speaker: English) -> tuple[Rule, ...]:
    """Return the rules for figures that name: codes, rooms, models, numbers to call."""
    return (
        rule_behind(_CALLED, lambda written: speaker.phone(_groups(written), abroad=False)),
        rule_behind(_CODE + ENDED, lambda written: ", ".join(map(speaker.code, _groups(written)))),
        rule_behind(_PLACE + _NO_AMOUNT, _place),
        rule_behind(_MODEL + r"(?!\d|[.,:]\d)", lambda written: paired(written["digits"])),
        rule_behind(_IN_YEAR + _NO_AMOUNT, lambda written: paired(written["digits"])),
        rule(_NUMBER_SIGN, "number", "#."),
    )


def english_figures() -> tuple[Rule, ...]:
    """Return the rules for ordinals and Roman figures."""
    return (
        rule(_MANY, lambda written: _many(cardinal(written[1])), "s"),
        rule(_ORDINAL, lambda written: ordinal(written[0][:-2].replace(",", "").split(".")[0])),
        rule_behind(_CHAPTERS, lambda written: cardinal(_roman(written["roman"])), "IVX"),
        rule_behind(_REIGNS, lambda written: f"the {ordinal(_roman(written['roman']))}", "IVX"),
    )


def _decade(written: re.Match[str]) -> str:
    return _many(paired(written[1] or written[2]))


def _decades(written: re.Match[str]) -> str | None:
    if not (written["front"] or written["kind"]):
        return None
    return _ONE_DECADE.sub(lambda one: _many(cardinal(one[1])), written[0])


def _many(said: str) -> str:
    if said.endswith("y"):
        return f"{said[:-1]}ies"
    return f"{said}es" if said.endswith("x") else f"{said}s"


def _groups(written: re.Match[str]) -> list[str]:
    return re.findall(r"\d+", written["digits"])


def _place(written: re.Match[str]) -> str:
    return f"{paired(written['digits'])} {written['wing'].upper()}".rstrip()


def _roman(figures: str) -> str:
    values = [{"I": 1, "V": 5, "X": 10}[figure] for figure in figures]
    following = [*values[1:], 0]
    return str(
        sum(one if one >= other else -one for one, other in zip(values, following, strict=True))
    )
