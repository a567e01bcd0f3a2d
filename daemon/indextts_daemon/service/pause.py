"""A pause: for whom the models are away and until when, told, counted and kept over a restart."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
import json
import logging
from pathlib import Path
from typing import Any

from indextts_daemon.errors import place_of
from indextts_daemon.metrics import Metrics
from indextts_daemon.storage import atomic_write

from .events import EventBus

LOGGER = logging.getLogger(__name__)

MOST = 2.0**53  # also keeps NaN out
GAME_MODE = "game_mode"  # who pauses for what it sees on the card


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why the models that need the card are away, and until when."""

    reason: str
    who: str
    since: float  # Unix, as is until
    until: float | None = None  # somebody has to resume it

    @property
    def by_watch(self) -> bool:
        """Whether nobody asked for it: the card was seen to be needed by others."""
        return self.who == GAME_MODE

    @property
    def code(self) -> str:
        """The code of what is refused meanwhile."""
        return "paused_gpu_busy" if self.by_watch else "paused"

    def shape(self) -> dict[str, object]:
        """Return it as plain JSON."""
        return asdict(self)


class PauseBook:
    """Holds the pause that is in force."""

    def __init__(self, events: EventBus, metrics: Metrics, file: Path | None = None) -> None:
        """Take up what `file` holds; without one, remember as long as this lives."""
        self.now, self.others_bytes = (None, None) if file is None else _recalled(file)
        self.begun = asyncio.Event()  # set while one is in force
        self._events = events
        self._metrics = metrics
        self._file = file
        self._saving = asyncio.Lock()
        self._enforce()

    def note(self, pause: Pause | None) -> None:
        """Put a pause in force, or none any more, and tell everybody."""
        before, self.now = self.now, pause
        self._enforce()
        if pause != before:
            self._events.publish("paused", paused=None if pause is None else pause.shape())

    async def save(self, *, others_bytes: int | None) -> None:
        """Write down what is in force; it stays so if that cannot be.

        `others_bytes` is what others held of the card while there was room for us.
        """
        if self._file is None:
            return
        async with self._saving:
            shape = None if self.now is None else self.now.shape()
            content = json.dumps({"paused": shape, "others_bytes": others_bytes}).encode()
            try:
                await asyncio.to_thread(atomic_write, self._file, content)
            except OSError as err:
                LOGGER.warning("could not write down the pause: %s", err.strerror)

    def _enforce(self) -> None:
        if self.now is None:
            self.begun.clear()
        else:
            self.begun.set()
        self._metrics.paused_is(None if self.now is None else self.now.code.removeprefix("paused_"))


def _recalled(file: Path) -> tuple[Pause | None, int | None]:
    """Read what was written down; without a file, or from a damaged one, nothing is paused."""
    try:
        content = json.loads(file.read_bytes())
        paused, others = content["paused"], content["others_bytes"]
        return (
            None if paused is None else _pause(paused),
            None if others is None else int(_moment(others)),
        )
    except FileNotFoundError:
        return None, None
    except OSError as err:
        LOGGER.warning("could not read whether the daemon was paused: %s", err.strerror)
    except (ValueError, TypeError, LookupError, RecursionError) as err:
        LOGGER.warning("it cannot be read whether the daemon was paused: %s", place_of(err))
    return None, None


def _pause(written: Mapping[str, Any]) -> Pause:
    """Raise ValueError, TypeError or LookupError if it is none."""
    reason, who, until = written["reason"], written["who"], written["until"]
    if not (isinstance(reason, str) and isinstance(who, str)):
        raise TypeError
    return Pause(
        reason=reason,
        who=who,
        since=_moment(written["since"]),
        until=None if until is None else _moment(until),
    )


def _moment(written: object) -> float:
    """Raise TypeError for what is no number, such as JSON's true, and ValueError for no moment."""
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise TypeError
    if not -MOST < written < MOST:
        raise ValueError
    return float(written)
