"""Our reading of the golden sentences beside wetext's and upstream's: figures for us, no test.

Run as `python -m tests.daemon.text_compare`. Case, spaces, hyphens, punctuation and the choice
between equal wordings ("and", "negative" for "minus", "the third of May") are nobody's fault.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
import re
import sys

from indextts_daemon.text.household import read_aloud

_GOLDEN = Path(__file__).parent / "text_golden"
_SHOWN = 10
_DATE = re.compile(r"the (\w+(?: \w+)?) of (\w+ber|\w+ary|march|april|may|june|july|august)")
Reading = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A sentence of a household, and what people say for it."""

    kind: str
    language: str
    written: str
    spoken: str


def golden(language: str) -> list[Golden]:
    """Return the golden sentences of a language."""
    lines = (_GOLDEN / f"{language}.tsv").read_text("utf-8").splitlines()
    return [
        Golden(kind=kind, language=language, written=written, spoken=spoken)
        for kind, written, spoken in (line.split("\t") for line in lines)
    ]


def same(said: str, expected: str) -> bool:
    """Whether two readings are the same to a listener."""
    return _heard(said) == _heard(expected)


def _heard(said: str) -> str:
    said = _DATE.sub(r"\2 \1", said.lower().replace("-", " "))
    said = re.sub(r"\bnegative\b", "minus", re.sub(r"\band\b", "", said))
    said = re.sub(r"\bo\b", "oh", said).replace("kilometre", "kilometer")
    return re.sub(r"[\W_]+", "", said)


def readings() -> dict[str, Reading]:
    """Return who can read here: ours, and with IndexTTS installed wetext and upstream's two."""
    found: dict[str, Reading] = {"ours": read_aloud}
    try:
        wetext = import_module("wetext")
        upstream = import_module("indextts_daemon.engines.indextts.compat.normalizer")
    except ImportError:
        return found
    each = {code: wetext.Normalizer(lang=code, operator="tn") for code in ("en", "zh")}
    theirs = upstream.Normalizer()

    def read_by_wetext(text: str, language: str) -> str:
        try:
            return str(each[language].normalize(text))
        except AssertionError:  # what it has no grammar for, such as "#3"
            return text

    return found | {
        "wetext": read_by_wetext,
        "upstream 2": lambda text, _: str(theirs.normalize(text)),
        "upstream 2.5": lambda text, _: str(theirs.normalize(upstream.marks_mapped(text))),
    }


def main() -> None:
    """Print how many sentences each reads as people do, and ten that show the difference."""
    say = sys.stdout.write
    everyone = readings()
    for language in ("en", "zh"):
        sentences = golden(language)
        said = {
            name: [read(sentence.written, language) for sentence in sentences]
            for name, read in everyone.items()
        }
        right = {
            name: [
                same(one, sentence.spoken) for one, sentence in zip(every, sentences, strict=True)
            ]
            for name, every in said.items()
        }
        for name, each in right.items():
            say(f"{language}  {name:13} {sum(each)} of {len(each)}\n")
        others = [each for name, each in right.items() if name != "ours"]
        telling = [index for index, wrong in enumerate(zip(*others, strict=True)) if not any(wrong)]
        for place in range(min(_SHOWN, len(telling))):
            index = telling[place * len(telling) // _SHOWN]
            say(f"  {sentences[index].written}\n")
            for name, every in said.items():
                say(f"    {name:13} {every[index]}\n")


if __name__ == "__main__":
    main()
