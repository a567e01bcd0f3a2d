"""Long text is cut where a speaker would breathe."""

from hypothesis import given, strategies as st

from indextts_daemon.engines.pieces import bounded


@given(st.text(st.sampled_from("ab ,.\n"), max_size=200), st.integers(1, 40))
def test_parts_are_bounded_and_lose_only_space(text: str, limit: int) -> None:
    parts = list(bounded(text, limit))
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_the_cut_is_after_the_last_clause_that_fits() -> None:
    assert list(bounded("One, two, three and four.", 20)) == ["One, two,", "three and four."]


def test_without_clauses_the_cut_is_between_words() -> None:
    assert list(bounded("one two three", 9)) == ["one two", "three"]


def test_a_word_without_end_is_cut_all_the_same() -> None:
    assert list(bounded("x" * 25, 10)) == ["x" * 10, "x" * 10, "x" * 5]
