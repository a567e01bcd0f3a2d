"""The integration's word on every rule of the quality scale, held to what it names as evidence."""

import ast
from pathlib import Path
import re
import sys
from typing import NamedTuple

import pytest
import yaml

from scripts.check_integration.scale import _RULES

ROOT = Path(__file__).parents[2]
SCALE = ROOT / "custom_components/indextts/quality_scale.yaml"
# A path from the repository's root, and perhaps a test or a heading in it.
EVIDENCE = re.compile(r"([\w./-]+\.\w+|scripts/\w+)(?:::(\w+)|#([\w-]+))?")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


class Word(NamedTuple):
    """What is said of one rule."""

    rule: str
    status: str
    comment: str

    def evidence(self) -> list[tuple[Path, str, str]]:
        named = EVIDENCE.findall(self.comment)
        return [(ROOT / path, name, heading) for path, name, heading in named]


WORDS = [
    Word(rule, word["status"], word["comment"])
    for rule, word in yaml.safe_load(SCALE.read_text("utf-8"))["rules"].items()
]


def anchors(page: str) -> set[str]:
    return {heading.strip().lower().replace(" ", "-") for heading in HEADING.findall(page)}


def test_there_is_a_word_on_every_rule_in_the_scale_s_own_order() -> None:
    assert [word.rule for word in WORDS] == [rule for tier in _RULES.values() for rule in tier]


def test_every_package_that_is_borrowed_is_named() -> None:
    borrowed = {
        name.partition(".")[0]
        for path in SCALE.parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in imported(node)
    } - {*sys.stdlib_module_names, "homeassistant"}
    (word,) = (word for word in WORDS if word.rule == "dependency-transparency")
    assert {name for name in borrowed if name not in word.comment} == set()


def imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports by their full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.rule)
def test_a_word_is_held_to_its_evidence(word: Word) -> None:
    assert word.status in {"done", "exempt", "todo"}
    assert word.comment
    assert word.status != "done" or word.evidence()
    for path, name, heading in word.evidence():
        assert path.exists(), path
        text = path.read_text("utf-8") if name or heading else ""
        assert not name or re.search(rf"\b(?:def|class) {name}\b", text), name
        assert not heading or heading in anchors(text), heading
