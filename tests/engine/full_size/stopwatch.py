"""How long calls take, and how much memory a process has taken; the code under it knows nothing."""

from collections.abc import Callable, Generator
import functools
from pathlib import Path
import resource
import time
from typing import Any, TypeVar

Made = TypeVar("Made")


class Stopwatch:
    """Times every call of the methods that it was put on, by the names they were given."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def put_on(self, owner: object, method: str, name: str) -> None:
        """Time a method of one object from now on."""
        timed: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(timed)
        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            made = timed(*args, **kwargs)
            self.seconds.setdefault(name, []).append(time.perf_counter() - begun)
            return made

        setattr(owner, method, call)

    def of(self, name: str) -> list[float]:
        """Return what the calls of a name took, in their order."""
        return self.seconds.get(name, [])

    def lap(self) -> dict[str, list[float]]:
        """Return all of them, and begin anew."""
        seconds, self.seconds = self.seconds, {}
        return seconds


def walk(work: Generator[Any, None, Made]) -> tuple[list[tuple[Any, float]], float, Made]:
    """Return what a generator yielded and the seconds before each, those after all, its result."""
    yielded: list[tuple[Any, float]] = []
    before = time.perf_counter()
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            made: Made = end.value
            return yielded, time.perf_counter() - before, made
        now = time.perf_counter()
        yielded.append((step, now - before))
        before = now


def memory() -> dict[str, int]:
    """Return in bytes the most that this process ever held, and what it holds now of its own.

    The first counts the pages of mapped files that are in memory, which the system may drop.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    own = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": peak * 1024, "own": int(own) * 1024}
