"""The ways in which people and programs write a file, by the very system calls, with pauses inside.

Each `write(file, content)` returns once the new content stands whole under the name.
"""

from collections.abc import Callable
import os
from pathlib import Path
import secrets
import shutil
import subprocess
import time

Write = Callable[[Path, bytes], None]

PAUSE_S = 0.15  # with half of the file there: long enough to be looked at
PIECES = 5


def halves(content: bytes) -> tuple[bytes, bytes]:
    return content[: len(content) // 2], content[len(content) // 2 :]


def pour(file: Path, content: bytes) -> None:
    """Open with truncation, write half, pause, write the rest."""
    first, rest = halves(content)
    with file.open("wb") as opened:
        opened.write(first)
        opened.flush()
        time.sleep(PAUSE_S)
        opened.write(rest)


def truncate_and_write(file: Path, content: bytes) -> None:
    """As nano and a shell's `>` do."""
    with file.open("wb"):
        time.sleep(PAUSE_S)
    pour(file, content)


def vim_renames(file: Path, content: bytes) -> None:
    """As vim with backupcopy=no: the old file becomes the backup, a new one takes its name."""
    swap, probe = file.with_name(f".{file.name}.swp"), file.with_name("4913")
    backup = file.with_name(f"{file.name}~")
    swap.write_bytes(b"b0VIM 9.0" + bytes(4096))
    probe.write_bytes(b"")
    probe.unlink()
    if file.exists():
        file.rename(backup)
        time.sleep(PAUSE_S)
    pour(file, content)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.chmod(0o644)
    backup.unlink(missing_ok=True)
    swap.unlink()


def vim(file: Path, content: bytes) -> None:
    """Have vim itself do it, with backupcopy=no; it wants lines of text."""
    source = beside(file, content)
    settings = "set nobackup writebackup backupcopy=no"
    subprocess.run(
        [
            *("vim", "-u", "NONE", "-i", "NONE", "-es", "-c", settings, "-c", f"edit {file}"),
            *("-c", "%delete _", "-c", f"0read {source}", "-c", "write!", "-c", "quit!"),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
    )
    source.unlink()


def rename_over(file: Path, content: bytes) -> None:
    """As gedit, `sed -i` and we do: write beside it, then take its name."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    pour(temporary, content)
    temporary.rename(file)


def cp(file: Path, content: bytes) -> None:
    copy("cp", beside(file, content), file)


def cp_keeping_times(file: Path, content: bytes) -> None:
    """`cp -p` of files that all bring the same time along."""
    source = beside(file, content)
    os.utime(source, (1.7e9, 1.7e9))
    copy("cp", source, file, "-p")


def mv(file: Path, content: bytes) -> None:
    copy("mv", beside(file, content), file)


def rsync(file: Path, content: bytes) -> None:
    """Have rsync itself do it where it is there; the file gets the time of the source."""
    if shutil.which("rsync") is None:
        rename_over(file, content)
    else:
        options = ("--times", "--ignore-times", "--bwlimit=5m")
        copy("rsync", beside(file, content), file, *options)


def slow_copy(file: Path, content: bytes) -> None:
    """As over a weak network: it grows piece by piece."""
    with file.open("wb") as opened:
        for piece in pieces(content):
            opened.write(piece)
            opened.flush()
            time.sleep(PAUSE_S)


def slow_copy_of_known_size(file: Path, content: bytes) -> None:
    """As from Windows: the file has its full size at once, and is filled from the front."""
    with file.open("wb") as opened:
        opened.truncate(len(content))
        for piece in pieces(content):
            time.sleep(PAUSE_S)
            opened.write(piece)
            opened.flush()


def flip_a_link(file: Path, content: bytes) -> None:
    """As Kubernetes changes a mounted ConfigMap: `..data` is led to another folder at once."""
    folder, link = file.parent, file.parent / "..data"
    fresh = folder / f"..{secrets.token_hex(6)}"
    old = link.resolve() if link.is_symlink() else None
    if old is None:
        fresh.mkdir()
    else:
        shutil.copytree(old, fresh)
    pour(fresh / file.name, content)
    put_link(link, fresh.name)
    if not file.is_symlink():
        put_link(file, f"{link.name}/{file.name}")
    if old is not None:
        shutil.rmtree(old)


def put_link(link: Path, target: str) -> None:
    temporary = link.with_name(f"..{secrets.token_hex(6)}")
    temporary.symlink_to(target)
    temporary.rename(link)


def pieces(content: bytes) -> list[bytes]:
    size = max(1, -(-len(content) // PIECES))
    return [content[start : start + size] for start in range(0, len(content), size)]


def beside(file: Path, content: bytes) -> Path:
    """Keep the content where nobody looks, on the same disk."""
    folder = file.parent / ".elsewhere"
    folder.mkdir(exist_ok=True)
    source = folder / secrets.token_hex(6)
    source.write_bytes(content)
    return source


def copy(program: str, source: Path, file: Path, *options: str) -> None:
    subprocess.run([program, *options, source, file], check=True)
    source.unlink(missing_ok=True)


WRITERS: dict[str, Write] = {
    writer.__name__: writer
    for writer in (
        truncate_and_write,
        vim_renames,
        rename_over,
        cp,
        cp_keeping_times,
        mv,
        rsync,
        slow_copy,
        slow_copy_of_known_size,
        flip_a_link,
    )
}
TEXT_WRITERS = WRITERS | ({"vim": vim} if shutil.which("vim") else {})
