"""How Chinese is read aloud at home: its own ways of writing, and the order of all rules."""

# ruff: noqa: RUF001 - the marks of Chinese look like ours on purpose

import re

from .amounts import amounts, numbers, proportions, tidied
from .chinese_speaker import Chinese
from .figures import SIGN
from .identifiers import DOT, ENTITY, identifiers, numbers_to_call, spelled_out
from .kept import ANNOTATION_OR_PINYIN
from .moments import moments
from .notation import ALONE, COMPARED, ENDED, JOINT, rule, rule_behind
from .numbers_chinese import cardinal, spelled
from .reader import Reader
from .units import BARE_UNIT, BASES, UNITS

_UNTIL_CLOCK = re.compile(r"(?<=\d:\d\d) ?[-–—~] ?(?=\d{1,2}:\d\d(?!\d))")

_HALF = "(?:凌晨|早上|上午|中午|下午|傍晚|晚上)?"
_UNTIL = re.compile(
    rf"(?:(?<=\d[点时日号月年分])|(?<=\d点半)) ?[-–—~] ?"
    rf"(?={_HALF} ?\d{{1,4}} ?(?:[点时日号月年分]|:\d))"
    rf"|(?<=\d[^\W\da-zA-Z_]) ?~ ?(?=\d)"
)
_FROST = re.compile(r"(?<=零下) ?-(?=\d)")
_AN_HOUR = re.compile(r"((?:时速|车速)[^\d/]{0,4}[\d.,]{1,12} ?(?:km|公里))/h(?![A-Za-z])")
_TIMED = (
    r"(?P<front>(?:剩余?|还剩|还要|还需|倒计时|耗时|用时|时长)(?:时间)?[是为约：:]? ?)"
    r"(\d{1,3}):([0-5]\d)(?!\d|:\d| ?[AaPp][Mm])"
)
_TODAY = (
    r"(?P<front>(?:[今明昨后]天|日期|(?:周|星期|礼拜)[一二三四五六日天])[是为：:，,]? ?)"
    r"(1[0-2]|0?[1-9])/(3[01]|[12]\d|0?[1-9])(?!\d|[./:]\d)"
)
_YEAR = rf"{ALONE}(?:1\d|2[01])\d\d(?= ?年)"
_CLOCK = rf"{ALONE}(?P<hour>[01]?\d|2[0-4]) ?点 ?(?P<minute>[0-5]\d) ?(?P<named>分(?!钟))?{ENDED}"
_NTH = r"(?P<front>第 ?)(?P<digits>\d++)(?!\.\d)"
_SCORE = rf"(?P<front>(?:比分|比分是|以|比例|比例是) ?)(\d{{1,3}}) ?: ?(\d{{1,3}}){ENDED}"
_CALL = r"(?P<front>(?:拨打?|致电|打|电话|热线|手机号?|号码)(?:号码)?[是为：:]? ?)"
_CALLED = (
    rf"{_CALL}(?=\d[\d -]{{2}})(?P<digits>\d++(?:-\d++| \d{{2,9}}+)*){ENDED}(?!-\d| ?[次个通%°元])"
)
_GUARD = r"(?:密码|验证码|口令|取件码|提货码|动态码|编号|编码|代码|房间号|房号|航班号|车次"
_GUARD += r"|房间|尾号|邮编|学号|账号|卡号|工号|单号|序列号|门牌号|端口号?|QQ号?|(?:PIN|pin)码?)"
_CODE = rf"(?P<front>{_GUARD}[是为：:]? ?)(?=[\d-]{{3}})(?P<digits>\d++(?:-\d++)*){ENDED}"
_PLATE = r"(?P<front>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z])"
_PLATE += r"(?P<digits>\d{5})(?!\d)"
_TRAIN = r"(?<![A-Za-z0-9])(?P<front>[GDCZTKLY])(?P<digits>\d{1,4})(?=次)"
_HOTLINE = rf"{ALONE}\d{{3,5}}(?= ?(?:热线|客服))"
_NAMED_DAY = rf"{ALONE}\d{{3,4}}(?= ?(?:晚会|大促))"
_BORN = rf"{ALONE}(?:\d\d(?= ?年(?:出生|生))|[06-9]0(?=后(?![面台])))"
_FLAT = r"(?P<front>单元 ?)(?P<digits>\d{3,4})(?!\d|[.,:]\d)"
_PLACE = rf"{ALONE}(?P<digits>\d{{3,4}})(?= ?(?:室|房|号|路|次列车|次航班|航班))"
_NUMBER_SIGN = (
    r"(?:(?<![A-Za-z0-9&])#|(?<![A-Za-z])[Nn](?:o|r)\. ?)(?P<digits>\d{1,6})号?(?!\d|[.,]\d)"
)
_ORDINAL = r"(?P<digits>\d{1,6})(?:st|nd|rd|th)(?![A-Za-z])"
_COUNTED = "个只条张台位人次件份杯元块天步度米%"
_MODEL = rf"(?<=[A-Za-z])(?<!\d[xX])[ -]?(?P<digits>\d{{3,4}}){ENDED}(?! ?[{_COUNTED}])"

_NEXT_TO_FIGURES = (
    (r"(?<=\d)[xX](?![A-Za-z0-9])", "倍"),
    (r"(?<=\d) ?× ?|× ?(?=\d)|(?<=\d) ?\* ?(?=\d)", "乘"),
    (r"(?<=[\w)])\^2(?!\d)", "的平方"),
    (r"(?<=[\w)])\^3(?!\d)", "的立方"),
    (r"(?<=[A-Za-z])-(?=\d)", ""),
    (
        r"(?<=[元角分次\x1f])/(?=(?:度|升|斤|公斤|克|吨|天|月|年|人|次|分|秒|小时|个|件|晚|平米))",
        "每",
    ),
    (r"(?<=[\d\x1f])/(?=\d)", "斜杠"),
)
_COMPARED = (
    (r"(?<=约)[~≈]", ""),
    (r"(?<!\d)(?<!\d )~|≈", "约"),
    (r"≥|>=", "大于等于"),
    (r"≤|<=", "小于等于"),
    (r"[-=]>", "到"),
    (r"(?<=\d )/(?= )", "除以"),
    (r">", "大于"),
    (r"<", "小于"),
)
_MARKS = tuple((re.compile(f"(?:{mark}){COMPARED}"), said) for mark, said in _COMPARED)
_SIGNS = (
    (r"~ ?(?=\x1f)", "到"),
    (r"±", "正负"),
    (r"\+", "加"),
    (r"=", "等于"),
    (r"&", "和"),
    (r"@", "艾特"),
    (r"÷", "除以"),
    (DOT, "点"),
    (r"°C(?![A-Za-z])", "摄氏度"),
    (r"°F(?![A-Za-z])", "华氏度"),
    (r"°", "度"),
    (r"%", "百分号"),
    (r"‰", "千分号"),
    (r"(?<![A-Za-z])\$(?![A-Za-z])", "美元"),
    (r"€", "欧元"),
    (r"£", "英镑"),
    (r"¥", "元"),
)
_NAMED_MINUTES = re.compile(r"(?<=:[0-5]\d)分(?!钟)")
_TEN_THOUSAND = re.compile(r"(?<=\d)[wW](?=[人元块])")
_JOINT = re.compile(r" ?\x1f[\x1f ]*+")
_CHINESE = Chinese()


def _respelled(text: str) -> str:
    text = _TEN_THOUSAND.sub("万", _NAMED_MINUTES.sub("", text))
    text = _UNTIL.sub("到", _FROST.sub("", tidied(spelled_out(text))))
    for mark, said in _MARKS:
        text = mark.sub(f"{JOINT}{said}" if said else "", text)
    return _UNTIL_CLOCK.sub("到", _AN_HOUR.sub(r"\1", text))


def _clock(written: re.Match[str]) -> str:
    said = _CHINESE.clock(int(written["hour"]))
    minute = written["minute"]
    minute = spelled(minute) if minute.startswith("0") else cardinal(minute)
    return f"{said}{minute}{written['named'] or ''}"


def _groups(written: re.Match[str]) -> list[str]:
    return re.findall(r"\d+", written["digits"])


def _timed(written: re.Match[str]) -> str:
    return _CHINESE.span([(int(written[2]), "h"), (int(written[3]), "m")])


def _bare_unit(written: re.Match[str]) -> str:
    per = written["per"]
    return (f"每{BASES[per].chinese.strip('*')}" if per else "") + UNITS[
        written["unit"]
    ].chinese.replace("*", "")


def _power(written: re.Match[str]) -> str:
    return f"的{'负' if written[1] else ''}{cardinal(written[2])}次方"


def _left_over(written: re.Match[str]) -> str:
    return {",": "，", "/": "斜杠"}.get(written[1], "") + cardinal(written[2])


def _joined(text: str) -> str:
    return _JOINT.sub(_space, text)


def _space(joint: re.Match[str]) -> str:
    """Return a space between two Latin words only."""
    before = joint.string[: joint.start()][-1:]
    after = joint.string[joint.end() :][:1]
    return " " if _is_latin(before) and _is_latin(after) else ""


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


CHINESE = Reader(
    marked=re.compile(rf"{SIGN}|{DOT}|{ENTITY}|{BARE_UNIT}"),
    kept=ANNOTATION_OR_PINYIN,
    respelled=_respelled,
    rules=(
        rule_behind(_SCORE, lambda written: _CHINESE.ratio(written[2], written[3]), ":"),
        rule_behind(_TIMED, _timed, ":"),
        rule_behind(
            _TODAY, lambda written: _CHINESE.date("", int(written[2]), int(written[3])), "/"
        ),
        *moments(_CHINESE),
        rule(_CLOCK, _clock),
        rule(_YEAR, lambda written: spelled(written[0])),
        rule_behind(_NTH, lambda written: cardinal(written["digits"], two="二")),
        *identifiers(_CHINESE),
        rule_behind(_CALLED, lambda written: _CHINESE.phone(_groups(written), abroad=False)),
        rule_behind(_CODE, lambda written: "，".join(map(spelled, _groups(written)))),
        rule(_NAMED_DAY, lambda written: spelled(written[0])),
        rule(_BORN, lambda written: spelled(written[0])),
        rule_behind(_PLATE, lambda written: spelled(written["digits"])),
        rule_behind(_TRAIN, lambda written: spelled(written["digits"])),
        rule(_HOTLINE, lambda written: _CHINESE.phone([written[0]], abroad=False)),
        rule_behind(_FLAT, lambda written: spelled(written["digits"])),
        rule(_PLACE, lambda written: spelled(written["digits"])),
        rule(_NUMBER_SIGN, lambda written: f"{cardinal(written['digits'])}号"),
        rule(_ORDINAL, lambda written: f"第{cardinal(written['digits'])}"),
        *proportions(_CHINESE),
        *amounts(_CHINESE),
        *numbers_to_call(_CHINESE),
        rule(BARE_UNIT, _bare_unit, "/^"),
        rule(_MODEL, lambda written: spelled(written["digits"])),
        *(rule(pattern, said) for pattern, said in _NEXT_TO_FIGURES),
        rule(r"(?<![\d.])\d{3,4}(?=[pPiI](?![A-Za-z]))", lambda written: spelled(written[0])),
        rule(r"\^(-?)(\d+)", _power),
        *numbers(_CHINESE),
        rule(r"([,:/]?)(\d+)", _left_over),
        *(rule(pattern, said) for pattern, said in _SIGNS),
    ),
    joined=_joined,
)
