"""From words about a feeling to weights by keyword rules, and the arithmetic of weights.

"very happy" and 非常高兴 are stronger than "happy", "a bit sad" and 有点难过 weaker, and what is
denied ("not sad or angry", 不要那么生气) is not felt: a denial holds to the end of its clause,
across at most two words that name no feeling. Words that name no feeling mean calm.

Weights follow EMOTIONS. Bias and limit are upstream's: some feelings sound stronger than others,
and above 0.8 in all a voice stops being itself.
"""

from collections.abc import Sequence
from functools import cache
import re

from indextts_daemon.speech import EMOTIONS

BIAS = (0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625)
LIMIT = 0.8

_PLAIN, _STRONG, _WEAK = 0.8, 1.0, 0.5

_ENGLISH = {
    "happy": "happ(?:y|ily|iness)|cheer(?:ful|fully|y)?|joy(?:ful|fully|ous)?|glad(?:ly)?|"
    "delighted|merr(?:y|ily)|friendly|warm(?:ly)?|enthusiastic(?:ally)?|"
    "laugh(?:ing|s)?|smil(?:e|ing)|playful(?:ly)?|upbeat|bright(?:ly)?",
    "angry": "ang(?:ry|rily|er)|mad|furious(?:ly)?|annoyed|irritated|rage|shout(?:ing)?|strict|"
    "stern(?:ly)?|urgent(?:ly)?",
    "sad": "sad(?:ly|ness)?|unhapp(?:y|ily)|crying|tearful(?:ly)?|grie(?:f|ving)|mourn(?:ful|ing)|"
    "sorrow(?:ful)?|heartbroken|sorry|sympathetic(?:ally)?",
    "afraid": "afraid|fear(?:ful|fully)?|scared|frightened|terrified|anxious(?:ly)?|nervous(?:ly)?|"
    "worried|panic(?:ked|ky)?|alarmed",
    "disgusted": "disgust(?:ed|ing)?|revolted|contempt(?:uous|uously)?|scorn(?:ful|fully)?|"
    "sarcastic(?:ally)?",
    "melancholic": "melanchol(?:y|ic)|depress(?:ed|ion|ing)|gloom(?:y|ily)?|wistful(?:ly)?|"
    "nostalgic|lonely|tired(?:ly)?|weary",
    "surprised": "surpris(?:e|ed|ing)|astonish(?:ed|ing)|amazed|shocked|excited(?:ly)?|startled",
    "calm": "calm(?:ly)?|neutral(?:ly)?|natural(?:ly)?|relaxed|gentl[ey]|soft(?:ly)?|quiet(?:ly)?|"
    "sooth(?:e|ing)|peaceful(?:ly)?|sleepy|serious(?:ly)?|professional(?:ly)?|whisper(?:ing)?",
}
_CHINESE = {
    "happy": "高兴|开心|快乐|愉快|喜悦|欢快|欢乐|兴高采烈|热情|幸福|活泼|亲切|笑",
    "angry": "生气|愤怒|恼火|发火|气愤|严厉|紧急",
    "sad": "悲伤|难过|伤心|哀伤|悲痛|哭|委屈|同情",
    "afraid": "害怕|恐惧|惊恐|担心|紧张|焦虑|慌张|恐慌",
    "disgusted": "厌恶|反感|恶心|嫌弃|讨厌|鄙视|冷笑|嘲笑",
    "melancholic": "低落|忧郁|沮丧|郁闷|失落|惆怅|孤独|疲惫|苦笑",
    "surprised": "惊讶|吃惊|惊喜|惊奇|震惊|兴奋|激动",
    "calm": "平静|冷静|自然|平和|温柔|轻柔|安静|舒缓|放松|沉稳|严肃|专业",
}
_STRONGER = ("very|extremely|really|so|deeply|utterly", "非常|十分|特别|极其|很|太|超级")
_WEAKER = ("a bit|a little|slightly|somewhat|mildly", "有点儿?|有些|略微|稍微|一点")
_DENIED = (
    "not(?! (?:only|just|merely))|never|neither|nor|without|no|less|[a-z]{2,6}n't|cannot",
    "(?<!忍)不(?![仅但只光错同禁由断停安得])|(?<![特告分个差离区级性])别(?!人)|没有?|并非",
)
_CLAUSE_ENDS = (
    "but|yet|instead|then|and(?= (?:be|read|say|sound|speak|talk) )",
    "但|而|却|可是|[.,;:!?\uff0c\u3002\uff1b\uff1a\uff01\uff1f]",
)
_HELD = 4  # how far a denial holds: an English word costs two, a Chinese sign one


def _either(english: str, chinese: str) -> str:
    """Match English words that stand alone, or Chinese ones anywhere."""
    return f"(?<![a-z])(?:{english})(?![a-z])|{chinese}"


@cache
def _rule() -> re.Pattern[str]:
    feelings = "|".join(
        f"(?P<{name}>{_either(_ENGLISH[name], _CHINESE[name])})" for name in EMOTIONS
    )
    return re.compile(
        rf"(?:(?:(?P<strong>{_either(*_STRONGER)})|(?P<weak>{_either(*_WEAKER)})) ?)?"
        rf"(?:{feelings})|(?P<no>{_either(*_DENIED)})|(?P<end>{_either(*_CLAUSE_ENDS)})|"
        r"(?P<word>[a-z']+)|[\u4e00-\u9fff]",
        re.IGNORECASE,
    )


def weights_of(text: str) -> tuple[float, ...]:
    """Return a weight from 0 to 1 for each of EMOTIONS: the strongest word of each counts."""
    found = dict.fromkeys(EMOTIONS, 0.0)
    spaced = " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    held = -1  # a denial holds while this is not below 0
    for word in _rule().finditer(spaced):
        name = next((emotion for emotion in EMOTIONS if word[emotion]), None)
        if word["no"]:
            held = _HELD
        elif word["end"]:
            held = -1
        elif name is None:
            held -= 2 if word["word"] else 1
        elif held >= 0:
            held = _HELD
        else:
            weight = _STRONG if word["strong"] else _WEAK if word["weak"] else _PLAIN
            found[name] = max(found[name], weight)
    if not any(found.values()):
        found["calm"] = 1.0
    return tuple(found.values())


def limited(weights: Sequence[float], *, bias: bool = True) -> tuple[float, ...]:
    """Return weights that a voice can bear: each times its bias, then at most 0.8 in all."""
    weighed = [w * b for w, b in zip(weights, BIAS, strict=True)] if bias else list(weights)
    total = sum(weighed)
    if total > LIMIT:
        weighed = [weight * (LIMIT / total) for weight in weighed]
    return tuple(weighed)


def scaled(weights: Sequence[float], strength: float) -> tuple[float, ...]:
    """Return weights times a strength, cut to four decimals; as they are for a strength of 1."""
    if strength == 1.0:
        return tuple(weights)
    return tuple(int(weight * strength * 10000) / 10000 for weight in weights)


def borne(weights: Sequence[float], strength: float) -> tuple[float, ...]:
    """Return weights as a voice is to feel them: limited, at a strength, and limited again."""
    return limited(scaled(limited(weights), strength), bias=False)
