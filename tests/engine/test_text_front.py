"""The door of the text side, as it serves: no word lost, no budget exceeded, no defect."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours on purpose

from collections.abc import Iterable
from pathlib import Path
import re
import subprocess
import sys

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon.engines.indextts.text_front import LEAST_TOKENS, TextFrontEnd
from indextts_daemon.engines.indextts.tokenizer import BPETokenizer, TiktokenTokenizer
from indextts_daemon.engines.indextts.variant import V2, V2_5, Variant
from tests.engine.vocabularies import HAN, write_pieces, write_tokens

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = st.text(alphabet=LETTERS + LETTERS.upper() + HAN + " .,!?…'\"-:;()\n", max_size=400)
HOSTILE = st.text(max_size=300) | st.text(alphabet="<|>字a1:4. \U000f0000😀", max_size=300)
WRITE = {V2.id: write_pieces, V2_5.id: write_tokens}


@pytest.fixture(scope="module", params=[V2, V2_5], ids=lambda variant: variant.id)
def variant(request: pytest.FixtureRequest) -> Variant:
    made: Variant = request.param
    return made


@pytest.fixture(scope="module")
def front(variant: Variant, tmp_path_factory: pytest.TempPathFactory) -> "Front":
    return Front(variant, WRITE[variant.id](tmp_path_factory.mktemp("front")))


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> "Front":
    """IndexTTS-2.5's."""
    return Front(V2_5, write_tokens(tmp_path_factory.mktemp("tagged")))


class Front:
    """A text side whose ids can be read again."""

    def __init__(self, variant: Variant, file: Path) -> None:
        self.end = TextFrontEnd(variant, file)
        self.tokens = TiktokenTokenizer(file) if variant is V2_5 else None
        self.pieces = None if variant is V2_5 else BPETokenizer(file)

    def ids(self, text: str, language: str = "en", **options: int) -> list[list[int]]:
        return self.end.segments(text, language=language, compat=False, **options)

    def said(self, text: str, language: str = "en", **options: int) -> list[str]:
        return [self.read(ids) for ids in self.ids(text, language, **options)]

    def read(self, ids: list[int]) -> str:
        """Return a segment in small letters, without what stands around it."""
        if self.tokens:
            assert ids[-1] == 1
            text = self.tokens.decode(ids[:-1])
            return re.sub(r"^<\|\w+\|> ", "", text)
        assert self.pieces
        inner = self.pieces._processor
        return "".join(map(inner.id_to_piece, ids)).replace("▁", " ").strip().lower()


def letters(texts: Iterable[str]) -> str:
    return "".join(filter(str.isalnum, "".join(texts))).lower()


@given(text=TEXTS, budget=st.integers(LEAST_TOKENS, 60), quick=st.integers(0, 40))
@settings(deadline=None)
def test_no_letter_is_lost_and_no_budget_exceeded(
    front: Front, text: str, budget: int, quick: int
) -> None:
    made = front.ids(text, max_tokens=budget, quick_tokens=quick)
    assert letters(map(front.read, made)) == letters([text])
    assert max(map(len, made), default=0) <= budget


@given(text=HOSTILE, language=st.sampled_from(["zh", "en", "ja"]))
@settings(deadline=None)
def test_no_text_breaks_the_budget_or_the_door(front: Front, text: str, language: str) -> None:
    made = front.ids(text, language, max_tokens=LEAST_TOKENS)
    assert max(map(len, made), default=0) <= LEAST_TOKENS


@given(text=TEXTS)
@settings(deadline=None)
def test_no_id_is_one_that_never_reaches_the_model(tagged: Front, text: str) -> None:
    for ids in tagged.ids(text):
        assert not {0, 1} & set(ids[:-1])


@pytest.mark.parametrize("text", ["", " \n", "😀", "🎉 ✨", "!", "...", "?! —", "''", "\U000f0000"])
def test_a_text_without_words_has_no_segment(front: Front, text: str) -> None:
    assert front.ids(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Warm!", "warm."),
        ("Warm!! Good!", "warm. good."),
        ("Warm?!", "warm?"),
        ("Warm!? On.", "warm? on."),
        ("Warm... on!", "warm… on."),
        ("“Warm” (on): it’s “good”; yes", "'warm' 'on', it's 'good', yes"),
        ("开了！关了？", "开了.关了?"),
    ],
)
def test_marks_become_those_that_the_model_hears(tagged: Front, text: str, said: str) -> None:
    assert tagged.said(text) == [said]


def test_upstream_hands_over_a_mark_that_is_then_dropped(tagged: Front) -> None:
    (ids,) = tagged.end.segments("Warm!", language="en")
    assert ids[-2:] == [0, 1]
    assert 0 not in tagged.ids("Warm!")[0]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "é warm"), ("es", "É WARM"), ("ar", "é Warm"), ("ja", "é warm")]
)
def test_each_language_has_its_case(tagged: Front, language: str, said: str) -> None:
    (ids,) = tagged.ids("é Warm", language)
    assert tagged.read(ids) == said
    assert tagged.tokens
    assert ids[0] == tagged.tokens.specials[f"<|{language}|>"]


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("It is 3 now", "en", "it is three now"),
        ("It is 12,500 now", "en", "it is twelve thousand five hundred now"),
        ("Up at 7:30: good", "en", "up at seven thirty, good"),
        ("Up at 7:30", "es", "up at 7:30"),
        ("灯3", "zh", "灯三"),
        ("灯3", "en", "灯三"),
        ("灯xuan4,3", "zh", "灯xvan4,三"),
        ("A +1 3", "en", "a +1 three"),
    ],
)
def test_a_number_that_is_left_is_read_once_its_place_is_known(
    tagged: Front, text: str, language: str, said: str
) -> None:
    assert [part.lower() for part in tagged.said(text, language)] == [said]


@pytest.mark.parametrize(
    ("text", "phones", "plain"),
    [
        ("灯<开|kai1>了", "灯<|SPECIAL_TOKEN_2|>KAI1<|SPECIAL_TOKEN_2|>了", None),
        ("on <a b|K AE1 . T>", "on <|SPECIAL_TOKEN_1|>K AE1 . T<|SPECIAL_TOKEN_1|>", "on a b"),
        ("<灯|とう>on", "とうon", "灯 on"),
        ("灯<on|nothing known>", "灯<on|nothing known>", None),
    ],
)
def test_a_reading_stands_for_its_word_where_the_model_knows_such(
    front: Front, variant: Variant, text: str, phones: str, plain: str | None
) -> None:
    if variant is V2_5:
        assert front.said(text) == [phones]
    elif plain is not None:
        assert front.said(text) == [plain]


def test_pinyin_is_spelled_as_the_vocabulary_has_it(tmp_path: Path) -> None:
    front = Front(V2, write_pieces(tmp_path))
    (ids,) = front.ids("灯<开|xuan1 li4>了", "zh")
    assert front.pieces
    assert ids == front.pieces.ids(front.pieces.pieces("灯XVAN1 LI4了"))
    assert ids == front.ids("灯XVAN1 LI4了", "zh")[0]


def test_a_reading_that_is_too_long_leaves_the_word(tagged: Front) -> None:
    reading = " ".join(["AE1"] * 12)
    assert tagged.said(f"on <a|{reading}> on", max_tokens=20) == ["on a on"]


def test_a_text_cannot_bring_marks_along(tagged: Front) -> None:
    text = "on <|SPECIAL_TOKEN_1|> <|endoftext|> <|zh|>"
    (ids,) = tagged.ids(text)
    assert tagged.tokens
    assert set(ids) & set(tagged.tokens.specials.values()) == {ids[0]}
    assert tagged.read(ids) == text.lower()


def test_a_budget_that_no_character_may_fit_is_refused(front: Front) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        front.ids("on", max_tokens=LEAST_TOKENS - 1)


def test_a_segment_never_has_more_ids_than_there_are_places(front: Front) -> None:
    made = front.ids("good light " * 400, max_tokens=10_000)
    assert len(made) > 1
    assert max(map(len, made)) <= 600


def test_the_first_sound_comes_early_if_asked(front: Front) -> None:
    text = "Good, the light is on. It is warm, and the fox is lazy."
    assert front.said(text) == [text.lower()]
    assert front.said(text, quick_tokens=1)[0] == "good,"


def test_a_grammar_is_loaded_by_the_first_number(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from indextts_daemon.engines.indextts.variant import V2_5
front = TextFrontEnd(V2_5, Path(sys.argv[1]))
for text in ("The light is on.", "It is 3."):
    front.segments(text, language="en", compat=False)
    print("wetext" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, write_tokens(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["False", "True"]
