"""Files that must survive a power cut: whichever step fails, a reader finds one whole file."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
import os
from pathlib import Path
import resource
import stat
import tempfile
from typing import Any

import pytest

from indextts_daemon.storage import atomic_write, rewrite

OLD, NEW = b"old" * 1000, b"new" * 1000


def breaking(
    owner: object, name: str, error: BaseException, *, call: int = 1
) -> Callable[..., Any]:
    """Return a patch that makes the nth call of `owner.name` fail."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real, calls = getattr(owner, name), iter(range(1, 100))

        def broken(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                raise error
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, broken)

    return patch


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system cut a write short, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


FULL = OSError(28, "No space left on device")
BEFORE = {
    "the temporary file": breaking(tempfile, "mkstemp", FULL),
    "its mode": breaking(os, "fchmod", FULL),
    "its way to the disk": breaking(os, "fsync", FULL),
    "the exchange": breaking(Path, "replace", FULL),
    "an interrupt": breaking(os, "fsync", KeyboardInterrupt()),
}
AFTER = {
    "opening the folder": breaking(os, "open", FULL),
    "the folder's way to the disk": breaking(os, "fsync", FULL, call=2),
}


@pytest.mark.parametrize("step", BEFORE)
@pytest.mark.parametrize("old", [OLD, None])
def test_a_failure_before_the_exchange_leaves_the_old_file(
    step: str, old: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    if old is not None:
        file.write_bytes(old)
    BEFORE[step](monkeypatch)
    with pytest.raises(BaseException) as failed:  # noqa: PT011 which one is compared below
        atomic_write(file, NEW)
    monkeypatch.undo()
    assert isinstance(failed.value, KeyboardInterrupt if step == "an interrupt" else OSError)
    assert names(tmp_path) == ([] if old is None else ["token"])
    assert old is None or file.read_bytes() == old


@pytest.mark.parametrize("step", AFTER)
def test_a_failure_after_the_exchange_leaves_the_new_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_bytes(OLD)
    # mkstemp opens too: it keeps the real function.
    monkeypatch.setattr(tempfile, "_os", _own_os(monkeypatch))
    AFTER[step](monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(file, NEW)
    monkeypatch.undo()
    assert names(tmp_path) == ["token"]
    assert file.read_bytes() == NEW


def _own_os(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Own:
        open = staticmethod(os.open)

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    return Own()


def test_a_write_that_the_system_cuts_short_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(OLD)
    with largest_file(100), pytest.raises(OSError, match="too large"):
        atomic_write(file, NEW)
    assert names(tmp_path) == ["token"]
    assert file.read_bytes() == OLD


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(number: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file"
        steps.append(f"{kind} of {os.fstat(number).st_size}" if kind == "file" else kind)
        fsync(number)

    def replaced(path: Path, target: Path) -> Path:
        steps.append("exchange")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    atomic_write(tmp_path / "token", NEW)
    assert steps == ["file of 3000", "exchange", "folder"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_what_was_asked_whatever_the_umask_and_the_old_file(
    mode: int, umask: int, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_bytes(OLD)
    file.chmod(0o666)
    before = os.umask(umask)
    try:
        atomic_write(file, NEW, mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_only_the_owner_reads_it_unless_said_otherwise(tmp_path: Path) -> None:
    atomic_write(tmp_path / "token", NEW)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a/b/token", b"")
    assert (tmp_path / "a/b/token").read_bytes() == b""


def test_a_file_in_the_way_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(OSError, match="a"):
        atomic_write(tmp_path / "a/token", NEW)
    assert (tmp_path / "a").read_bytes() == OLD


def test_of_many_writers_at_once_one_wins_whole(tmp_path: Path) -> None:
    file = tmp_path / "token"
    contents = [bytes([number]) * 50_000 for number in range(8)]
    atomic_write(file, contents[0])

    def write(content: bytes) -> set[bytes]:
        seen = set()
        for _ in range(10):
            atomic_write(file, content)
            seen.add(file.read_bytes())
        return seen

    with ThreadPoolExecutor(len(contents)) as writers:
        seen = set().union(*writers.map(write, contents))
    assert seen <= set(contents)
    assert names(tmp_path) == ["token"]


def test_what_somebody_made_by_hand_keeps_its_link_and_its_readers(tmp_path: Path) -> None:
    file, link = tmp_path / "elsewhere", tmp_path / "link"
    file.write_bytes(OLD)
    file.chmod(0o640)
    link.symlink_to(file)
    rewrite(link, NEW)
    assert link.is_symlink()
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (NEW, 0o640)
    rewrite(tmp_path / "new", NEW)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
