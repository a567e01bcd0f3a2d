"""English words for numbers, as an American says them at home: no "and", no hyphens.

The voices take a hyphen for a pause.
"""

from .notation import words

_SMALL = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_TENS = words("_ _ twenty thirty forty fifty sixty seventy eighty ninety")
_LARGE = ("", " thousand", " million", " billion", " trillion")
_LONGEST = 15  # digits; longer ones are said one by one
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


def number(written: str) -> str:
    """Say digits, which may have commas or a point in them: "1,250.5"."""
    whole, _, decimals = written.replace(",", "").partition(".")
    return f"{cardinal(whole)} point {spelled(decimals)}" if decimals else cardinal(whole)


def cardinal(digits: str) -> str:
    """Say how many; what begins with a zero counts nothing."""
    if len(digits) > _LONGEST or (digits.startswith("0") and len(digits) > 1):
        return spelled(digits)
    value, said = int(digits), []
    for name in _LARGE:
        value, part = divmod(value, 1000)
        if part:
            said.append(f"{_below_thousand(part)}{name}")
    return " ".join(reversed(said)) or "zero"


def ordinal(digits: str) -> str:
    """Say which in a row."""
    first, space, last = cardinal(digits).rpartition(" ")
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return first + space + _ORDINALS.get(last, regular)


def spelled(digits: str, *, zero: str = "zero") -> str:
    """Say digits one by one."""
    return " ".join(zero if digit == "0" else _SMALL[int(digit)] for digit in digits)


def paired(digits: str) -> str:
    """Say a number that only names something, as years and rooms are: "twenty twenty six"."""
    if len(digits) not in (3, 4) or digits.startswith("0"):
        return spelled(digits, zero="oh") if digits[0] == "0" != digits else cardinal(digits)
    first, last = digits[:-2], digits[-2:]
    if last == "00":
        return cardinal(digits) if digits[-3] == "0" else f"{cardinal(first)} hundred"
    if first.endswith("0") and last.startswith("0"):
        return cardinal(digits)
    return f"{cardinal(first)} {spelled(last, zero='oh') if last[0] == '0' else cardinal(last)}"


def _below_thousand(value: int) -> str:
    hundreds, value = divmod(value, 100)
    said = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if value >= len(_SMALL):
        said.append(_TENS[value // 10])
        value %= 10
    if value:
        said.append(_SMALL[value])
    return " ".join(said)
