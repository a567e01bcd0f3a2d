"""What upstream makes of a text, case by case; what we miss, we miss for a reason on a list."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any

from indextts_daemon.engines.indextts.compat import pronunciation, segments, terms
from indextts_daemon.engines.indextts.compat.normalizer import Normalizer, is_chinese
from indextts_daemon.engines.indextts.compat.official import OfficialPieces, OfficialTokens
from indextts_daemon.engines.indextts.text_front import TextFrontEnd
from indextts_daemon.engines.indextts.tokenizer import BPETokenizer, TiktokenTokenizer
from indextts_daemon.engines.indextts.variant import VARIANTS
from tests.engine.parity import ParitySet

VOCABULARIES = "INDEXTTS_VOCABULARIES"  # a folder with the published bpe.model and *.tiktoken
SHAPE = re.compile(r"max(\d+)_quick(\d+)")

Cases = Any  # as in the file
Outcomes = Iterator["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One comparison. A case whose own stage is given what is golden may not be missed."""

    text: str
    equal: bool
    language: str = ""
    whole: bool = True  # from the text on; else from the golden result of the stage before


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why some cases are missed: all those and only those that it knows."""

    name: str
    text: str = ""  # as a pattern
    language: str = ""

    def knows(self, outcome: Outcome) -> bool:
        return (
            outcome.whole
            and (not self.language or outcome.language == self.language)
            and re.search(self.text, outcome.text) is not None
        )


REASONS = (
    Reason(name="wetext reads a point between letter and digit as none", text=r"[A-Za-z]\.\d"),
    Reason(
        name="wetext reads a hyphen between two numbers as none",
        text=r"(?<![\d-])\d{3}-\d{4}(?![\d-])",
    ),
    Reason(
        name="wetext prefers another of two equal readings of tens after a comma",
        text=r"\d:[1-9]0 [AP]M",
        language="en",
    ),
    Reason(name="no dictionary that finds Japanese words", language="ja"),
)


def normalizer(cases: Cases, _: "Setting") -> Outcomes:
    made = Normalizer()
    for case in cases:
        yield Outcome(
            text=case["text"],
            equal=made.normalize(case["text"]) == case["normalized"]
            and is_chinese(case["text"]) == case["use_chinese"],
        )


def correct_pinyin(cases: Cases, _: "Setting") -> Outcomes:
    for case in cases:
        made = pronunciation.corrected(case["input"])
        yield Outcome(text=case["input"], equal=made == case["output"], whole=False)


def tech_terms(cases: Cases, _: "Setting") -> Outcomes:
    for case in cases:
        made = terms.hyphens_kept(case["text"])
        yield Outcome(text=case["text"], equal=made == case["tech_protected"], whole=False)


def glossary(cases: Cases, _: "Setting") -> Outcomes:
    made = Normalizer(cases["terms"])
    for case in cases["cases"]:
        equal = made.normalize(case["text"]) == case["normalized"]
        yield Outcome(text=case["text"], equal=equal, whole=False)


def bpe(cases: Cases, setting: "Setting") -> Outcomes:
    """Compare pieces, ids and the lengths of segments, from the text and from golden pieces."""
    if setting.vocabulary is None:
        yield from piece_segments(cases)
        return
    front = TextFrontEnd(setting.variant, setting.vocabulary)
    tokenizer = BPETokenizer(setting.vocabulary)
    official = OfficialPieces(tokenizer, Normalizer())
    for case in cases:
        pieces = official.pieces(case["text"])
        equal = pieces == case["pieces"] and tokenizer.ids(pieces) == case["ids"]
        for shape, lengths in case["segments"].items():
            limit, quick = limits(shape)
            made = front.segments(case["text"], language="zh", max_tokens=limit, quick_tokens=quick)
            equal &= list(map(len, made)) == lengths
        yield Outcome(text=case["text"], equal=equal)
    yield from piece_segments(cases)


def piece_segments(cases: Cases) -> Outcomes:
    for case in cases:
        equal = all(
            list(map(len, segments.split_pieces(case["pieces"], *limits(shape)))) == lengths
            for shape, lengths in case["segments"].items()
        )
        yield Outcome(text=case["text"], equal=equal, whole=False)


def limits(shape: str) -> tuple[int, int]:
    found = SHAPE.fullmatch(shape)
    assert found, shape
    return int(found[1]), int(found[2])


def tiktoken(content: Cases, setting: "Setting") -> Outcomes:
    """Compare the processed text, segments and ids; without the vocabulary what needs none."""
    tokenizer = TiktokenTokenizer(setting.vocabulary or setting.tiny)
    if setting.vocabulary:
        known = {mark: tokenizer.specials[mark] for mark in content["special"]}
        equal = known == content["special"] and tokenizer.num_tokens == content["n_vocab"]
        yield Outcome(text="special", equal=equal, whole=False)
    for case in content["cases"]:
        language, limit = case["lang"], case["max_tokens"]
        official = OfficialTokens(tokenizer, Normalizer(), language)
        equal = official.processed(case["text"]) == case["processed"]
        apart = "".join(case["segments"]) == case["processed"]
        apart &= setting.variant.language_ids[language] == case["lang_id"]
        if setting.vocabulary:
            front = TextFrontEnd(setting.variant, setting.vocabulary)
            made = front.segments(case["text"], language=language, max_tokens=limit)
            equal &= made == case["ids"]
            apart &= official.split(case["processed"], limit) == case["segments"]
            apart &= [official.ids(part) for part in case["segments"]] == case["ids"]
        yield Outcome(text=case["text"], equal=equal, language=language)
        yield Outcome(text=case["text"], equal=apart, language=language, whole=False)


def lang_id(cases: Cases, setting: "Setting") -> Outcomes:
    for language in setting.variant.languages:
        equal = setting.variant.language_ids[language] == cases[language]
        yield Outcome(text=language, equal=equal, whole=False)


class Setting:
    """What a list of cases is compared with."""

    def __init__(self, golden: ParitySet, *, official: bool) -> None:
        (self.variant,) = (one for one in VARIANTS if one.version == golden.version)
        pattern = "*.tiktoken" if self.variant.language_ids else "bpe.model"
        (self.tiny,) = golden.path.glob(pattern)
        told = os.environ.get(VOCABULARIES, "")
        found = sorted(Path(told).glob(pattern)) if told else []
        self.vocabulary = next(iter(found), None) if official else self.tiny


LISTS: Mapping[str, Callable[[Cases, Setting], Outcomes]] = {
    "normalizer": normalizer,
    "correct_pinyin": correct_pinyin,
    "tech_terms": tech_terms,
    "glossary": glossary,
    "tiny_bpe": bpe,
    "official_bpe_ids": bpe,
    "tiny_tiktoken": tiktoken,
    "official_tiktoken": tiktoken,
    "lang_id": lang_id,
}
NOTES = {"description", "note"}


def test_every_golden_text_is_met_or_missed_for_a_reason(
    golden: ParitySet, record_property: Callable[[str, object], None]
) -> None:
    """A case that a reason knows must differ: one that no longer does has left the list."""
    wrong: list[str] = []
    for name, cases in golden.text(f"text_{golden.name}.json").items():
        if name in NOTES:
            continue
        setting = Setting(golden, official=name.startswith("official"))
        made = list(LISTS[name](cases, setting))
        assert made, name
        known = [next((r for r in REASONS if r.knows(outcome)), None) for outcome in made]
        wrong += [
            f"{name}: {outcome.text!r} {'is met' if reason else 'differs'}"
            for outcome, reason in zip(made, known, strict=True)
            if outcome.equal is not (reason is None)
        ]
        line = summary(made, known, lent=setting.vocabulary is not None)
        record_property(f"{golden.name} {name}", line)
        print(f"{golden.name:6} {name:18} {line}")  # noqa: T201
    assert not wrong


def summary(made: list[Outcome], known: list[Reason | None], *, lent: bool) -> str:
    """Say in a line how many are equal, and how many missed for which reason."""
    parts = []
    for title, whole in (("from the text", True), ("stage by stage", False)):
        equal = [outcome.equal for outcome in made if outcome.whole is whole]
        if equal:
            parts.append(f"{title} {sum(equal)}/{len(equal)}")
    missed = Counter(reason.name for reason in known if reason)
    parts += [f"{count}: {name}" for name, count in missed.items()]
    return "; ".join(parts) + ("" if lent else "; without the published vocabulary")


def test_end_to_end_texts_have_as_many_segments_as_upstreams(golden: ParitySet) -> None:
    setting = Setting(golden, official=False)
    assert setting.vocabulary
    front = TextFrontEnd(setting.variant, setting.vocabulary)
    for case in golden.config["e2e_cases"].values():
        limit = case.get("max_text_tokens_per_segment", 120)
        made = front.segments(case["text"], language="en", max_tokens=limit)
        assert len(made) == case["segments"], case["text"]
