"""`models convert` and `models verify`: the engine does the work, this shows how it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys

from indextts_daemon.checkpoints import checksums, layout
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
    if layout.FEELINGS.keys() & found.files.keys() and not made.feelings:
        print(
            "What judges words about a feeling is damaged and was left out; to have it: "
            f"indextts-daemon models download {model.id} --with-emotion, and convert again."
        )
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
    changed = _changed(found, folder, shown)
    told += [f"{found.name(role)} was changed or damaged: fetch it again." for role in changed]
    names = {found.files[role].name for role in changed}
    told += [fault.message for fault in read(folder, shown.progress) if fault.where not in names]
    shown.end()
    for message in told:
        print(message)
    verdict = f"{len(told)} faults" if told else "as they should be"
    print(f"{model.name}, the {form} files: {verdict}.")
    return 1 if told else 0


def _changed(found: layout.Found, folder: Path, shown: "_Shown") -> list[str]:
    if found.converted:
        return []
    try:
        return list(checksums.changed(folder, found, shown.progress))
    except OSError as err:
        raise SpeechError(
            f"The model cannot be read ({err.strerror}).", code="cannot_read"
        ) from err


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
