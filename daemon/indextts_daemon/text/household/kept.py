"""What is for the engine to pronounce and keeps its digits: IndexTTS's marks in the text.

They are annotations, `<重|CHONG2>` and `<word|W ER1 D>`, and in Chinese a syllable of pinyin with
its tone, `xuan4` or `XUAN4`. A syllable of one letter is taken for a name: paper is A4 more often.
"""

import re

from indextts_daemon.text.pronunciation import SPELLED_OUT

_INITIALS = {
    "": "a o e ai ei ao ou an en ang eng er yi ya yo ye yao you yan yin yang ying yong yu yue yuan"
    " yun wu wa wo wai wei wan wen wang weng",
    "b": "a o ai ei ao an en ang eng i ie iao ian in ing u",
    "p": "a o ai ei ao ou an en ang eng i ie iao ian in ing u",
    "m": "a o e ai ei ao ou an en ang eng i ie iao iu ian in ing u",
    "f": "a o ei ou an en ang eng u",
    "d": "a e ai ei ao ou an en ang eng ong i ia ie iao iu ian ing u uo ui uan un",
    "t": "a e ai ao ou an ang eng ong i ie iao ian ing u uo ui uan un",
    "n": "a e ai ei ao ou an en ang eng ong i ie iao iu ian in iang ing u uo uan ü v üe ve ue",
    "l": "a o e ai ei ao ou an ang eng ong i ia ie iao iu ian in iang ing u uo uan un ü v üe ve ue",
    "g": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "k": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "h": "a e ai ei ao ou an en ang eng ong u ua uo uai ui uan un uang",
    "j": "i ia ie iao iu ian in iang ing iong u ue uan un v ve van vn",
    "q": "i ia ie iao iu ian in iang ing iong u ue uan un v ve van vn",
    "x": "i ia ie iao iu ian in iang ing iong u ue uan un v ve van vn",
    "zh": "a e ai ei ao ou an en ang eng ong i u ua uo uai ui uan un uang",
    "ch": "a e ai ao ou an en ang eng ong i u ua uo uai ui uan un uang",
    "sh": "a e ai ei ao ou an en ang eng i u ua uo uai ui uan un uang",
    "r": "e ao ou an en ang eng ong i u ua uo ui uan un",
    "z": "a e ai ei ao ou an en ang eng ong i u uo ui uan un",
    "c": "a e ai ao ou an en ang eng ong i u uo ui uan un",
    "s": "a e ai ao ou an en ang eng ong i u uo ui uan un",
}
SYLLABLES = frozenset(
    initial + final for initial, finals in _INITIALS.items() for final in finals.split()
)
_LONGER = sorted((one for one in SYLLABLES if len(one) > 1), key=len, reverse=True)
_PINYIN = "|".join((*_LONGER, *map(str.upper, _LONGER)))

ANNOTATION = re.compile(rf"({SPELLED_OUT})")
ANNOTATION_OR_PINYIN = re.compile(
    rf"({SPELLED_OUT}|(?<![A-Za-z0-9_.-])(?:{_PINYIN})[1-5](?![A-Za-z0-9_]|[.,:-]\d))"
)
