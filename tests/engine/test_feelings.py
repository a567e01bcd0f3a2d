"""What the judge of feelings is asked, what its answers mean, and what becomes of its failures."""

from collections.abc import Generator, Sequence
import logging
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from indextts_daemon.engines.indextts import feelings
from indextts_daemon.engines.indextts.feelings import FeelingJudge, read, straightened, weights_in
from indextts_daemon.engines.indextts.kv_cache import StaticKVCache
from indextts_daemon.engines.indextts.models.qwen import QwenDecoder
from indextts_daemon.engines.indextts.spelling.rules import CheckpointError
from indextts_daemon.speech import EMOTIONS
from tests.engine.judge import BEFORE, MARKS, SIZES, tokenizer

WORDS = ('{"\u9ad8\u5174":', "0.5,", '"\u60b2\u4f24":', "0.25}")
ASKED = ("system", "文本情感分类", "user", "assistant", "<think>")
END = MARKS[1]


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in EMOTIONS)


class Reciter:
    """A network that says what it was given, and remembers what it was fed."""

    sizes = SIZES

    def __init__(self, answer: Sequence[str]) -> None:
        self.tokenizer = tokenizer([*WORDS, *ASKED])
        self.answer = [self.tokenizer.token_to_id(word) for word in answer]
        self.fed: list[list[int]] = []
        self.rows: list[int] = []
        self.fault: Exception | None = None

    def new_cache(self, rows: int) -> StaticKVCache:
        like = torch.zeros(1)
        return StaticKVCache.empty(layers=1, batch=1, heads=1, rows=rows, channels=1, like=like)

    def __call__(self, ids: Tensor, rows: Tensor, cache: StaticKVCache, *, base: float) -> Tensor:
        assert base == 1e6
        assert int(rows[-1]) < cache.num_rows
        if self.fault:
            raise self.fault
        said = 0 if ids.shape[1] > 1 else (int(rows[0]) - len(self.fed[-1]) + 1)
        self.fed.append(ids[0].tolist()) if not said else None
        self.rows += rows.tolist()
        logits = torch.zeros(1, SIZES.tokens)
        logits[0, self.answer[said % len(self.answer)]] = 1.0
        return logits


def judge_of(reciter: Reciter) -> FeelingJudge:
    return FeelingJudge(cast("QwenDecoder", reciter), reciter.tokenizer, base=1e6)


def steps(work: Generator[None, None, Any]) -> tuple[int, Any]:
    """Return how many pieces the work had, and what came of it."""
    count = 0
    while True:
        try:
            next(work)
        except StopIteration as done:
            return count, done.value
        count += 1


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ('{"\u9ad8\u5174": 0.8, "\u81ea\u7136": 0.1}', {"happy": 0.8, "calm": 0.1}),
        ('Sure: {"happy": "0.4"} I hope', {"happy": 0.4}),
        ('{"\u6050\u60e7": 0.5, "\u53cd\u611f": 0.25, "\u4f4e', {"afraid": 0.5, "disgusted": 0.25}),
        ("{'sad': 0.3, 'ANGRY': 2}", {"sad": 0.3, "angry": 1.2}),
        ("\u4f4e\u843d\uff1a0.7", {"melancholic": 0.7}),
        ('"surprised"', {"surprised": 1.0}),
        ("Happy", {"happy": 1.0}),
        ('{"happy": NaN, "sad": null, "angry": [1], "calm": 0}', {"calm": 1.0}),
        ('{"happy": Infinity}', {"happy": 1.2}),
        ('["happy"]', {"calm": 1.0}),
        ("[" * 100_000, {"calm": 1.0}),
        ("", {"calm": 1.0}),
        ("I cannot help with that.", {"calm": 1.0}),
    ],
)
def test_an_answer_is_read_however_it_is_written(answer: str, named: dict[str, float]) -> None:
    assert weights_in(read(answer)) == weights(**named)


def test_sadness_and_melancholy_change_places_where_the_text_names_melancholy() -> None:
    judged = weights(sad=0.7, melancholic=0.1, happy=0.2)
    swapped = weights(sad=0.1, melancholic=0.7, happy=0.2)
    assert (
        straightened(judged, "so Gloomy")
        == straightened(judged, "\u60c5\u7eea\u4f4e\u843d")
        == swapped
    )
    assert straightened(judged, "sad") == judged


def test_it_is_asked_as_it_was_taught_and_answers_until_its_end() -> None:
    reciter = Reciter([*WORDS, END, WORDS[0]])
    count, judged = steps(judge_of(reciter).judge("some words"))
    assert (count, judged) == (len(WORDS), weights(happy=0.5, sad=0.25))
    (asked,) = reciter.fed
    assert [reciter.tokenizer.id_to_token(token) for token in asked] == [
        *("<|im_start|>", "system", "文本情感分类", "<|im_end|>"),
        *("<|im_start|>", "user", "?", "?", "<|im_end|>"),  # it does not know the words
        *("<|im_start|>", "assistant", "<think>", BEFORE),
    ]
    assert reciter.rows == list(range(len(asked) + len(WORDS)))


def test_no_mark_comes_from_the_text() -> None:
    reciter = Reciter([END])
    steps(judge_of(reciter).judge(f"{END}{MARKS[0]}"))
    tokens = [reciter.tokenizer.id_to_token(token) for token in reciter.fed[0]]
    assert (tokens.count(END), tokens.count(MARKS[0])) == (2, 3)


def test_an_answer_without_an_end_is_cut_off() -> None:
    count, judged = steps(judge_of(Reciter(WORDS)).judge("words"))
    assert count == feelings.MOST_TOKENS
    assert judged == weights(happy=0.5, sad=0.25)


def test_the_same_words_are_judged_once_while_they_are_remembered() -> None:
    reciter = Reciter([*WORDS, END])
    judge = judge_of(reciter)
    _, first = steps(judge.judge("word 0"))
    assert steps(judge.judge("word 0")) == (0, first)
    for number in range(1, feelings.KEPT):
        steps(judge.judge(f"word {number}"))
    assert steps(judge.judge("word 0")) == (0, first)
    steps(judge.judge("one more"))
    assert len(reciter.fed) == feelings.KEPT + 1
    assert steps(judge.judge("word 0"))[0] == 0
    assert steps(judge.judge("word 1"))[0] == len(WORDS)


def test_a_failure_is_no_judgment_and_said_once_without_the_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reciter = Reciter([*WORDS, END])
    judge = judge_of(reciter)
    reciter.fault = RuntimeError("secret words")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert steps(judge.judge("secret words")) == (0, None)
    (record,) = caplog.records
    assert "RuntimeError" in record.getMessage()
    assert "secret" not in record.getMessage()
    reciter.fault = None
    assert steps(judge.judge("secret words"))[1] == weights(happy=0.5, sad=0.25)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    for words in ([], [f"word{number}" for number in range(SIZES.tokens)]):
        other = tokenizer(words)
        if not words:
            other = type(other).from_str(other.to_str().replace(END, "<|other|>"))
        with pytest.raises(CheckpointError, match="do not fit"):
            FeelingJudge(cast("QwenDecoder", Reciter([END])), other, base=1e6)
