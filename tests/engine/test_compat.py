"""Upstream's way with a text, rule by rule; the golden cases prove the whole."""

import pytest

from indextts_daemon.engines.indextts.compat import pronunciation, terms
from indextts_daemon.engines.indextts.compat.grammar import Grammar
from indextts_daemon.engines.indextts.compat.normalizer import (
    Normalizer,
    is_chinese,
    marks_mapped,
)
from indextts_daemon.engines.indextts.compat.pronunciation import Kept


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("light on", False),
        ("light 开", True),
        ("17", True),
        ("CO2", True),  # which looks like pinyin
        ("beta2", False),
        ("a@b.io", True),
        ("to a@b.io", False),
    ],
)
def test_the_looks_of_a_text_choose_its_grammar(text: str, *, chinese: bool) -> None:
    assert is_chinese(text) is chinese


def test_marks_become_a_few() -> None:
    assert marks_mapped("“好”：（a）——b；c、d。e！f？g……h...i") == "'好','a'--b,c,d.e!f?g…h…i"  # noqa: RUF001


def test_a_hyphen_within_a_name_is_no_minus() -> None:
    kept = terms.hyphens_kept("F5-TTS at -3, 12-13, GPT-5-Nano")
    assert kept == "F5<H>TTS at -3, 12-13, GPT<H>5<H>Nano"
    assert terms.hyphens_restored(kept) == "F5-TTS at -3, 12-13, GPT-5-Nano"


def test_a_contraction_is_spoken_out_and_a_possessive_is_not() -> None:
    assert terms.uncontracted("It's here; what's Ann's?") == "It is here; what is Ann's?"


def test_a_glossary_goes_by_the_longest_term_and_the_language() -> None:
    glossary: terms.Glossary = {"TV": "tee vee", "TV+": {"en": "tee vee plus"}}
    assert terms.with_glossary("tv+, TV", glossary, "en") == "tee vee plus, tee vee"
    assert terms.with_glossary("tv+, TV", glossary, "zh") == "tv+, tee vee"
    assert Normalizer(glossary).normalize("My tv is 3") == "My tee vee is three"


def test_a_word_that_the_grammar_refuses_stays_and_the_others_are_read() -> None:
    assert Grammar("en").read("+1 of  3") == "+1 of  three"
    assert Grammar("en").read("+1") == "+1"


def test_a_number_sign_is_read() -> None:
    assert Grammar("en").read("Sensor #3 on") == "Sensor number three on"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_quote_does_not_come_back_escaped(language: terms.Language) -> None:
    text = r'He "said" \ on'
    assert Grammar(language).read(f"{text} 3").startswith(text)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("xuan4", "XVAN4"), ("xün2", "XVN2"), ("jiu3", "JIU3"), ("lü4", "lü4"), ("zhu1", "zhu1")],
)
def test_pinyin_has_a_spelling_of_its_own_after_j_q_x(written: str, spelled: str) -> None:
    assert pronunciation.corrected(written) == spelled


def test_only_a_whole_syllable_with_a_tone_is_pinyin() -> None:
    text = "好chang2，zhuang1 er4 ng2; beta2 light a6 le12 b3"  # noqa: RUF001
    spelled = pronunciation.replace_pinyin(text, lambda syllable: f"[{syllable}]")
    assert spelled == "好[chang2]，[zhuang1] [er4] [ng2]; beta2 light a6 le12 b3"  # noqa: RUF001


def test_a_reading_tells_its_kind() -> None:
    def spell(word: str, reading: str, kind: pronunciation.Kind) -> str:
        return f"{word}={kind}={reading}"

    text = "<行|xing2><er|ER1><银行|yin2 hang2><日|に><a|b c><go|G OW1 . IH0>"
    assert pronunciation.replace_annotations(text, spell) == (
        "行=pinyin=xing2er=cmu=ER1银行=pinyin=yin2 hang2日=kana=に<a|b c>go=cmu=G OW1 . IH0"
    )


def test_what_is_kept_comes_back_from_among_anything() -> None:
    outer, inner = Kept(), Kept(plane=16)
    text = f"a{outer.keep('1')}b{inner.keep('2')}{outer.keep('3')}"
    assert inner.restored(text) == f"a{text[1]}b2{text[4]}"
    assert outer.restored(inner.restored(text)) == "a1b23"
    assert "".join(outer.runs(text)) == text
    assert [run for run in outer.runs(text) if pronunciation.is_mark(run)] == [text[1], text[4]]
    assert pronunciation.without_marks(text) == "a b  "


def test_more_than_can_be_kept_stays_in_the_text() -> None:
    kept = Kept()
    marks = [kept.keep(str(index)) for index in range(70_000)]
    assert kept.restored("".join(marks)) == "".join(map(str, range(70_000)))
