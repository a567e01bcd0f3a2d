"""`indextts-daemon lexicon` and `moods`: what is written, another document, one word, a preview.

The running daemon does it; without one, what is written can still be looked at.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
import sys
from typing import Any

from .config import decoded, read_text
from .errors import SettingsError, SpeechError
from .remote import NoDaemonError, Remote
from .service.documents import Documents
from .service.lexicon import MOST_BYTES, read_lexicon
from .service.lexicon_edit import with_rule
from .service.moods import parse_moods
from .service.preview import preview as previewed

STDIN = "-"


def show(name: str, data_dir: Path, remote: Remote) -> int:
    """Print a document as it is written, and say so where it does not count."""
    try:
        text, _ = asyncio.run(remote.document(name))
    except NoDaemonError:
        documents = Documents.of(data_dir)
        text = (documents.lexicon if name == "lexicon" else documents.moods).document()
    if not text:
        print(f"Nothing is written in {name}.yaml yet.", file=sys.stderr)
    print(text, end="" if text.endswith("\n") or not text else "\n")
    try:
        (read_lexicon if name == "lexicon" else parse_moods)(text)
    except SettingsError as err:
        for problem in err.problems:
            print(problem.message, file=sys.stderr)
        print(
            "This does not count until it is mended; the last good version does.", file=sys.stderr
        )
    return 0


def put(name: str, file: str, remote: Remote) -> int:
    """Have the daemon take a document."""
    return _tell(asyncio.run(remote.put_document(name, _text(file))))


def say_it_like(fields: Mapping[str, object], remote: Remote) -> int:
    """Have the daemon say a word as the rule of these fields does, from now on.

    Raises SpeechError for a rule that would leave the word out.
    """
    if not str(fields.get("say", "any")).strip():
        raise SpeechError(
            "SOUND is empty, and the word would not be spoken at all. Spell it as it sounds, such "
            'as Seersha. To leave it out all the same, write say: "" for it into lexicon.yaml.'
        )
    return _tell(asyncio.run(_add(fields, remote)))


def preview(asked: Mapping[str, str], data_dir: Path, remote: Remote, *, home: str) -> int:
    """Print how a text is read aloud, sentence by sentence, and which rules were for it.

    `asked` is the body of POST /v1/text/preview; `home` is the household's language.
    """
    try:
        answer = asyncio.run(remote.preview(asked))
        sentences, hits = answer["sentences"], answer["hits"]
    except NoDaemonError:
        shown = previewed(
            asked["text"],
            Documents.of(data_dir).lexicon.read(),
            language=asked.get("language", home),
            voice=asked.get("voice", ""),
            spells_out=(),
        )
        sentences, hits = shown.sentences, shown.hits
    for sentence in sentences:
        print(sentence)
    if hits:
        print(f"Found: {', '.join(hits)}", file=sys.stderr)
    return 0


async def _add(fields: Mapping[str, object], remote: Remote) -> dict[str, Any]:
    text, mark = await remote.document("lexicon")
    return await remote.put_document("lexicon", with_rule(text, fields), match=mark)


def _text(file: str) -> str:
    if file == STDIN:
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
        return decoded(content, name="The input", most_bytes=MOST_BYTES)
    return read_text(Path(file), name=file, most_bytes=MOST_BYTES)


def _tell(answer: Mapping[str, Any]) -> int:
    for operation in answer["operations"]:
        print(f"{operation['scope']}: {operation['result']}")
    for problem in answer["errors"]:
        print(problem["message"], file=sys.stderr)
    return 1 if answer["errors"] else 0
