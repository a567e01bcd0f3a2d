"""`lexicon.yaml`: what a household may write there, and what is refused, by its line."""

from pathlib import Path
import re

import pytest

from indextts_daemon.engines.indextts.compat import pronunciation
from indextts_daemon.errors import SettingsError
from indextts_daemon.service.lexicon import MOST_BYTES, MOST_RULES, read_lexicon, shape
from indextts_daemon.service.sounds import NOTATIONS, wrong_cmu, wrong_pinyin
from indextts_daemon.text.household.kept import SYLLABLES
from indextts_daemon.text.lexicon import LONGEST, Lexicon, Rule
from tests.daemon.bad_documents import BAD_LEXICONS

DOCUMENT = """
# How we say things.
rules:
  - from: Saoirse
    say: Seersha
  - {from: live, phonemes: {cmu: L AY1 V}, say: lyve, languages: en}
  - from: 重庆
    phonemes: {pinyin: CHONG2 QING4, kana: じゅうけい}
  - pattern: '\\b(\\d+)b\\b'
    say: 'apartment \\1'
    languages: [en, de_AT]
    voices: [lena, heart]
"""
RULES = (
    Rule(source="Saoirse", say="Seersha"),
    Rule(source="live", say="lyve", phonemes=(("cmu", "L AY1 V"),), languages=("en",)),
    Rule(source="重庆", phonemes=(("pinyin", "CHONG2 QING4"), ("kana", "じゅうけい"))),
    Rule(
        source=r"\b(\d+)b\b",
        is_pattern=True,
        say=r"apartment \1",
        languages=("en", "de-at"),
        voices=("lena", "heart"),
    ),
)


def wrong(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        read_lexicon(text)
    return refused.value


def test_rules_of_every_kind_are_read_in_their_order() -> None:
    assert read_lexicon(DOCUMENT) == Lexicon.of(RULES)


def test_comments_change_nothing_and_an_order_does() -> None:
    again = DOCUMENT.replace("# How we", "# As we")
    assert read_lexicon(again) == read_lexicon(DOCUMENT)
    one, other = "- {from: a, say: b}\n", "- {from: c, say: d}\n"
    assert read_lexicon(f"rules:\n{one}{other}") != read_lexicon(f"rules:\n{other}{one}")


@pytest.mark.parametrize("text", ["", "# none yet\n", "rules:\n", "rules: []\n"])
def test_without_rules_there_is_nothing_to_apply(text: str) -> None:
    assert read_lexicon(text) == Lexicon()


def test_words_are_those_of_a_clean_text() -> None:
    read = read_lexicon("rules:\n- {from: ' Cafe\u0301\u00a0 Zoë 😀', say: x}\n")
    assert read.rules[0].source == "Café Zoë"
    assert read.applied("Im Café Zoë.", language="de", voice="", spells_out=()) == "Im x."


@pytest.mark.parametrize(("name", "text"), BAD_LEXICONS, ids=[name for name, _ in BAD_LEXICONS])
def test_what_is_no_lexicon_is_refused_by_its_line(name: str, text: str) -> None:
    refused = wrong(text)
    assert refused.error_code == "settings_invalid"
    assert all(problem.message.startswith("lexicon.yaml") for problem in refused.problems)
    assert all(problem.line for problem in refused.problems) or "too large" in name


def test_every_bad_rule_is_named_the_first_one_first() -> None:
    text = "rules:\n- {from: a}\n- {from: b, say: c}\n- {from: d, phonemes: {cmu: L AY V}}\n"
    problems = wrong(text).problems
    assert [(problem.line, problem.path) for problem in problems] == [
        (2, "rules.0"),
        (4, "rules.2.phonemes.cmu"),
    ]
    assert problems[1].message == (
        "lexicon.yaml, line 4, rules.2.phonemes.cmu: AY is no phone of CMU; "
        "L AY1 V is how they look."
    )


def test_a_rule_that_could_never_be_reached_is_named_with_the_one_before_it() -> None:
    text = "rules:\n- {from: Lena, say: a}\n- {from: lena, say: b}\n- {from: lena, say: c}\n"
    assert [problem.line for problem in wrong(text).problems] == [3, 4]
    assert "line 2 has a rule for the same already" in wrong(text).message


@pytest.mark.parametrize(
    "other",
    [
        "{from: Lena, say: b, languages: [de]}",
        "{from: Lena, say: b, voices: [heart]}",
        "{from: LENA, say: b}",
        "{pattern: lena, say: b}",
        "{from: Len, say: b}",
    ],
)
def test_rules_for_something_else_stand_beside_each_other(other: str) -> None:
    assert len(read_lexicon(f"rules:\n- {{from: lena, say: a}}\n- {other}\n").rules) == 2


def test_no_refusal_repeats_what_a_pattern_or_a_word_says() -> None:
    for rule in ("{pattern: '(secret', say: x}", "{from: secret}", "{pattern: secret, say: '\\1'}"):
        assert "secret" not in wrong(f"rules:\n- {rule}\n").message


def test_a_thousand_long_rules_fit_into_a_document() -> None:
    rule = (
        "- from: '{number} {words}'\n  say: '{words}'\n  languages: [en, de]\n  voices: [heart]\n"
    )
    rules = [rule.format(number=number, words="w" * 190) for number in range(1000)]
    assert len(read_lexicon("rules:\n" + "".join(rules)).rules) == 1000


def test_every_syllable_that_is_taken_is_one_that_the_engine_reads() -> None:
    read: list[str] = []

    def spelled(word: str, _sound: str, kind: str) -> str:
        read.append(kind)
        return word

    for syllable in sorted(SYLLABLES):
        assert wrong_pinyin(f"{syllable}4") == ""
        pronunciation.replace_annotations(f"<重|{syllable}4>", spelled)
    assert read == ["pinyin"] * len(SYLLABLES)


@pytest.mark.parametrize("sound", ["L AY1 V", "ZH", "S ER1 SH AH0", "HH AH0 L OW1"])
def test_phones_that_are_taken_are_ones_that_the_engine_reads(sound: str) -> None:
    read: list[str] = []

    def spelled(word: str, _sound: str, kind: str) -> str:
        read.append(kind)
        return word

    assert wrong_cmu(sound) == ""
    pronunciation.replace_annotations(f"<word|{sound}>", spelled)
    assert read == ["cmu"]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("sound", [" ", "  ", "L  V", "a|b", "<a>", "1", "L AY1 V ", "ma"])
def test_a_sound_with_anything_strange_in_it_is_refused(notation: str, sound: str) -> None:
    assert NOTATIONS[notation](sound)


def test_a_rule_is_shown_in_the_words_of_the_document() -> None:
    shown = [shape(rule) for rule in RULES]
    assert shown[1] == {
        "from": "live",
        "say": "lyve",
        "phonemes": {"cmu": "L AY1 V"},
        "languages": ("en",),
        "voices": (),
    }
    assert shown[3]["pattern"] == r"\b(\d+)b\b"
    assert "from" not in shown[3]


def test_the_example_for_households_is_a_good_lexicon_and_says_what_it_shows() -> None:
    page = (Path(__file__).parents[2] / "docs/lexicon.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    lexicon = read_lexicon(example)
    text = "Saoirse and Nguyen live in 5b."
    said = {
        voice: lexicon.applied(text, language="en-US", voice=voice, spells_out=("cmu",))
        for voice in ("lena", "heart")
    }
    assert said["heart"] == "Seersha and Win live in apartment 5."
    assert said["lena"] == "Seersha and Win <live|L AY1 V> in apartment 5."
    for bound in (f"{MOST_RULES} rules", f"{LONGEST} characters", f"{MOST_BYTES // 1024} KiB"):
        assert bound in page
