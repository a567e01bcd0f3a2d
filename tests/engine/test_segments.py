"""Where texts are cut: ours, and upstream's way with its defect."""

from collections.abc import Callable
import itertools

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon.engines.indextts.compat import segments as upstream
from indextts_daemon.engines.indextts.segments import split

TEXTS = st.text(alphabet="ab e.,!?…'35-今天的 、\n", max_size=300)


def in_words(text: str) -> int:
    return len(text.split())


def in_bytes(text: str) -> int:
    return len(text.encode())


def in_pairs(text: str) -> int:
    """Count two letters as one: a text may cost less than its beginning."""
    return sum(1 if len(list(run)) == 2 else 3 for _, run in itertools.groupby(text))


COUNTS = pytest.mark.parametrize("count", [len, in_bytes, in_pairs])


@COUNTS
@given(text=TEXTS, budget=st.integers(4, 40), quick=st.integers(0, 60))
@settings(deadline=None)
def test_nothing_but_blanks_is_lost_and_no_budget_exceeded(
    count: Callable[[str], int], text: str, budget: int, quick: int
) -> None:
    cut = split(text, count, budget=budget, quick=quick)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert all(cut)
    assert max(map(count, cut), default=0) <= budget


@pytest.mark.parametrize(
    ("text", "budget", "segments"),
    [
        ("One, two. Three, four. Five.", 40, ["One, two. Three, four. Five."]),
        ("One, two. Three, four. Five.", 26, ["One, two. Three, four.", "Five."]),
        ("One, two three four five six.", 20, ["One, two three four", "five six."]),
        ("One two three, four five six.", 20, ["One two three,", "four five six."]),
        ("Turn 3.5 or 1,250 at a.b.com now", 31, ["Turn 3.5 or 1,250 at a.b.com", "now"]),
        ("'Come in.' He did.", 12, ["'Come in.'", "He did."]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("今天好.明天也好.", 6, ["今天好.", "明天也好."]),
        ("今天好,明天也好", 6, ["今天好,", "明天也好"]),
        ("灯开了.OK 好", 6, ["灯开了.", "OK 好"]),
        ("light客厅的灯", 7, ["light客厅", "的灯"]),
        ("Hi. A much longer sentence", 12, ["Hi. A much", "longer", "sentence"]),
        ("هل أنت؟ نعم، هنا", 9, ["هل أنت؟", "نعم، هنا"]),
        ("", 9, []),
        (" \n ", 9, []),
    ],
)
def test_a_cut_is_at_the_widest_pause_that_is_not_too_early(
    text: str, budget: int, segments: list[str]
) -> None:
    assert split(text, len, budget=budget) == segments


@pytest.mark.parametrize(
    ("quick", "segments"),
    [
        (0, ["One, two, three. Four, five."]),
        (1, ["One,", "two, three. Four, five."]),
        (8, ["One,", "two,", "three. Four, five."]),
    ],
)
def test_the_first_clauses_stand_alone_for_an_early_sound(quick: int, segments: list[str]) -> None:
    assert split("One, two, three. Four, five.", len, budget=99, quick=quick) == segments


def test_a_long_word_is_not_cut_early_for_an_early_sound() -> None:
    assert split("one two three", len, budget=8, quick=9) == ["one two", "three"]


def test_a_character_that_exceeds_the_budget_stands_alone() -> None:
    assert split("aéa", in_bytes, budget=1) == ["a", "é", "a"]


@pytest.mark.parametrize("unit", ["a", "a ", "a.", "a, ", ".", "'", "的", "的,", "😀", "1,2 "])
@pytest.mark.parametrize("count", [len, in_words])
def test_a_text_twice_as_long_is_twice_the_work(unit: str, count: Callable[[str], int]) -> None:
    def work(size: int) -> int:
        looked_at = 0

        def counting(text: str) -> int:
            nonlocal looked_at
            looked_at += len(text)
            return count(text)

        split((unit * size)[:size], counting, budget=30)
        return looked_at

    assert work(16_000) < 2.3 * work(8_000)


def test_upstream_joins_its_parts_up_to_the_limit() -> None:
    pieces = list("ab.cde!f?g,h-i")
    assert upstream.split_pieces(pieces, 99) == [pieces]
    assert upstream.split_pieces(pieces, 5) == [
        ["a", "b", "."],
        ["c", "d", "e", "!"],
        ["f", "?", "g", ","],
        ["h", "-", "i"],
    ]


def test_upstream_cuts_a_part_that_is_too_long_by_one() -> None:
    assert list(map(len, upstream.split_pieces(list("abcdefghij"), 4))) == [4, 1, 4, 1]


def test_upstream_reads_a_quote_after_an_end_twice() -> None:
    pieces = ["▁HE", "SAID", ".", "'", "▁AND"]
    assert upstream.split_pieces(pieces, 99) == [["▁HE", "SAID", ".", "'", "'", "▁AND"]]


def test_upstream_joins_up_to_half_the_limit_until_enough_is_spent() -> None:
    pieces = list("ab,cd,ef,gh")
    lengths = [len(part) for part in upstream.split_pieces(pieces, 9, quick=8)]
    assert lengths == [3, 8]
    texts = upstream.split_text("ab,cd,ef,gh", len, 9, quick=8)
    assert texts == ["ab,", "cd,ef,gh"]


@given(text=TEXTS, limit=st.integers(1, 30), quick=st.integers(0, 30))
def test_upstream_loses_nothing_of_a_text(text: str, limit: int, quick: int) -> None:
    cut = upstream.split_text(text, len, limit, quick)
    assert "".join(cut) == text
    assert max(map(len, cut), default=0) <= limit


def test_upstream_makes_nothing_of_nothing() -> None:
    assert not upstream.split_pieces([], 9)
    assert not upstream.split_text("", len, 9)
