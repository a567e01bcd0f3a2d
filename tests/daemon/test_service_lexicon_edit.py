"""One rule more in a lexicon that somebody has written: it is there, and all else stays."""

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.service.lexicon import read_lexicon
from indextts_daemon.service.lexicon_edit import with_rule
from tests.daemon.test_service_lexicon import DOCUMENT

LENA = {"from": "Lena", "say": "Layna"}
ITEM = "- {from: Lena, say: Layna}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"rules:\n{ITEM}"),
        ("# none yet", f"# none yet\nrules:\n{ITEM}"),
        ("rules:\n", f"rules:\n{ITEM}"),
        ("rules:", f"rules:\n{ITEM}"),
        ("rules: []\n# end\n", f"rules:\n{ITEM}# end\n"),
        ("rules: null  # none\n", f"rules:\n{ITEM}"),
        (
            "# a\nrules:  # b\n  # c\n  - from: x  # d\n    say: y  # e\n  # f\n",
            f"# a\nrules:  # b\n  # c\n  - from: x  # d\n    say: y  # e\n  {ITEM}  # f\n",
        ),
        ("rules:\n- {from: x, say: y}", f"rules:\n- {{from: x, say: y}}\n{ITEM}"),
        ("rules: [{from: x, say: y}]", "rules: [{from: Lena, say: Layna}, {from: x, say: y}]"),
        (
            "rules:\n- from: x\n  say: |-\n    y\n# z\n",
            f"rules:\n- from: x\n  say: |-\n    y\n{ITEM}# z\n",
        ),
    ],
)
def test_another_rule_comes_behind_the_others(before: str, after: str) -> None:
    assert with_rule(before, LENA) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rules:\n- {from: lena, say: x}  # a\n", f"rules:\n{ITEM[:-1]}  # a\n"),
        (
            "rules:\n- from: Lena  # a\n  say: x  # b\n# c\n- {from: y, say: z}\n",
            f"rules:\n{ITEM[:-1]}  # b\n# c\n- {{from: y, say: z}}\n",
        ),
        (
            "rules:\n- {from: LENA, say: x}\n- from: lena\n  say: |-\n    x\n- {from: y, say: z}\n",
            f"rules:\n- {{from: LENA, say: x}}\n{ITEM}- {{from: y, say: z}}\n",
        ),
        (
            "rules: [{from: y, say: z}, {from: Lena, say: x}]",
            "rules: [{from: y, say: z}, {from: Lena, say: Layna}]",
        ),
    ],
)
def test_a_rule_takes_the_place_of_one_for_the_same(before: str, after: str) -> None:
    assert with_rule(before, LENA) == after
    assert with_rule(after, LENA) == after


def test_rules_for_other_voices_and_languages_stay() -> None:
    for scope in ({"voices": ["lena"]}, {"languages": ["de", "fr"]}):
        changed = with_rule(DOCUMENT, {"from": "saoirse", "say": "Sorcha"} | scope)
        assert len(read_lexicon(changed).rules) == len(read_lexicon(DOCUMENT).rules) + 1
        assert changed.startswith(DOCUMENT)


@pytest.mark.parametrize("word", ["no", "5", "a: b", "? a", "#a", "'a", '"a"', "{a}", "a, b", "é"])
def test_a_word_that_means_something_to_yaml_is_quoted(word: str) -> None:
    read = read_lexicon(with_rule(DOCUMENT, {"from": word, "say": word}))
    assert (read.rules[-1].source, read.rules[-1].say) == (word, word)


def test_a_sound_is_taken_too() -> None:
    read = read_lexicon(with_rule("", {"from": "live", "phonemes": {"cmu": "L AY1 V"}}))
    assert read.rules[0].phonemes == (("cmu", "L AY1 V"),)


@pytest.mark.parametrize(
    ("document", "fields", "why"),
    [
        ("rules: 5\n", LENA, "line 1, rules"),
        ("", {"from": "a"}, "expected `say`"),
        ("", {"from": "a", "phonemes": {"cmu": "QQ"}}, "no phone"),
        ("x: &a {from: Lena, say: x}\nrules: [*a]\n", LENA, "no such setting"),
    ],
)
def test_what_cannot_be_done_is_said(document: str, fields: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        with_rule(document, fields)


def test_a_rule_that_another_one_refers_to_is_left_to_a_person() -> None:
    shared = (
        "rules:\n- {from: Lena, say: x, languages: &a [de]}\n- {from: b, say: c, languages: *a}\n"
    )
    kept = with_rule(shared, LENA)
    assert kept.startswith(shared)
    with pytest.raises(SettingsError):
        with_rule(shared, LENA | {"languages": ["de"]})
