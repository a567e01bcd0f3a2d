"""The household's own documents: where each lies, how it is read, and what it is applied to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from indextts_daemon.history import History
from indextts_daemon.text.lexicon import Lexicon

from . import lexicon, moods
from .document_scope import DocumentScope
from .feelings import Mood
from .generation import Generation

Written = Callable[[str, bytes], Awaitable[None]]  # takes the scope's name and the file's content


async def _told_nobody(_: str, __: bytes) -> None:
    """Nobody watches the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The scopes `moods` and `lexicon`."""

    moods: DocumentScope[Mapping[str, Mood]]
    lexicon: DocumentScope[Lexicon]

    @classmethod
    def of(cls, data_dir: Path, *, remember: bool = False, written: Written = _told_nobody) -> Self:
        """Find them in the data folder; `remember` good versions there, for a start with bad ones.

        `written` is told what was written into which scope's file, for whoever watches it.
        """

        def history(name: str) -> History | None:
            return History(data_dir / "state" / name) if remember else None

        return cls(
            moods=DocumentScope(
                name="moods",
                file=data_dir / moods.NAME,
                parse=moods.parse_moods,
                salvage=moods.good_moods,
                apply=_with_moods,
                history=history("moods"),
                written=lambda content: written("moods", content),
            ),
            lexicon=DocumentScope(
                name="lexicon",
                file=data_dir / lexicon.NAME,
                parse=lexicon.read_lexicon,
                salvage=lambda _: Lexicon(),
                apply=_with_lexicon,
                history=history("lexicon"),
                most_bytes=lexicon.MOST_BYTES,
                written=lambda content: written("lexicon", content),
            ),
        )


def _with_moods(generation: Generation, value: Mapping[str, Mood]) -> Generation:
    return replace(generation, moods=value)


def _with_lexicon(generation: Generation, value: Lexicon) -> Generation:
    return replace(generation, lexicon=value)
