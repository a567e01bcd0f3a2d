"""`models convert` and `models verify`: the engine does the work, this shows how it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys

from indextts_daemon.checkpoints import layout
from indextts_daemon.checkpoints.catalogue import Published
from indextts_daemon.checkpoints.fetch import in_words
from indextts_daemon.errors import SpeechError

from .display import Line


def convert(model: Published, folder: Path) -> int:
    """Write the fetched model as files that load at once. Raises SpeechError."""
    found = _own(model, layout.find_published(folder))
    with _engine():
        from indextts_daemon.engines.indextts.convert import convert as write

    target, shown = folder / layout.CONVERTED, _Shown("converting")
    made = write(found, target, shown.progress)
    shown.end()
    size = sum(record.bytes for record in made.files.values())
    print(f"{model.name} is converted: {len(made.files)} files, {in_words(size)} in {target}")
    print("It loads from there at the daemon's next start.")
    return 0


def verify(model: Published, folder: Path) -> int:
    """Read every byte of what would be loaded; 1 if something is wrong. Raises SpeechError."""
    found = _own(model, layout.find(folder))
    form = "converted" if found.converted else "official"
    with _engine():
        from indextts_daemon.engines.indextts.verify import verify as read

    shown = _Shown("reading")
    told = [found.warning] if found.warning else []
    told += [fault.message for fault in read(folder, shown.progress)]
    shown.end()
    for message in told:
        print(message)
    verdict = f"{len(told)} faults" if told else "as they should be"
    print(f"{model.name}, the {form} files: {verdict}.")
    return 1 if told else 0


class _Shown:
    """Shows what the engine reports."""

    def __init__(self, doing: str) -> None:
        self._doing, self._line = doing, Line(sys.stdout)

    def progress(self, name: str, done: int, total: int) -> None:
        self._line.passing(f"{self._doing} {name}: {in_words(done)} of {in_words(total)}")

    def end(self) -> None:
        self._line.clear()


def _own(model: Published, found: layout.Found) -> layout.Found:
    if found.version != model.version:
        raise SpeechError(f"The folder holds IndexTTS-{found.version}.", code="wrong_version")
    return found


@contextmanager
def _engine() -> Iterator[None]:
    """Translate that the engine's packages are not installed."""
    try:
        yield
    except ModuleNotFoundError as err:
        raise SpeechError(
            f"The package {err.name} is missing: pip install 'indextts-daemon[indextts]'",
            code="engine_missing",
        ) from err
