"""Amounts of something, prices, fractions and proportions, as they are written everywhere."""

# ruff: noqa: RUF001 - the dashes of other scripts look like ours on purpose

import re

from .notation import ALONE, ENDED, NUMBER, Rule, any_of, rule, words
from .speaker import Amount, Figure, Price, Speaker
from .units import BASES, PER, UNIT, UNITS

_CODES = words("USD EUR GBP JPY CNY AUD CAD HKD TWD INR KRW RUB BTC CHF")
CURRENCIES = {
    "US$": "USD", "A$": "AUD", "C$": "CAD", "HK$": "HKD", "NT$": "TWD", "$": "$", "€": "EUR",
    "£": "GBP", "¥": "¥", "₹": "INR", "₩": "KRW", "₽": "RUB", "₿": "BTC", "元": "CNY",
    "RMB": "CNY",
    **{code: code for code in _CODES},
}  # fmt: skip
_LARGE = {"k": "k", "K": "k", "M": "M", "m": "M", "mn": "M", "B": "B", "bn": "B"} | {
    "thousand": "k",
    "million": "M",
    "billion": "B",
    "万": "万",
    "亿": "亿",
}

DASH = re.compile(r"[-–—~]")
_TO, _BY = r" ?[-–—~→] ?", r" ?[x×X*] ?"
_SIGN = r"(?<![0-9A-Za-z\u00c0-\u024f)\]\x1f])-"
_LINKED = r"-?(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?+"
AMOUNT = rf"(?P<amount>(?:{_SIGN})?{NUMBER}(?:(?:{_TO}|{_BY}){_LINKED}){{0,3}})"
_FIGURE = re.compile(rf"(^|{_BY}|{_TO})(-?)([\d.,]+)")
_SIGNS = any_of(CURRENCIES)
_SIGNS_BEFORE = any_of(CURRENCIES.keys() - {"元"})  # 2单元301 is no price
_NAMED = rf"(?:{any_of(UNITS)})(?![A-Za-z0-9])"
_SIZE = rf"(?: ?(?P<large>{any_of(_LARGE)})(?![A-Za-z0-9\u00c0-\u024f]))?"

_PRICE = rf"(?P<sign>{_SIGN})?(?<![A-Za-z])(?P<currency>{_SIGNS_BEFORE}) ?{AMOUNT}{_SIZE}(?:{PER})?"
_PRICE_BEHIND = rf"{AMOUNT}{_SIZE} ?(?P<currency>{_SIGNS})(?![A-Za-z0-9])(?:{PER})?"
_ONE = r"(?:(?P<one>\b[Aa]n? )(?=\d))?"
_MEASURED = rf"{_ONE}(?<![A-Za-z])(?<![A-Za-z]-){AMOUNT}(?P<joint> ?|-(?=\w\w|°)){UNIT}"
_KELVIN = rf"{ALONE}(?<![A-Za-z-])(?P<amount>[1-9]\d{{3,4}}) ?K(?![A-Za-z0-9])"
_FRACTION = (
    rf"{ALONE}(?:(?P<whole>\d{{1,4}}) )?(?<![\d./])(?P<upper>\d{{1,3}})/(?P<lower>\d{{1,3}}){ENDED}"
    rf"(?: ?{UNIT})?"
)
_RATIO = rf"{ALONE}(\d{{1,3}}) ?: ?(\d{{1,3}}){ENDED}"

_NAMED_NEXT = re.compile(r"(?<=[A-Z]) (?:[A-Z][a-z]|\d{1,3}(?:st|nd|rd|th))")  # 500 W Broadway
_REPEATED = re.compile(
    rf"(?<=\d) ?({any_of(UNITS)})( ?[-–—~] ?)(?=-?[\d.,]{{1,12}} ?\1(?![A-Za-z0-9]))"
)
_REPEATED_SIGN = re.compile(rf"({_SIGNS}) ?({NUMBER} ?[-–—~] ?)\1 ?(?=\d)")
_BARE_DEGREES = re.compile(
    r"(?<=\d\.\d) ?(?=[CF](?![A-Za-z0-9]))"
    r"|(?:(?<=[ (-]\d\d)|(?<=^\d\d)|(?<=[ (-]\d\d\d)) ?(?=F(?![A-Za-z0-9]))"
)
_COMMA = re.compile(
    rf"(?:(?<=[$€£¥])|(?<=[$€£¥] )|{ALONE}(?=\d++,\d{{1,2}} ?(?:[€£$%°]|{_NAMED})))"
    r"(\d++),(?=\d{1,2}(?!\d))"
)


def tidied(text: str) -> str:
    """Return a text in which a range names its unit once, and the decimals follow a point."""
    if "C" in text or "F" in text:
        text = _BARE_DEGREES.sub("°", text)
    if DASH.search(text):
        text = _REPEATED_SIGN.sub(r"\1\2", _REPEATED.sub(r"\2", text))
    return _COMMA.sub(r"\1.", text) if "," in text else text


def amounts(speaker: Speaker) -> tuple[Rule, ...]:
    """Return the rules for what has a unit or a currency, said by the speaker."""

    def priced(written: re.Match[str]) -> str:
        amount = amount_of(written["amount"])
        if written.groupdict().get("sign"):
            amount = (Figure(number=amount[0].number, negative=True), *amount[1:])
        price = Price(
            amount=amount,
            currency=CURRENCIES[written["currency"]],
            large=_LARGE.get(written["large"] or "", ""),
        )
        return speaker.price(price, BASES.get(written["per"] or ""))

    def measured(written: re.Match[str]) -> str | None:
        article, per = written["one"] or "", BASES.get(written["per"] or "")
        if len(written["unit"]) == 1 and _NAMED_NEXT.match(written.string, written.end()):
            return None
        one = bool(article) or written["joint"] == "-"
        amount = amount_of(written["amount"])
        return article + speaker.measured(amount, UNITS[written["unit"]], per, one=one)

    def kelvin(written: re.Match[str]) -> str:
        return speaker.measured(amount_of(written["amount"]), UNITS["°K"], None, one=False)

    return (
        rule(_PRICE, priced),
        rule(_PRICE_BEHIND, priced),
        rule(_MEASURED, measured),
        rule(_KELVIN, kelvin, "K"),
    )


def proportions(speaker: Speaker) -> tuple[Rule, ...]:
    """Return the rules for what is part of a whole, or stands against something."""

    def fraction(written: re.Match[str]) -> str:
        whole, upper, lower = written["whole"] or "", written["upper"], written["lower"]
        unit, per = UNITS.get(written["unit"] or ""), BASES.get(written["per"] or "")
        if whole and int(upper) >= int(lower):  # two numbers: "channel 5 24/7"
            apart = speaker.amount((Figure(number=whole),), counted="")
            return f"{apart} {speaker.fraction('', upper, lower, unit, per)}"
        return speaker.fraction(whole, upper, lower, unit, per)

    return (
        rule(_FRACTION, fraction, "/"),
        rule(_RATIO, lambda written: speaker.ratio(written[1], written[2]), ":"),
    )


def numbers(speaker: Speaker) -> tuple[Rule, ...]:
    """Return the rules for numbers that nothing more is known about."""

    def amount(written: re.Match[str]) -> str:
        named = _is_letter(
            written.string[written.start() - 1 : written.start()]
        )  # B2 is no two of anything
        return speaker.amount(
            amount_of(written["amount"], equation=_in_equation(written)),
            counted="" if named else written.string[written.end() : written.end() + 8].lstrip(),
        )

    return (rule(AMOUNT, amount),)


def amount_of(written: str, *, equation: bool = False) -> Amount:
    """Read an amount; in an equation, a dash takes away and a cross multiplies."""
    figures = []
    for link, sign, number in _FIGURE.findall(written):
        joined = link.strip() and ("by" if link.strip() in "x×X*" else "to")
        if equation and joined:
            joined = {"to": "minus", "by": "times"}[joined]
        figures.append(Figure(number=number, negative=bool(sign), link=joined))
    return tuple(figures)


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _in_equation(written: re.Match[str]) -> bool:
    return written.string[written.end() :][:2].lstrip().startswith("=")
