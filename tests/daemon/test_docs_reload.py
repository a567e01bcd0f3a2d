"""The page about hot reload promises nothing that no test keeps."""

from pathlib import Path
import re

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs/hot-reload.md").read_text("utf-8")
NAMED = re.compile(r"`(test_\w+\.py)(?:::(test_\w+))?`")


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert named
    for file, test in named:
        source = (HERE / file).read_text("utf-8")
        assert re.search(rf"def {test}\b", source) if test else "def test_" in source, (
            f"{file}::{test}"
        )


def test_each_of_our_promises_beside_those_of_others_names_its_test() -> None:
    section = PAGE.partition("## What others promise")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!When|-).* \|$", section, re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        ours = row.split(" | ")[-1]
        found = NAMED.search(ours)
        assert found is not None, row
        assert found[2], row
