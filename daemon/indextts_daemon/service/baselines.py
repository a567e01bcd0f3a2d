"""How each voice said its golden lines when a model was last let in; remembered in a file."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict, dataclass
import json
import logging
from pathlib import Path
from typing import Any

from indextts_daemon.audio.timbre import FIGURES, Timbre
from indextts_daemon.errors import place_of
from indextts_daemon.storage import atomic_write

from .golden_lines import GoldenLine

LOGGER = logging.getLogger(__name__)

MOST = 512  # of them; the oldest go first


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One line by one voice."""

    duration_s: float
    timbre: Timbre | None


Key = tuple[str, str, str]  # voice, its revision, line


class Baselines:
    """Knows them by voice, revision and line; without a file, as long as it lives."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[Key, Baseline] = {} if file is None else _recalled(file)

    def of(self, line: GoldenLine) -> Baseline | None:
        """Return the baseline of this very voice."""
        return self._known.get(_key(line))

    def before(self, line: GoldenLine) -> Baseline | None:
        """Return that, or else the last one of a voice of this id, with other weights maybe."""
        voice, _, said = _key(line)
        fitting = [one for (v, _, s), one in self._known.items() if (v, s) == (voice, said)]
        return self.of(line) or (fitting[-1] if fitting else None)

    def learn(self, said: Iterable[tuple[GoldenLine, Baseline]]) -> None:
        """Remember how a model that was let in said its lines; what is known of a voice stays.

        So that nothing creeps away from the first baseline by small steps.
        """
        for line, baseline in said:
            self._known.setdefault(_key(line), baseline)
        for key in list(self._known)[:-MOST]:
            del self._known[key]

    async def save(self) -> None:
        """Write them down, beside the event loop; a disk that refuses is logged."""
        if self._file is None:
            return
        told = [[*key, asdict(baseline)] for key, baseline in self._known.items()]
        content = json.dumps({"baselines": told}).encode()
        try:
            await asyncio.to_thread(atomic_write, self._file, content)
        except OSError as err:
            LOGGER.warning("could not remember how the voices sound: %s", err.strerror)


def _key(line: GoldenLine) -> Key:
    return line.voice.id, line.voice.revision, line.key


def _recalled(file: Path) -> dict[Key, Baseline]:
    """Read what was remembered; nothing if that cannot be."""
    try:
        entries = json.loads(file.read_bytes())["baselines"]
        return {(str(v), str(r), str(s)): _baseline(fields) for v, r, s, fields in entries}
    except FileNotFoundError:
        pass
    except OSError as err:
        LOGGER.warning("could not read how the voices sound: %s", err.strerror)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
        LOGGER.warning("how the voices sound cannot be read; starting afresh: %s", place_of(err))
    return {}


def _baseline(fields: Any) -> Baseline:
    duration_s, sound = float(fields["duration_s"]), fields["timbre"]
    if not duration_s > 0:
        raise ValueError
    if sound is None:
        return Baseline(duration_s=duration_s, timbre=None)
    mean, scatter = (tuple(map(float, sound[name])) for name in ("mean", "scatter"))
    if not len(mean) == len(scatter) == FIGURES:
        raise ValueError
    return Baseline(duration_s=duration_s, timbre=Timbre(mean=mean, scatter=scatter))
