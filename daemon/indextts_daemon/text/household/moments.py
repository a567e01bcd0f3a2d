"""Clock times, dates and durations, as they are written in every language."""

import re

from .notation import ALONE, ENDED, Rule, rule
from .speaker import Speaker

_YEAR, _MONTH, _DAY = r"(1[5-9]\d\d|2[01]\d\d)", r"(1[0-2]|0?[1-9])", r"(3[01]|[12]\d|0?[1-9])"
_ISO = rf"{ALONE}(?<!-)(?:{_YEAR}([-/]){_MONTH}\2{_DAY}|(2\d\d\d)\.([01]\d)\.([0-3]\d))"
_ZONE = r"(?: ?Z(?![A-Za-z])| ?[+-]\d\d:?\d\d(?!\d))?"
_STAMP = rf"{_ISO}[T ]([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d(?:[.,]\d{{1,9}})?)?{_ZONE}{ENDED}"
_NUMBERED = rf"{ALONE}(?<!-)(\d{{1,2}})([-/.])(\d{{1,2}})\2((?:1[5-9]|2[01])\d\d){ENDED}(?!-\d)"
_SHORT = rf"{ALONE}(?<!-)(\d{{1,2}})(/)(\d{{1,2}})\2(\d\d){ENDED}"
_HALF = r"(?: ?([AaPp])\.?[Mm](?![A-Za-z])(?:\.(?! *$))?)"
_CLOCK = rf"{ALONE}([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?{ENDED}{_HALF}?"
_HOUR = rf"{ALONE}(?<!-)(1[0-2]|0?[1-9]){_HALF}"
_SPAN = rf"{ALONE}(\d{{1,3}}):([0-5]\d):([0-5]\d)(?:\.\d++)?{ENDED}"

_PART = r"\d{1,5} ?(?:d|days?|h|hrs?|hours?|mins?|minutes?|m|secs?|seconds?|s)"
_PARTS = re.compile(r"(\d+) ?([dhms])")
_COMPOUND = rf"{ALONE}(?:{_PART} ?){{1,3}}{_PART}(?![A-Za-z0-9])"
_HALF_HOUR = rf"{ALONE}(\d{{1,2}})h([0-5]\d)(?![A-Za-z0-9])"

_MONTHS, _DAYS = 12, 31


def moments(speaker: Speaker, *, month_first: bool = False) -> tuple[Rule, ...]:
    """Return the rules for moments; `month_first` where a date of figures fits both ways."""
    return (*_dates(speaker, month_first=month_first), *_clocks(speaker), *_spans(speaker))


def _dates(speaker: Speaker, *, month_first: bool) -> tuple[Rule, ...]:

    def iso(written: re.Match[str]) -> str | None:
        month, day = int(written[3] or written[6]), int(written[4] or written[7])
        return _date(speaker, written[1] or written[5], month, day)

    def stamp(written: re.Match[str]) -> str | None:
        date, clock = iso(written), speaker.clock(int(written[8]), int(written[9]))
        return date and f"{date}{speaker.pause}{clock}"

    def numbered(written: re.Match[str]) -> str | None:
        american = month_first and written[2] != "."
        month, day = month_and_day(written[1], written[3], month_first=american)
        return _date(speaker, written[4], month, day)

    return (
        rule(_STAMP, stamp, ":"),
        rule(_ISO + ENDED + r"(?!-)", iso, "-/."),
        rule(_NUMBERED, numbered, "-/."),
        rule(_SHORT, numbered, "/"),
    )


def _clocks(speaker: Speaker) -> tuple[Rule, ...]:
    def clock(written: re.Match[str]) -> str | None:
        hour, minute, second, half = written.groups()
        lasts = second and (len(hour) == 1 or hour == "00") and not half
        if lasts:
            return None
        half = f"{half}m".upper() if half else ""
        return speaker.clock(int(hour), int(minute), int(second or 0), half)

    def hour(written: re.Match[str]) -> str:
        return speaker.clock(int(written[1]), half=f"{written[2]}m".upper())

    return (rule(_CLOCK, clock, ":"), rule(_HOUR, hour, "mM"))


def _spans(speaker: Speaker) -> tuple[Rule, ...]:
    def span(written: re.Match[str]) -> str:
        return speaker.span(list(zip(map(int, written.groups()), "hms", strict=True)))

    def compound(written: re.Match[str]) -> str | None:
        parts = [(int(number), unit) for number, unit in _PARTS.findall(written[0])]
        order = ["dhms".index(unit) for _, unit in parts]
        return speaker.span(parts) if order == sorted(set(order)) else None

    def half_hour(written: re.Match[str]) -> str:
        return speaker.span([(int(written[1]), "h"), (int(written[2]), "m")])

    return (
        rule(_SPAN, span, ":"),
        rule(_COMPOUND, compound, "hms"),
        rule(_HALF_HOUR, half_hour, "h"),
    )


def month_and_day(first: str, last: str, *, month_first: bool) -> tuple[int, int]:
    """Return which is the month, and which the day: the other way where only that fits."""
    one, other = int(first), int(last)
    month, day = (one, other) if month_first else (other, one)
    return (day, month) if month > _MONTHS else (month, day)


def _date(speaker: Speaker, year: str, month: int, day: int) -> str | None:
    if not (1 <= month <= _MONTHS and 1 <= day <= _DAYS):
        return None
    return speaker.date(year if len(year) > 2 else f"20{year}", month, day)  # noqa: PLR2004
