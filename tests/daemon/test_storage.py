"""Files that must survive a power cut: whichever step fails, a reader finds one whole file."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
import errno
from functools import partial
import os
from pathlib import Path
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Self

import pytest

from indextts_daemon.service.watching import is_temporary
from indextts_daemon.storage import LEFT_OVER_S, atomic_write, rewrite, sweep

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


def breaking_the_file(
    method: str, error: BaseException, *, written: int = 0
) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a patch that makes a method of the open file fail, with so many bytes written."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.fdopen

        class File:
            def __init__(self, file: Any) -> None:
                self._file = file

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                self._file.close()

            def __getattr__(self, name: str) -> Any:
                return self.fail if name == method else getattr(self._file, name)

            def fail(self, content: bytes = b"") -> None:
                self._file.write(content[:written])
                raise error

        monkeypatch.setattr(os, "fdopen", lambda *given: File(real(*given)))

    return patch


FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")
STOPPED = KeyboardInterrupt()
BEFORE = {
    f"{step}: {error!r}": (patch(error), error)
    for error in (FULL, BROKEN, STOPPED)
    for step, patch in {
        "its folder": partial(breaking, Path, "mkdir"),
        "the temporary file": partial(breaking, tempfile, "mkstemp"),
        "its first byte": partial(breaking_the_file, "write"),
        "half of it": partial(breaking_the_file, "write", written=1500),
        "its buffer": partial(breaking_the_file, "flush"),
        "its mode": partial(breaking, os, "fchmod"),
        "its way to the disk": partial(breaking, os, "fsync"),
        "the exchange": partial(breaking, Path, "replace"),
    }.items()
}
AFTER = {
    f"{step}: {error!r}": (patch(error), error)
    for error in (FULL, BROKEN, STOPPED)
    for step, patch in {
        "opening the folder": partial(breaking, os, "open"),
        "the folder's way to the disk": partial(breaking, os, "fsync", call=2),
    }.items()
}


@pytest.mark.parametrize("step", BEFORE)
@pytest.mark.parametrize("old", [OLD, None])
def test_a_failure_before_the_exchange_leaves_the_old_file(
    step: str, old: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    if old is not None:
        file.write_bytes(old)
    patch, error = BEFORE[step]
    patch(monkeypatch)
    with pytest.raises(BaseException) as failed:  # noqa: PT011 which one is compared below
        atomic_write(file, NEW)
    monkeypatch.undo()
    assert failed.value is error
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
    patch, error = AFTER[step]
    patch(monkeypatch)
    with pytest.raises(BaseException) as failed:  # noqa: PT011 which one is compared below
        atomic_write(file, NEW)
    monkeypatch.undo()
    assert failed.value is error
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


def test_the_first_error_is_told_where_nothing_can_be_tidied_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(os, "fsync", FULL)(monkeypatch)
    breaking(Path, "unlink", BROKEN)(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(tmp_path / "token", NEW)


KILLED_ANYWHERE = """
import os, signal, sys
from pathlib import Path
from indextts_daemon.storage import atomic_write

def write(number):
    calls = []
    def event(frame, kind, function):
        if kind in ("c_call", "c_return"):
            calls.append(function.__name__)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(event)
    atomic_write(file, new)
    sys.setprofile(None)
    return calls

file, new, number = Path(sys.argv[1]), b"new" * 1000, 1
while True:
    for left in file.parent.iterdir():
        left.unlink()
    file.write_bytes(b"old" * 1000)
    if not os.fork():
        calls = write(number)
        print("ALL", *calls, flush=True)
        os._exit(0)
    _, status = os.wait()
    left = [name for name in sorted(os.listdir(file.parent)) if name != file.name]
    content = file.read_bytes()
    print(number, content[:3].decode(), content in (b"old" * 1000, new), *left, flush=True)
    if not os.WIFSIGNALED(status):
        break
    number += 1
"""


def test_killed_before_or_after_any_call_it_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    """And beside it at most what no reader looks at, and what is swept later."""
    program = [sys.executable, "-c", KILLED_ANYWHERE, str(tmp_path / "token")]
    ran = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)
    *kills, calls, last = [line.split() for line in ran.stdout.splitlines()]
    assert calls[0] == "ALL"
    wanted = ["mkdir", "open", "write", "flush", "fchmod", "fsync", "replace", "open", "fsync"]
    left = iter(calls)
    assert all(name in left for name in wanted)  # each, and in this order
    assert len(kills) > 2 * len(wanted)
    assert [whole for _, _, whole, *_ in kills] == ["True"] * len(kills)
    contents = [content for _, content, *_ in kills]
    assert set(contents) == {"old", "new"}
    assert contents == sorted(contents, reverse=True)  # once it is new it stays so
    for _, _, _, *leftovers in kills:
        assert len(leftovers) <= 1
        assert all(is_temporary(name) for name in leftovers)
    assert sum(len(kill) > 3 for kill in kills) > 5
    assert last[1:] == ["new", "True"]


@pytest.mark.parametrize("size", [1, 1500, 2999])
def test_killed_amid_the_bytes_it_leaves_the_old_file(size: int, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(OLD)
    program = (
        "import resource, signal, sys; from pathlib import Path;"
        "from indextts_daemon.storage import atomic_write;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "atomic_write(Path(sys.argv[1]), b'new' * 1000)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "token")]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGXFSZ
    assert (tmp_path / "token").read_bytes() == OLD
    (left,) = (name for name in names(tmp_path) if name != "token")
    assert is_temporary(left)
    assert (tmp_path / left).stat().st_size == size
    os.utime(tmp_path / left, (0, 0))
    sweep(tmp_path)
    assert names(tmp_path) == ["token"]


def left_over(folder: Path, name: str, *, age_s: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(b"half")
    os.utime(file, (time.time() - age_s, time.time() - age_s))
    return file


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    ours = left_over(tmp_path, ".token.a1b2c3_4.unfinished", age_s=LEFT_OVER_S + 5)
    below = left_over(tmp_path / "state/voices", ".x.a1b2c3_4.unfinished", age_s=LEFT_OVER_S + 5)
    deeper = left_over(tmp_path / "a/b/c", ".x.a1b2c3_4.unfinished", age_s=LEFT_OVER_S + 5)
    young = left_over(tmp_path, ".token.b1b2c3_4.unfinished", age_s=LEFT_OVER_S - 60)
    to_come = left_over(tmp_path, ".token.c1b2c3_4.unfinished", age_s=-3600)
    others = [
        left_over(tmp_path, name, age_s=1e6)
        for name in (
            *("token", ".unfinished", "token.unfinished", ".token.a1b2.unfinished"),
            *("token.a1b2c3_4.unfinished", ".token.a1b2c3_4", ".grandma.wav.Qx81Tz"),
            *(".token.A1B2C3D4.unfinished", ".token.a1b2c3_4.unfinished.yaml"),
        )
    ]
    link = tmp_path / ".link.a1b2c3_4.unfinished"
    link.symlink_to("token")
    (tmp_path / "linked").symlink_to(tmp_path / "a/b")
    sweep(tmp_path)
    assert not ours.exists()
    assert below.exists()
    sweep(tmp_path, depth=2)
    assert not below.exists()
    assert all(file.exists() for file in (deeper, young, to_come, link, *others))


def test_what_cannot_be_swept_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = left_over(tmp_path, ".token.a1b2c3_4.unfinished", age_s=1e6)
    second = left_over(tmp_path, ".token.b1b2c3_4.unfinished", age_s=1e6)
    breaking(Path, "unlink", BROKEN)(monkeypatch)
    sweep(tmp_path)
    assert first.exists() != second.exists()
    sweep(tmp_path / "absent", depth=3)
    sweep(first if first.exists() else second)


def test_what_is_written_right_now_is_not_swept(tmp_path: Path) -> None:
    stop, failures = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            try:
                atomic_write(tmp_path / "token", NEW)
            except OSError as err:
                failures.append(err)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(200):
        sweep(tmp_path)
    stop.set()
    writer.join()
    assert failures == []
    assert (tmp_path / "token").read_bytes() == NEW


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
