"""The revision: changes when the same words would sound different, and never for a voice added."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
import hashlib
import json
import logging
from pathlib import Path

from indextts_daemon.errors import place_of
from indextts_daemon.speech import ModelInfo
from indextts_daemon.storage import atomic_write

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The last revision, and what it stood for."""

    revision: str = ""
    base: tuple[str, ...] = ()  # rules, model, its weights
    heard: Mapping[str, str] = field(default_factory=dict)  # of each voice and language, by whom

    def next(
        self, base: tuple[str, ...], heard: Mapping[str, str], lent: Collection[str] = ()
    ) -> "Memory":
        """Keep the revision while all that is remembered is still so, else make another.

        What is new among the `lent` was heard before, from somebody else.
        """
        if self.base == base and self.heard == heard:
            return self
        revision = self.revision
        taken = (heard.keys() - self.heard.keys()) & set(lent)
        if self.base != base or taken or not self.heard.items() <= heard.items():
            told = json.dumps([revision, base, sorted(heard.items())])
            revision = hashlib.sha256(told.encode()).hexdigest()[:16]
        return Memory(revision=revision, base=base, heard=heard)


class Revisions:
    """Tells the revision, and remembers it in `file`; without one, as long as it lives."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._memory = Memory() if file is None else _recalled(file)
        self._saved = self._memory
        self._refused = False

    def of(self, info: ModelInfo, *, rules: str, elsewhere: Collection[str] = ()) -> str:
        """Return the revision of what the default model can say now, by these rules.

        A voice of which other models have one of its name, `elsewhere`, is not merely added.
        """
        base, lent = (rules, info.id, info.revision), {f"voice {voice}" for voice in elsewhere}
        self._memory = self._memory.next(base, _heard(info), lent)
        return self._memory.revision

    async def save(self) -> None:
        """Write down what is new, beside the event loop; a disk that refuses is logged once."""
        memory = self._memory
        if self._file is None or memory is self._saved:
            return
        content = json.dumps(asdict(memory), indent=1).encode()
        try:
            await asyncio.to_thread(atomic_write, self._file, content)
        except OSError as err:
            if not self._refused:
                LOGGER.warning("could not remember the revision: %s", err.strerror)
            self._refused = True
        else:
            self._saved, self._refused = memory, False


def _heard(info: ModelInfo) -> dict[str, str]:
    """Say how each voice sounds, and who speaks a language when no voice is asked for.

    All moods of a voice are one entry: a mood that is recorded may have been heard otherwise.
    """
    voices = {f"voice {voice.id}": voice.revision for voice in info.voices}
    voices |= {f"moods of {voice.id}": json.dumps(sorted(voice.moods)) for voice in info.voices}
    first: dict[str, str] = {}
    for voice in info.voices:
        for language in voice.languages:
            first.setdefault(f"language {language}", voice.id)
    return voices | first


def _recalled(file: Path) -> Memory:
    """Read what was remembered; nothing if that cannot be."""
    try:
        found = json.loads(file.read_bytes())
        revision, base, heard = found["revision"], tuple(found["base"]), dict(found["heard"])
        if not all(isinstance(word, str) for word in (revision, *base, *heard.values())):
            raise TypeError  # noqa: TRY301 one end for whatever it holds
    except FileNotFoundError:
        return Memory()
    except OSError as err:
        LOGGER.warning("could not read which revision it was: %s", err.strerror)
        return Memory()
    except (ValueError, TypeError, LookupError, RecursionError) as err:
        LOGGER.warning("which revision it was cannot be read; starting afresh: %s", place_of(err))
        return Memory()
    return Memory(revision=revision, base=base, heard=heard)
