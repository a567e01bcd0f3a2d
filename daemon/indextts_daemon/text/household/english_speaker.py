"""What an American says at home for figures."""

from collections.abc import Callable

from .notation import words
from .numbers_english import cardinal, number, ordinal, paired, spelled
from .speaker import Amount, Figure, Price
from .units import Unit

MONTHS = words(
    "January February March April May June July August September October November December"
)
NOON = 12
_SPANS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}
_STAGES = {"a": "alpha", "b": "beta", "rc": "R C"}
_LARGE = {
    "k": " thousand", "M": " million", "B": " billion", "万": " ten thousand",
    "亿": " hundred million",
}  # fmt: skip
_MONEY = {  # one, many, a hundredth, hundredths
    "$": ("dollar", "dollars", "cent", "cents"),
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "TWD": ("Taiwan dollar", "Taiwan dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "¥": ("yen", "yen", "sen", "sen"),
    "JPY": ("yen", "yen", "sen", "sen"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "KRW": ("won", "won", "jeon", "jeon"),
    "INR": ("rupee", "rupees", "paisa", "paise"),
    "RUB": ("ruble", "rubles", "kopeck", "kopecks"),
    "BTC": ("bitcoin", "bitcoins", "cent", "cents"),
}
_PARTS = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
_NAMED_PARTS = words("2 3 4 5 6 7 8 9 12 16")  # whatever else is "out of" so many
_A_YEAR = range(1900, 2100)


class English:
    """Says it in American English."""

    pause = ", "

    def amount(self, amount: Amount, *, counted: str) -> str:  # noqa: ARG002 - two is two
        """Say years and sizes of screens in pairs, and whatever else as a number."""
        numbers = [figure.number for figure in amount]
        alone = not any(figure.negative for figure in amount)
        crossed = len(numbers) > 1 and all(figure.link == "by" for figure in amount[1:])
        screen = crossed and all(number.isdigit() and len(number) > 2 for number in numbers)  # noqa: PLR2004
        if alone and (screen or all(map(_is_year, numbers))):
            return _linked(amount, paired)
        return _linked(amount)

    def measured(self, amount: Amount, unit: Unit, per: Unit | None, *, one: bool) -> str:
        """Say "five kilometers per hour"."""
        one = one or [figure.number for figure in amount] == ["1"]
        return f"{_linked(amount)} {unit.one if one else unit.many}{_per(per)}"

    def price(self, price: Price, per: Unit | None) -> str:
        """Say "twelve dollars and fifty cents"."""
        one, many, *hundredths = _MONEY[price.currency]
        [first, *others] = price.amount
        whole, _, cents = first.number.partition(".")
        if len(cents) == 2 and not others and not price.large:  # noqa: PLR2004
            return f"{_minus(first)}{_in_coins(whole, cents, (one, many), hundredths)}{_per(per)}"
        name = one if first.number == "1" and not others and not price.large else many
        return f"{_linked(price.amount)}{_LARGE.get(price.large, '')} {name}{_per(per)}"

    def fraction(
        self, whole: str, upper: str, lower: str, unit: Unit | None, per: Unit | None
    ) -> str:
        """Say "three quarters", "one and a half hours"."""
        part = self._part(upper, lower)
        if whole:
            part = "a" + part.removeprefix("one") if upper == "1" else part
            named = f" {unit.many}" if unit else ""
            return f"{cardinal(whole)} and {part}{named}{_per(per)}"
        if not unit:
            return part
        article = "an" if unit.one.startswith(("a", "e", "i", "o", "hour")) else "a"
        return f"{part} of {article} {unit.one}{_per(per)}"

    def ratio(self, left: str, right: str) -> str:
        """Say "three to two"."""
        return f"{cardinal(left)} to {cardinal(right)}"

    def date(self, year: str, month: int, day: int) -> str:
        """Say "November twentieth, twenty twenty six"."""
        said = f"{MONTHS[month - 1]} {ordinal(str(day))}"
        return f"{said}, {paired(year)}" if year else said

    def clock(self, hour: int, minute: int = 0, second: int = 0, half: str = "") -> str:
        """Say "six forty five", "eight AM", "eighteen hundred"."""
        if hour % 24 == 0 and not half:
            if not minute and not second:
                return "midnight"
            hour, half = NOON, "AM"
        said = cardinal(str(hour))
        if minute:
            said += (
                f" {spelled(f'{minute:02}', zero='oh') if minute < 10 else cardinal(str(minute))}"  # noqa: PLR2004
            )
        elif not half:
            said += " hundred" if hour > NOON else " o'clock"
        if second:
            said += f" and {_counted(second, 'second')}"
        return f"{said} {half}" if half else said

    def span(self, parts: list[tuple[int, str]]) -> str:
        """Say "two hours five minutes and ten seconds"."""
        said = [_counted(number, _SPANS[unit]) for number, unit in parts if number]
        if len(said) > 2:  # noqa: PLR2004
            said[-2:] = [f"{said[-2]} and {said[-1]}"]
        return " ".join(said) or _counted(0, _SPANS[parts[-1][1]])

    def phone(self, groups: list[str], *, abroad: bool) -> str:
        """Say every digit, and pause between the groups."""
        said = ", ".join(spelled(group, zero="oh") for group in groups)
        return f"plus {said}" if abroad else said

    def code(self, digits: str) -> str:
        """Say every digit."""
        return spelled(digits)

    def version(self, parts: list[str], *, named: bool) -> str:
        """Say "twenty twenty six point eleven point zero"."""
        said = "version" if named else ""
        for index, part in enumerate(parts):
            if not part.isdigit():
                said += f" {_STAGES.get(part, part)}"
            else:
                joined = " point " if index and parts[index - 1].isdigit() else " "
                year = not index and _is_year(part)
                said += joined + (paired(part) if year else cardinal(part))
        return said.strip()

    def address(self, parts: list[str], port: str) -> str:
        """Say "one ninety two dot one sixty eight"."""
        said = " dot ".join(map(paired, parts))
        return f"{said} port {spelled(port)}" if port else said

    def gas(self, formula: str) -> str:
        """Say "C O two"."""
        return " ".join(spelled(sign) if sign.isdigit() else sign for sign in formula)

    @staticmethod
    def _part(upper: str, lower: str) -> str:
        if (upper, lower) == ("24", "7"):
            return "twenty four seven"
        if upper == lower in ("20", "50"):  # of vision, and of chances
            return f"{cardinal(upper)} {cardinal(lower)}"
        if lower not in _NAMED_PARTS or not 0 < int(upper) < int(lower):
            joined = "out of" if int(upper) <= int(lower) else "over"
            return f"{cardinal(upper)} {joined} {cardinal(lower)}"
        one, many = _PARTS.get(lower, (ordinal(lower), f"{ordinal(lower)}s"))
        return f"{cardinal(upper)} {one if upper == '1' else many}"


def _linked(amount: Amount, say: Callable[[str], str] = number) -> str:
    links = (f" {figure.link} " if figure.link else "" for figure in amount)
    said = (f"{_minus(figure)}{say(figure.number)}" for figure in amount)
    return "".join(map("".join, zip(links, said, strict=True)))


def _minus(figure: Figure) -> str:
    return "minus " if figure.negative else ""


def _per(unit: Unit | None) -> str:
    return f" per {unit.one}" if unit else ""


def _counted(value: int, name: str) -> str:
    return f"{cardinal(str(value))} {name}" + ("" if value == 1 else "s")


def _in_coins(whole: str, cents: str, names: tuple[str, str], hundredths: list[str]) -> str:
    small = f"{cardinal(str(int(cents)))} {hundredths[int(cents) != 1]}"
    large = f"{number(whole)} {names[whole != '1']}"
    if not int(cents):
        return large
    return f"{large} and {small}" if whole.strip("0") else small


def _is_year(written: str) -> bool:
    return len(written) == 4 and written.isdigit() and int(written) in _A_YEAR  # noqa: PLR2004
