"""Both vocabularies, read from one file each."""

from collections.abc import Callable
from pathlib import Path
import socket

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.engines.indextts.tokenizer import PHONES, BPETokenizer, TiktokenTokenizer
from tests.engine import vocabularies
from tests.engine.vocabularies import write_pieces, write_tokens


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> BPETokenizer:
    return BPETokenizer(write_pieces(tmp_path_factory.mktemp("pieces")))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TiktokenTokenizer:
    return TiktokenTokenizer(write_tokens(tmp_path_factory.mktemp("tokens")))


def test_an_ideograph_is_a_word_and_letters_are_capitals(pieces: BPETokenizer) -> None:
    assert "".join(pieces.pieces("a light今天on")) == "▁A▁LIGHT▁今▁天▁ON"


def test_a_text_may_be_cut_as_it_stands(pieces: BPETokenizer) -> None:
    assert "".join(pieces.raw_pieces("on今天")) == "▁on今天"


def test_a_piece_has_an_id_of_its_own_and_an_unknown_one_a_common_one(
    pieces: BPETokenizer,
) -> None:
    known = pieces.ids(pieces.pieces(vocabularies.HAN))
    unknown = pieces.ids(["狗", "猫"])
    assert len(set(known)) == len(set(vocabularies.HAN)) + 1  # what stands before each
    assert len(set(unknown)) == 1
    assert not set(unknown) & set(known)


@given(text=st.text())
def test_tokens_say_the_text_again(tokens: TiktokenTokenizer, text: str) -> None:
    assert tokens.decode(tokens.encode_plain(text)) == text


def test_a_token_is_as_long_as_its_word(tokens: TiktokenTokenizer) -> None:
    assert len(tokens.encode_plain("in the")) == 2


def test_only_one_way_to_encode_knows_marks(tokens: TiktokenTokenizer) -> None:
    assert tokens.encode(PHONES) == [tokens.specials[PHONES]]
    assert max(tokens.encode_plain(PHONES)) < min(tokens.specials.values())


def test_marks_stand_after_the_ranks_and_none_twice(tokens: TiktokenTokenizer) -> None:
    ids = tokens.specials.values()
    assert min(ids) == tokens.encode_plain("!!")[0] + 1  # the last of the ranks
    assert max(ids) == tokens.num_tokens - 1
    assert len(set(ids)) == len(ids)


def test_no_vocabulary_comes_from_the_network_or_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    cache = tmp_path / "cache"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    monkeypatch.setattr(socket, "socket", refuse)
    assert TiktokenTokenizer(write_tokens(tmp_path)).encode_plain(" the")
    assert not cache.exists()


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _garbage(file: Path) -> None:
    file.write_bytes(b"<html>\xff not a vocabulary</html>\n" * 9)


@pytest.mark.parametrize("damage", [Path.unlink, _truncated, _empty, _garbage])
def test_a_damaged_vocabulary_is_named_without_its_place(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    for tokenizer, write in ((BPETokenizer, write_pieces), (TiktokenTokenizer, write_tokens)):
        file = write(tmp_path)
        damage(file)
        with pytest.raises(CheckpointError, match="vocabulary") as caught:
            tokenizer(file)
        assert str(tmp_path) not in caught.value.message


def test_a_rank_that_is_missing_is_noticed(tmp_path: Path) -> None:
    file = write_tokens(tmp_path)
    lines = file.read_text("ascii").splitlines(keepends=True)
    for left in (lines[:-2] + lines[-1:], lines[1:]):
        file.write_text("".join(left), "ascii")
        with pytest.raises(CheckpointError, match="lacks"):
            TiktokenTokenizer(file)
