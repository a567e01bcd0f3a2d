"""The lexicon's rules on a text: which words they find, what becomes of them, and how much."""

from pathlib import Path
import subprocess
import sys

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.engines.indextts.compat import pronunciation
from indextts_daemon.text.lexicon import LONGEST, Lexicon, Rule
from indextts_daemon.text.lexicon.patterns import Pattern

DAEMON = Path(__file__).parents[2] / "daemon"


def word(source: str, say: str | None, **fields: object) -> Rule:
    return Rule(source=source, say=say, **fields)  # type: ignore[arg-type]


def pattern(source: str, say: str, **fields: object) -> Rule:
    return Rule(source=source, say=say, is_pattern=True, **fields)  # type: ignore[arg-type]


def applied(
    text: str,
    *rules: Rule,
    language: str = "en",
    voice: str = "heart",
    spells_out: tuple[str, ...] = (),
) -> str:
    lexicon = Lexicon.of(rules)
    return lexicon.applied(text, language=language, voice=voice, spells_out=spells_out)


def test_a_lexicon_without_rules_has_no_name_and_changes_nothing() -> None:
    assert Lexicon.of(()) == Lexicon()
    assert Lexicon().name == ""
    assert Lexicon().applied("Saoirse", language="en", voice="", spells_out=()) == "Saoirse"


def test_the_name_changes_with_the_rules_and_with_their_order() -> None:
    one, other = word("a", "b"), word("c", "d")
    names = {
        Lexicon.of(rules).name
        for rules in ([one], [other], [one, other], [other, one], [word("a", "b", voices=("x",))])
    }
    assert len(names) == 5
    assert Lexicon.of([word("a", "b")]) == Lexicon.of([one])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Saoirse is here.", "Seersha is here."),
        ("SAOIRSE and saoirse", "Seersha and Seersha"),
        ("Saoirse's door, Saoirse-Ann", "Seersha's door, Seersha-Ann"),
        ("(Saoirse)", "(Seersha)"),
        ("Saoirses, preSaoirse, Saoirse2, Saoirse_x, 2Saoirse", None),
        ("Saoirs\u0435", None),  # a Cyrillic letter at its end
        ("Saoirse\u0301", None),  # an accent goes on with the word
        ("我叫Saoirse。", "我叫Seersha。"),
        ("éSaoirse, Saoirseß", None),
    ],
)
def test_a_word_is_found_whole_and_in_any_case(written: str, said: str | None) -> None:
    assert applied(written, word("Saoirse", "Seersha")) == (said or written)


@pytest.mark.parametrize(
    ("source", "written", "said"),
    [
        ("US", "The US told us, Us.", "The X told us, Us."),
        ("iPad", "iPad, ipad, IPAD", "X, ipad, IPAD"),
        ("New York", "new york, NEW YORK", "X, X"),
        ("Anne-Marie", "anne-marie", "X"),
        ("McDonald", "mcdonald", "mcdonald"),
        ("ÄÖ", "äö ÄÖ", "äö X"),
    ],
)
def test_a_word_with_capitals_inside_means_no_other_case(
    source: str, written: str, said: str
) -> None:
    assert applied(written, word(source, "X")) == said


@pytest.mark.parametrize(
    ("source", "written", "said"),
    [
        ("Straße", "die STRAßE, die STRAẞE", "die X, die X"),
        ("ὀδός", "ὈΔΌΣ", "X"),
        ("O'Brien", "O\u2019Brien", "X"),
        ("C++", "C++ and C", "X and C"),
        ("&", "you & me", "you X me"),
        ("Łódź", "ŁÓDŹ", "X"),
    ],
)
def test_letters_of_every_script_have_their_cases(source: str, written: str, said: str) -> None:
    assert applied(written, word(source, "X")) == said


def test_chinese_and_japanese_words_need_no_borders() -> None:
    assert applied("我在重庆市。", word("重庆", "崇庆")) == "我在崇庆市。"
    assert applied("これは東京都です", word("東京", "とうきょう")) == "これはとうきょう都です"
    assert applied("서울역", word("서울", "X")) == "서울역"


def test_the_longest_words_win_and_the_first_of_equal_rules() -> None:
    rules = word("York", "A"), word("New York", "B"), word("New York City", "C")
    assert applied("New York City, New York, York", *rules) == "C, B, A"
    assert applied("York", word("York", "first"), word("york", "second")) == "first"


def test_of_rules_for_the_same_words_the_one_for_fewest_counts() -> None:
    rules = (
        word("a", "all"),
        word("a", "english", languages=("en",)),
        word("a", "lena", voices=("lena",)),
    )
    for order in (rules, rules[::-1]):
        assert applied("a", *order, language="de") == "all"
        assert applied("a", *order) == "english"
        assert applied("a", *order, voice="lena") == "lena"


def test_a_rule_that_does_not_count_gives_way_to_a_shorter_one() -> None:
    rules = word("York", "A"), word("New York", "B", languages=("de",))
    assert applied("New York", *rules) == "New A"
    assert applied("New York", *rules, language="de") == "B"


def test_what_a_rule_has_said_is_not_read_again() -> None:
    swapped = word("a", "b"), word("b", "a"), pattern("[ab]+", "c")
    assert applied("a b ab", *swapped) == "b a c"
    assert applied("a", word("a", "a a a a")) == "a a a a"
    assert applied("xx", pattern("x", "xx"), pattern("xx", "y")) == "xxxx"


def test_patterns_come_after_words_and_in_their_order() -> None:
    rules = pattern(r"\w+ (\d+)b", r"\1 bee"), word("flat", "apartment"), pattern(r"\d+b", "first")
    assert applied("flat 5b, room 6b", *rules) == "apartment first, 6 bee"


def test_a_pattern_puts_its_groups_into_what_is_said() -> None:
    assert applied("5b 6", pattern(r"(\d)(b)?", r"[\2-\1\\]")) == "[b-5\\] [-6\\]"


def test_a_pattern_sees_what_stands_around_what_is_taken() -> None:
    rules = word("Saoirse", "Seersha"), pattern("^ is", "X"), pattern(r"\Bx", "Y")
    assert applied("Saoirse is", *rules) == "Seersha is"
    assert applied("<a|B>x x", pattern(r"^x", "Y")) == "<a|B>x x"


def test_where_a_pattern_finds_nothing_at_a_place_nothing_is_put() -> None:
    assert applied("ab", pattern(r"\b", "X")) == "ab"


@pytest.mark.parametrize(
    ("source", "say", "why"),
    [
        ("(", "x", "missing"),
        ("(?=a)", "x", "RE2"),
        (r"(a)\1", "x", "RE2"),
        ("((a{100}){100})", "x", "RE2"),
        (r"(?i)\pL{1,100}", "x", "too large"),
        ("a*", "x", "nothing at all"),
        ("a", r"\1", "group"),
        ("a", r"\n", "means nothing"),
        ("a", "b\\", "means nothing"),
    ],
)
def test_a_pattern_that_is_none_is_refused_in_words(source: str, say: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Lexicon.of([pattern(source, say)])


def test_a_rule_counts_for_its_languages_with_every_region_of_them() -> None:
    german, austrian = word("a", "b", languages=("de", "fr")), word("a", "b", languages=("de-at",))
    said = {tag: applied("a", german, language=tag) for tag in ("de", "de-AT", "DE_ch", "en", "d")}
    assert said == {"de": "b", "de-AT": "b", "DE_ch": "b", "en": "a", "d": "a"}
    assert applied("a", austrian, language="de-AT") == "b"
    assert applied("a", austrian, language="de") == "a"


def test_a_rule_counts_for_its_voices() -> None:
    rules = word("a", "b", voices=("lena",)), pattern("c", "d", voices=("lena",))
    assert applied("a c", *rules, voice="lena") == "b d"
    assert applied("a c", *rules, voice="heart") == "a c"


def test_a_sound_is_spelled_out_in_the_first_notation_that_the_model_knows() -> None:
    live = word("live", "lyve", phonemes=(("pinyin", "LAI4"), ("cmu", "L AY1 V")))
    assert applied("Live!", live, spells_out=("cmu", "pinyin")) == "<Live|LAI4>!"
    assert applied("Live!", live, spells_out=("cmu",)) == "<Live|L AY1 V>!"
    assert applied("Live!", live) == "lyve!"


def test_a_sound_that_nobody_knows_leaves_the_word_to_other_rules() -> None:
    live = word("live", None, phonemes=(("cmu", "L AY1 V"),))
    assert applied("live", live) == "live"
    assert applied("live", live, word("live", "other")) == "other"


def test_what_is_spelled_out_already_stays() -> None:
    text = "<live|L AY1 V> <重|CHONG2>"
    rules = word("live", "X"), word("重", "Y"), pattern(r"[A-Z]", "Z"), word("L", "W")
    assert applied(text, *rules) == text


def test_a_spelled_out_word_is_one_that_the_engine_reads() -> None:
    read = []

    def spelled(word: str, sound: str, kind: str) -> str:
        read.append((word, sound, kind))
        return word

    rule = word("重", None, phonemes=(("pinyin", "CHONG2"),))
    pronunciation.replace_annotations(applied("重 live", rule, spells_out=("pinyin",)), spelled)
    assert read == [("重", "CHONG2", "pinyin")]


def test_a_text_grows_to_eight_times_its_length_and_then_stays_as_written() -> None:
    long = "a" * LONGEST
    said = applied("x " * 300, word("x", long))
    assert len(said) <= 8 * 600
    assert said.startswith(f"{long} {long}")
    assert said.endswith("x x ")
    assert applied("x", word("x", long)) == long


def test_a_text_of_which_nothing_would_be_left_to_say_stays() -> None:
    assert applied("Beep.", word("beep", "")) == "Beep."
    assert applied("Beep. Done.", word("beep", "")) == ". Done."


def test_the_rules_that_were_applied_are_named_once() -> None:
    one, other, none = word("a", "b"), pattern("c", "d"), word("z", "y")
    said = Lexicon.of([one, other, none]).said("a a c", language="en", voice="", spells_out=())
    assert said.rules == (one, other)


letters = st.text(alphabet="ab Ab我<|>1'\u0301ßİ.", max_size=12)
said_words = st.builds(
    Rule,
    source=letters.map(str.strip).filter(lambda one: one and not set(one) & set("<|>")),
    say=letters,
    phonemes=st.sampled_from([(), (("cmu", "L AY1"),)]),
    languages=st.sampled_from([(), ("en",), ("de",)]),
    voices=st.sampled_from([(), ("heart",)]),
)
said_patterns = st.builds(
    pattern,
    st.sampled_from(["a+", "(a)(b)?", r"(\S+) ", "(?i)b|我", "<", r".+?$", "^.", "[^ ]", "İ|ß"]),
    letters.map(lambda one: one + r"\\"),
)


@given(st.lists(said_words | said_patterns, max_size=8), letters | st.text(max_size=60))
def test_no_text_and_no_rules_break_it_and_what_is_said_is_bounded(
    rules: list[Rule], text: str
) -> None:
    said = Lexicon.of(rules).said(text, language="en-GB", voice="heart", spells_out=("cmu",))
    assert len(said.text) <= 8 * max(len(text), LONGEST)
    assert said.rules or said.text == text


@given(st.lists(said_words | said_patterns, max_size=5), letters)
def test_where_a_text_is_cut_between_paragraphs_of_thousands_nothing_is_lost(
    rules: list[Rule], text: str
) -> None:
    """What no rule touches comes through whole, however long it is."""
    long = f"{text} " * 400
    said = Lexicon.of(rules).said(long, language="fr", voice="none", spells_out=())
    if not said.rules:
        assert said.text == long


def test_no_pattern_is_given_more_than_a_bounded_stretch_of_a_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RE2 is linear in each search, and one begins behind each hit."""
    given_texts: list[str] = []

    def hits(_: object, text: str, *__: object) -> list[object]:
        given_texts.append(text)
        return []

    monkeypatch.setattr(Pattern, "hits", hits)
    for text in ("a" * 5000, "a b " * 2500, "<a|b c>" * 1500, "<" * 3000, " " * 5000):
        given_texts.clear()
        assert applied(text, pattern("a", "b")) == text
        assert "".join(given_texts) == text
        assert all(0 < len(one) <= 1000 for one in given_texts)
        assert not any(one.startswith("b c>") for one in given_texts)


APPLY_ALL = """
from indextts_daemon.text.lexicon import Lexicon, Rule

def pattern(source, say):
    return Rule(source=source, say=say, is_pattern=True)

def word(source):
    return Rule(source=source, say="x")

LEXICONS = {
    "ends": [pattern("a.*z|a", "b")],
    "doubled": [pattern("(a+)+$", "b"), pattern("(a|a)*b", "c")],
    "groups": [pattern("(a)(.*z)?", r"\\1" * 40)],
    "lengths": [word("好" * length + "x") for length in range(1, 200)],
    "words": [word("a " * length + "b") for length in range(1, 100)],
    "many": [pattern(f"a.*z|a{{{n}}}", "b") for n in range(1, 60)],
    "everywhere": [word("a"), word("好"), word("<"), pattern("[^ ]", "b")],
}
for unit in ("a", "a ", "好", "<", "<a|", "<a|b>", "a\\u0301", "a1 "):
    text = unit * (20_000 // len(unit))
    for name, rules in LEXICONS.items():
        print(repr(unit), name, flush=True)  # the last one printed is the culprit
        said = Lexicon.of(rules).applied(text, language="en", voice="", spells_out=())
        assert len(said) <= 8 * len(text)
"""


def test_hostile_rules_and_texts_are_read_to_their_end() -> None:
    """Takes some seconds; words that cost the square would take many minutes."""
    subprocess.run(
        [sys.executable, "-c", APPLY_ALL],
        check=True,
        timeout=120,
        env={"PYTHONPATH": str(DAEMON)},
    )
