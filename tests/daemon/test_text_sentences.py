"""Where a sentence ends in the languages of a house, and that nothing is lost or said twice."""

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.speech import Sentence
from indextts_daemon.text import TEXT_RULES_VERSION
from indextts_daemon.text.cleaning import clean, has_words
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.sentences import LIMIT, split

# ruff: noqa: RUF001 - other scripts' marks on purpose

SPLITS = {
    "en": [
        "Dr. Smith is here.|It is 3.5 degrees outside.|OK!|Really?|Yes.",
        "Mr. and Mrs. J. R. Tolkien live on St. James Street.|Call them.",
        "Bring fruit, e.g. Apples, i.e. Red ones.|Thanks.",
        'He said "Stop!" twice.|"Go."|(Now.)|Then he left...|Silence.',
        "It is 7.30 now.|Visit example.com today.|See No. 5 first.",
        "1. Milk and eggs.|2. Bread.",
        "Wait... what is that?|Nothing!",
        "It ends at 7 p.m.|Please hurry.",
        "Was it open?!|Yes!!!",
    ],
    "de": [
        "Das ist z. B. so.|Am 3. Mai um 7.30 Uhr kommt Dr. Meier.|Gut.",
        "Das gilt d. h. Immer, bzw. Oft.|Hr. Müller und Fr. Schmidt warten.",
        "Die Wäsche ist fertig.|Bitte ausräumen!|Danke.",
        "Er rief: „Halt!“|Dann ging er.",
        "Es sind 21,5 Grad.|Nr. 5 lebt.|Das war 2024.|Schluss.",
        "Im 2. Stock brennt Licht.|Ca. Fünf Minuten noch.",
    ],
    "fr": [
        "Bonjour !|Ça va ?|« Oui ! »|Il part.",
        "M. Dupont arrive, p. ex. Demain.|Mme. Martin aussi.",
        "Il est 7.30 h.|Le dîner est prêt.",
    ],
    "es": ["¿Quién es?|¡El cartero!|El Sr. López espera.|La Dra. Ruiz también."],
    "it": ["Il Sig. Rossi è qui.|La porta è aperta!|Il Dott. Verdi arriva."],
    "zh": [
        "你好。|今天天气很好！|“真的？”|他说。|好吧……走吧！",
        "现在是3.5度。|请关窗；谢谢。",
        "好!|走吧?|行",
    ],
    "ja": ["おはよう。|洗濯が終わりました！|「本当？」|はい。"],
    "hi": ["दरवाज़ा खुला है।|बंद करो।"],
}


@pytest.mark.parametrize(
    ("language", "marked"), [(code, text) for code, texts in SPLITS.items() for text in texts]
)
def test_sentences_end_where_a_reader_pauses(language: str, marked: str) -> None:
    expected = marked.split("|")
    joint = "" if language in ("zh", "ja") else " "
    assert split(joint.join(expected), language) == expected


def test_regions_share_their_languages_rules() -> None:
    assert split("Am 3. Mai ist z. B. Feiertag.", "de-AT") == ["Am 3. Mai ist z. B. Feiertag."]


def test_a_paragraph_ends_a_sentence_without_a_mark() -> None:
    assert split("Good morning\nIt is cold", "en") == ["Good morning", "It is cold"]


def test_marks_that_stand_alone_stay_with_their_neighbour() -> None:
    assert split("... Hello. !!! ? Bye.", "en") == ["... Hello. !!! ?", "Bye."]


def test_a_long_sentence_is_cut_at_its_last_fitting_clause() -> None:
    clause = "and then the lights went out in every room of the house, "
    pieces = split(clause * 8, "en")
    assert max(map(len, pieces)) <= LIMIT
    assert all(piece.endswith("house,") for piece in pieces)


def test_a_long_sentence_without_clauses_is_cut_between_words() -> None:
    pieces = split("lampe " * 200, "de")
    assert max(map(len, pieces)) <= LIMIT
    assert set(" ".join(pieces).split()) == {"lampe"}


def test_what_has_no_space_is_cut_before_a_letter_and_not_before_its_accent() -> None:
    pieces = split("x" + "q\u0323" * 400, "en")
    assert max(map(len, pieces)) <= LIMIT
    assert not [piece for piece in pieces if piece.startswith("\u0323")]


def test_chinese_without_spaces_is_cut_at_its_commas() -> None:
    pieces = split("今天天气很好，我们去公园吧，" * 40, "zh")
    assert max(map(len, pieces)) <= LIMIT
    assert all(piece.endswith("，") for piece in pieces)


LANGUAGES = st.sampled_from(["en", "de", "fr", "zh", "ja", "xx"])
SPOKEN = st.text(
    st.sampled_from("aB1 .!?…,;:\"'”»“«()。！？，、「」\n\u0301 Dr.zéß好ねक।"), max_size=400
)


@given(SPOKEN | st.text(max_size=700), LANGUAGES)
def test_nothing_is_lost_and_nothing_said_twice(text: str, language: str) -> None:
    assert "".join("".join(split(text, language)).split()) == "".join(text.split())


@given(st.text("ab .,!好", min_size=200, max_size=1500), LANGUAGES)
def test_every_piece_is_bounded_and_trimmed(text: str, language: str) -> None:
    pieces = split(text, language)
    assert all(0 < len(piece) <= LIMIT and piece == piece.strip() for piece in pieces)


def prepare(text: str, language: str) -> list[Sentence]:
    return [Sentence.plain(one) for one in IncomingText.whole(text).begin(language)]


def test_prepared_sentences_are_clean_and_have_words() -> None:
    assert prepare("**Hi** 😀! ... Dr. No\n\n- [x](https://y.z)\n\n—", "en") == [
        Sentence(raw="Hi ! ...", normalized="Hi ! ..."),
        Sentence(raw="Dr. No", normalized="Dr. No"),
        Sentence(raw="x —", normalized="x —"),
    ]


@pytest.mark.parametrize("text", ["", "😀", "...", "\n\n", "**"])
def test_nothing_to_say_prepares_nothing(text: str) -> None:
    assert prepare(text, "en") == []


@given(st.text(st.characters(), max_size=300), LANGUAGES)
def test_preparing_keeps_every_word(text: str, language: str) -> None:
    said = "".join(sentence.raw for sentence in prepare(text, language))
    assert [c for c in said if c.isalnum()] == [c for c in clean(text) if c.isalnum()]
    assert all(has_words(sentence.raw) for sentence in prepare(text, language))


def test_the_rules_have_a_version() -> None:
    assert TEXT_RULES_VERSION
