"""How long work goes: one changing line on a terminal, elsewhere a line now and then."""

from collections.abc import Callable
import time
from typing import TextIO

from indextts_daemon.checkpoints.fetch import in_words

ON_TERMINAL_S = 0.2
ELSEWHERE_S = 5.0
START_OF_LINE, REST_OF_LINE = "\r", "\x1b[K"


class Line:
    """Where it is said; on a terminal a passing line gives its place to the next one."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._terminal = out.isatty()
        self._shown = clock()

    def passing(self, words: str) -> None:
        """Show it, unless something was shown just now."""
        now = self._clock()
        if now - self._shown >= (ON_TERMINAL_S if self._terminal else ELSEWHERE_S):
            self._shown = now
            self._write(words, end="" if self._terminal else "\n")

    def lasting(self, words: str) -> None:
        """Show it and leave it there."""
        self._write(words, end="\n")

    def clear(self) -> None:
        """Take away what passes."""
        if self._terminal:
            self._write("", end="")

    def _write(self, words: str, *, end: str) -> None:
        before, after = (START_OF_LINE, REST_OF_LINE) if self._terminal else ("", "")
        print(before, words, after, sep="", end=end, file=self._out, flush=True)


class Display:
    """Hears how one file after the other comes, and shows it."""

    def __init__(
        self, out: TextIO, *, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line, self._total, self._clock = Line(out, clock=clock), total, clock
        self._done = 0  # bytes of the files before this one
        self._name, self._size, self._start, self._has = "", 0, 0, 0
        self._since = clock()

    def begin(self, name: str, size: int, here: int) -> None:
        """Turn to a file of so many bytes, of which some are here."""
        self._name, self._size, self._start, self._has = name, size, here, here
        self._since = self._clock()
        if here:
            self._line.lasting(f"{name}: going on after {in_words(here)}")

    def has(self, size: int) -> None:
        """Show that so many bytes of the file are here."""
        self._has = size
        self._line.passing(
            f"{self._name}: {in_words(size)} of {in_words(self._size)}, {self._speed()}, "
            f"{in_words(self._done + size)} of {in_words(self._total)} in all"
        )

    def waits(self, pause_s: float) -> None:
        """Show that the connection broke, and is tried again after the pause."""
        has = in_words(self._has)
        self._line.lasting(f"{self._name}: broke off after {has}; again in {pause_s:.0f} s")

    def end(self, verdict: str) -> None:
        """Show that the whole file is here."""
        self._done += self._size
        self._line.lasting(
            f"{self._name}: {in_words(self._size)}, {self._speed()}, {verdict}; "
            f"{in_words(self._done)} of {in_words(self._total)} in all"
        )

    def _speed(self) -> str:
        took_s = max(self._clock() - self._since, 0.001)
        return f"{in_words((self._has - self._start) / took_s)}/s"
