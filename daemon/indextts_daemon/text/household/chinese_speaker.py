"""What is said at home for figures in Mandarin."""

# ruff: noqa: RUF001 - the marks of Chinese look like ours on purpose

from collections.abc import Callable

from .numbers_chinese import called, cardinal, number, spelled
from .speaker import Amount, Figure, Price
from .units import Unit

_MEASURES = tuple(
    "个只条张台盏扇位人名次遍件份杯瓶袋盒包本把颗块片双对间天周年岁点倍米升度元角分秒步"
    "封辆箱根碗口节支首集门场家头匹句段轮种项批套座棵朵滴粒勺款例吨方毛罐桶串束排群顿趟声"
)
_MEASURES += ("公里", "公斤", "小时", "分钟", "星期", "平方", "立方", "百", "千", "万", "亿")
_LINKS = {"to": "到", "by": "乘", "minus": "减", "times": "乘"}
_SPANS = {"d": "天", "h": "小时", "m": "分", "s": "秒"}
_STAGES = {"a": "alpha", "b": "beta", "rc": "RC"}
_LARGE = {"k": "千", "M": "百万", "B": "十亿"}
_MONEY = {
    "$": "美元", "USD": "美元", "AUD": "澳元", "CAD": "加元", "HKD": "港币", "TWD": "新台币",
    "EUR": "欧元", "GBP": "英镑", "CHF": "瑞士法郎", "¥": "元", "JPY": "日元", "CNY": "元",
    "KRW": "韩元", "INR": "卢比", "RUB": "卢布", "BTC": "比特币",
}  # fmt: skip
_GASES = {
    "CO2": "二氧化碳", "NO2": "二氧化氮", "SO2": "二氧化硫", "N2O": "一氧化二氮", "H2S": "硫化氢",
    "CH4": "甲烷", "NH3": "氨气", "SF6": "六氟化硫", "O2": "氧气", "O3": "臭氧", "N2": "氮气",
    "H2": "氢气",
}  # fmt: skip
_DAWN, _NOON, _EVENING = 6, 12, 6
_A_YEAR = range(1900, 2100)


class Chinese:
    """Says it in Mandarin, in simplified characters."""

    pause = ""

    def amount(self, amount: Amount, *, counted: str) -> str:
        """Say 两 for 2 where things are counted, and years digit by digit."""
        if len(amount) > 1 and all(_is_year(figure.number) for figure in amount):
            return _linked(amount, spelled)
        screen = all(len(figure.number) in (3, 4) for figure in amount)
        if screen and len(amount) > 1 and all(figure.link == "by" for figure in amount[1:]):
            return _linked(amount, spelled)
        return _linked(amount, _counting if counted.startswith(_MEASURES) else number)

    def measured(self, amount: Amount, unit: Unit, per: Unit | None, *, one: bool) -> str:  # noqa: ARG002 - 量词 have no plural
        """Say 每秒五米, 百分之六十, 零下三度."""
        minus = "零下" if unit.chinese.endswith("度") else "负"
        return _of_unit(amount, unit, per, minus)

    def price(self, price: Price, per: Unit | None) -> str:
        """Say 十二点五美元."""
        figures = tuple(
            Figure(number=_without_zeros(one.number), negative=one.negative, link=one.link)
            for one in price.amount
        )
        large = _LARGE.get(price.large, price.large)
        return f"{_per(per)}{_linked(figures, _counting)}{large}{_MONEY[price.currency]}"

    def fraction(
        self, whole: str, upper: str, lower: str, unit: Unit | None, per: Unit | None
    ) -> str:
        """Say 四分之三, 一又二分之一."""
        if (upper, lower) == ("24", "7"):
            return "七天二十四小时"
        if int(upper) >= int(lower):
            return self.ratio(upper, lower) + (unit.chinese.strip("*") if unit else "")
        part = f"{cardinal(lower)}分之{cardinal(upper)}"
        said = f"{cardinal(whole)}又{part}" if whole else part
        return _per(per) + (unit.chinese.replace("*", said) if unit else said)

    def ratio(self, left: str, right: str) -> str:
        """Say 三比二."""
        return f"{cardinal(left)}比{cardinal(right)}"

    def date(self, year: str, month: int, day: int) -> str:
        """Say 二零二六年十一月二十日."""
        said = f"{cardinal(str(month))}月{cardinal(str(day))}日"
        return f"{spelled(year)}年{said}" if year else said

    def clock(self, hour: int, minute: int = 0, second: int = 0, half: str = "") -> str:
        """Say 六点四十五分, 上午八点."""
        said = f"{_part_of_day(hour, half)}{_counting(str(hour))}点"
        if minute or second:
            said += f"{_two_digits(minute)}分"
        return f"{said}{_two_digits(second)}秒" if second else said

    def span(self, parts: list[tuple[int, str]]) -> str:
        """Say 两小时五分十秒."""
        said = "".join(
            f"{_counting(str(number))}{_SPANS[unit]}" for number, unit in parts if number
        )
        said = said or f"零{_SPANS[parts[-1][1]]}"
        return f"{said}钟" if said.endswith("分") else said

    def phone(self, groups: list[str], *, abroad: bool) -> str:
        """Say every digit, and pause between the groups."""
        said = "，".join(map(called, groups))
        return f"加{said}" if abroad else said

    def code(self, digits: str) -> str:
        """Say every digit."""
        return spelled(digits)

    def version(self, parts: list[str], *, named: bool) -> str:
        """Say 二零二六点十一点零."""
        said = "V" if named else ""
        for index, part in enumerate(parts):
            if not part.isdigit():
                said += _STAGES.get(part, part)
                continue
            joined = "点" if index and parts[index - 1].isdigit() else ""
            said += joined + (spelled if not index and _is_year(part) else cardinal)(part)
        return said

    def address(self, parts: list[str], port: str) -> str:
        """Say 一九二点一六八点一点一零."""
        said = "点".join(map(spelled, parts))
        return f"{said}端口{spelled(port)}" if port else said

    def gas(self, formula: str) -> str:
        """Say 二氧化碳."""
        digit_by_digit = "".join(spelled(sign) if sign.isdigit() else sign for sign in formula)
        return _GASES.get(formula, digit_by_digit)


def _linked(amount: Amount, say: Callable[[str], str] = number, *, minus: str = "负") -> str:
    return "".join(
        f"{_LINKS.get(figure.link, '')}{minus if figure.negative else ''}{say(figure.number)}"
        for figure in amount
    )


def _of_unit(amount: Amount, unit: Unit, per: Unit | None, minus: str) -> str:
    before, _, behind = unit.chinese.partition("*")
    say = _counting if behind else number
    if before and amount[0].negative:
        before, amount = f"负{before}", (Figure(number=amount[0].number), *amount[1:])
    said = _linked(amount, say, minus=minus)
    if not behind:  # 百分之二百
        said = said.replace("两", "二")
    return f"{_per(per)}{before}{said}{behind}"


def _per(unit: Unit | None) -> str:
    return f"每{unit.chinese.strip('*')}" if unit else ""


def _counting(written: str) -> str:
    return "两" if written == "2" else number(written)


def _without_zeros(written: str) -> str:
    return written.rstrip("0").rstrip(".") if "." in written else written


def _two_digits(value: int) -> str:
    return spelled(f"{value:02}") if value < 10 else cardinal(str(value))  # noqa: PLR2004


def _part_of_day(hour: int, half: str) -> str:
    if not half:
        return ""
    if hour == _NOON:
        return "凌晨" if half == "AM" else "中午"
    if half == "AM":
        return "凌晨" if hour < _DAWN else "上午"
    return "下午" if hour < _EVENING else "晚上"


def _is_year(written: str) -> bool:
    return len(written) == 4 and written.isdigit() and int(written) in _A_YEAR  # noqa: PLR2004
