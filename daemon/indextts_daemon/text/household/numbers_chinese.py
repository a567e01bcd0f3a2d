"""Chinese words for numbers, as they are said in Mandarin: 两百五十, 一万二千, 零点零五."""

_DIGITS = "零一二三四五六七八九"
_CALLED = _DIGITS.replace("一", "幺")
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")
_LONGEST = 16  # digits; longer ones are said one by one


def number(written: str) -> str:
    """Say digits, which may have commas or a point in them: "1,250.5"."""
    whole, _, decimals = written.replace(",", "").partition(".")
    return f"{cardinal(whole, two='二')}点{spelled(decimals)}" if decimals else cardinal(whole)


def cardinal(digits: str, *, two: str = "两") -> str:
    """Say how many; `two` is what a leading 2 becomes in front of 百, 千, 万 and 亿."""
    if len(digits) > _LONGEST or (digits.startswith("0") and len(digits) > 1):
        return spelled(digits)
    said = _joined(digits) or "零"
    if said.startswith("一十"):
        return said[1:]
    return two + said[1:] if said[0] == "二" and said[1:2] in "百千万亿" and said[1:] else said


def spelled(digits: str) -> str:
    """Say digits one by one."""
    return "".join(_DIGITS[int(digit)] for digit in digits)


def called(digits: str) -> str:
    """Say the digits of a number to call, where 一 could be heard as 七."""
    return "".join(_CALLED[int(digit)] for digit in digits)


def _joined(digits: str) -> str:
    said = ""
    skipped = False  # a zero, or several, that one 零 stands for
    for index in range((len(digits) - 1) // 4, -1, -1):
        group = digits[: len(digits) - 4 * index][-4:]
        any_here = False
        for place, digit in zip(reversed(range(len(group))), group, strict=True):
            if digit == "0":
                skipped = bool(said)
                continue
            said += ("零" if skipped else "") + _DIGITS[int(digit)] + _PLACES[place]
            skipped, any_here = False, True
        said += _GROUPS[index] if any_here else ""
    return said
