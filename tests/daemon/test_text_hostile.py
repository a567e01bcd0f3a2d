"""Text made to wedge a reader: the work must grow with its length, not with its square."""

import json
from pathlib import Path
import subprocess
import sys

DAEMON = Path(__file__).parents[2] / "daemon"
READ_ALL = """
import json, sys
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.language import LanguageDetector

detector = LanguageDetector()
for unit in json.load(sys.stdin):
    text = unit * (100_000 // len(unit)) + "x"
    print(json.dumps(unit), flush=True)  # the last one printed is the culprit
    detector.detect(text, household="en", among=("en", "de"))
    IncomingText.whole(text).begin("de")
    waiting, begun = IncomingText(), IncomingText()
    begun.begin("de")
    for character in text[:4096]:
        waiting.feed(character)
        begun.feed(character)
        waiting.has_clause
    waiting.end(), begun.end()
    at_once = IncomingText()
    at_once.feed(text + " and so on")
    at_once.has_clause
    at_once.pause()
"""

UNITS = [
    "*", "* ", "_", "a_", "`", "~~~", "``` ", "[", "[a](", "![a]", "[^", "](", "[a](b(c)",
    "<", "<a ", "<a b= ", "<!--", "<p ", "<https://", "&", "&#", "&#9", "http://", "www.", "https://@",
    "#", "# ", "> ", "-", "- ", "|", "\n", "\n ", " ", "\t", "1. ", "1. \n",
    "a\u0301\u0323", "\u0301\u0323", "😀", "\u200d", "\ud800", "好",
    ", ", "(, ", "\uff0c", "\uff08\uff0c",
    "!", '!"', ". ", "z. ", "a.", "a,", "…", "。", "word ", "a", "» ", "? »", "é",
]  # fmt: skip


def test_hostile_text_is_read_to_its_end() -> None:
    """Takes some seconds; a single pattern that costs the square would take an hour."""
    subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input=json.dumps(UNITS),
        text=True,
        check=True,
        timeout=120,
        env={"PYTHONPATH": str(DAEMON)},
    )
