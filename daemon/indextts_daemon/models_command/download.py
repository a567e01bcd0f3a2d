"""`models download`: the license first, then room on the disk, then file after file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
import shutil
import sys

from indextts_daemon.checkpoints import checksums, licence, manifest
from indextts_daemon.checkpoints.catalogue import OFFICIAL, Published
from indextts_daemon.checkpoints.fetch import (
    RemoteFile,
    bytes_left,
    fetch,
    fetch_small,
    in_words,
    is_whole,
)
from indextts_daemon.checkpoints.hub import Repository, Source
from indextts_daemon.checkpoints.layout import CONVERTED
from indextts_daemon.checkpoints.licence import Acceptance
from indextts_daemon.errors import SpeechError
from indextts_daemon.storage import atomic_write

from .asking import says_yes
from .display import Display

RULE = "-" * 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A file to be fetched and where it goes."""

    file: RemoteFile
    target: Path
    here: int  # bytes that an interrupted attempt left


def download(model: Published, folder: Path, source: Source, *, accept: bool) -> int:
    """Fetch what the model needs into its folder. Raises SpeechError; another run goes on."""
    own, *others = model.parts
    first = source.look(source.repository(own))
    print(f"{model.name}: {first.name} on {source.name}, revision {first.revision}", flush=True)
    with _writing(folder):
        _agree(model, folder, first, source.headers(), accept=accept)
        repositories = [first, *(source.look(source.repository(part)) for part in others)]
        wanted = [
            (file, folder / OFFICIAL / place)
            for repository, part in zip(repositories, model.parts, strict=True)
            for file, place in repository.wanted(part)
        ]
        steps = [
            Step(file=file, target=target, here=bytes_left(file, target))
            for file, target in wanted
            if not _is_here(file, target)
        ]
        _find_room(model, folder, sum(step.file.size - step.here for step in steps))
        checksums.keep(
            folder,
            {target.relative_to(folder / OFFICIAL).as_posix(): file for file, target in wanted},
        )
        try:
            _fetch_all(steps, source.headers())
        except KeyboardInterrupt:
            print("\nStopped. The same command goes on from here.")
            raise
    print(f"\n{model.name} is here. Next: indextts-daemon models convert {model.id}")
    return 0


def _agree(
    model: Published,
    folder: Path,
    repository: Repository,
    headers: Mapping[str, str],
    *,
    accept: bool,
) -> None:
    """Show the license and keep what was accepted. Raises SpeechError if it was not."""
    name = licence.licence_file(file.path for file in repository.files)
    if name is None:
        raise SpeechError(f"{repository.name} holds no license to show.", code="no_license")
    text = fetch_small(repository.find(name), headers)
    fingerprint, before = licence.fingerprint(text), Acceptance.read(folder)
    if before is not None and before.sha256 == fingerprint:
        print(f"Its license was accepted on {before.accepted}.")
        return
    print(f"{RULE}\n{licence.shown(text)}\n{RULE}")
    _explain(model, known=licence.calls_itself(text, model.parts[0].terms))
    if not accept:
        _insist()
    atomic_write(folder / OFFICIAL / name, text, mode=0o644)
    Acceptance(
        model=model.id,
        repository=repository.name,
        revision=repository.revision,
        file=name,
        sha256=fingerprint,
        accepted=datetime.now(UTC).isoformat(timespec="seconds"),
        by="--accept-license" if accept else "typed",
    ).keep(folder)


def _explain(model: Published, *, known: bool) -> None:
    own, *others = model.parts
    if known:
        print(f"\nThe text above is the {own.terms}. It counts; this is what it says in short:")
    else:
        print(f"\nThe text above counts, and does not call itself the {own.terms}: read it with")
        print("care. This is what that license says in short:")
    print("\n".join(f"  - {sentence}" for sentence in licence.SUMMARY))
    print("\nFetched with it, each under its own license:")
    print("\n".join(f"  - {part.name}: {part.terms}" for part in others))
    if model.note:
        print(f"\n{model.note}")
    print(flush=True)


def _insist() -> None:
    """Raise SpeechError unless somebody types yes."""
    answer = says_yes("Type yes to accept all of this and download: ")
    if answer is None:
        raise SpeechError(
            "Nothing was downloaded: the license has to be accepted in a terminal or with "
            "--accept-license.",
            code="license_not_accepted",
        )
    if not answer:
        raise SpeechError(
            "Nothing was downloaded: the license was not accepted.", code="license_not_accepted"
        )


def _is_here(file: RemoteFile, target: Path) -> bool:
    here = is_whole(file, target)
    if here:
        print(f"{file.name}: here already", flush=True)
    return here


def _find_room(model: Published, folder: Path, missing: int) -> None:
    """Raise SpeechError if the disk cannot take the download and what convert makes of it."""
    is_converted = (folder / CONVERTED / manifest.NAME).is_file()
    coming = 0 if is_converted else model.converted_bytes
    place = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(place).free
    if missing + coming > free:
        raise SpeechError(
            f"The disk is too small: {model.name} needs {in_words(missing + coming)} "
            f"({in_words(missing)} to download and {in_words(coming)} to convert it), and "
            f"{in_words(free)} are free in {place}; make room, or choose another with --data-dir.",
            code="disk_full",
        )


def _fetch_all(steps: list[Step], headers: Mapping[str, str]) -> None:
    total = sum(step.file.size for step in steps)
    display = Display(sys.stdout, total=total)
    for step in steps:
        display.begin(step.file.name, step.file.size, step.here)
        fetch(step.file, step.target, headers=headers, listener=display)
        verdict = "checksum right" if step.file.checksum else "the hub names no checksum"
        display.end(verdict)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise SpeechError(
            f"{folder} cannot be written ({err.strerror}).", code="cannot_write"
        ) from err
