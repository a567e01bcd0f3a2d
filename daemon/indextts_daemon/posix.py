"""The POSIX-only calls of the daemon, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import ctypes
import fcntl
import os
from pathlib import Path
import resource
import signal
import socket
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_M_PERTURB = -6  # mallopt's name for: fill what is allocated with this byte's complement


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected stream sockets; neither is inherited unless passed on by number."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen on one IP address; an IPv6 one leaves IPv4 alone. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def adopt_socket(number: int) -> socket.socket:
    """Take over an inherited socket, and keep it from this process's own children."""
    with socket.socket(fileno=number) as inherited:
        return inherited.dup()


def lower_priority(nice: int) -> None:
    """Add `nice` to this process's niceness; 0 leaves it alone."""
    if nice:
        os.nice(nice)


def children() -> frozenset[int]:
    """Return the processes that this one has started and not lost; none without /proc."""
    found: set[int] = set()
    for threads in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError, ValueError):  # of a thread that has ended meanwhile
            found.update(map(int, threads.read_text().split()))
    return frozenset(found)


def die_with_parent() -> None:
    """Have this process killed when the one that started it ends, where the system can (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def end_group(leader: int) -> bool:
    """Kill a process and all it has started, if they stayed in its group; tell if any are left."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # none are left, or the number is another's
        return False
    return True


def resident_bytes(pid: int) -> int | None:
    """Return how much memory a process holds; None if it has ended, or without a /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def go_first() -> None:
    """Have this process ended before any other of the user's when the memory is used up."""
    with suppress(OSError):  # of a system without /proc
        Path("/proc/self/oom_score_adj").write_text("1000")


def bound_process(*, memory_bytes: int, cpu_s: int) -> None:
    """End this process where it wants more memory or time; it leaves no core behind."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def locked(file: IO[Any]) -> bool:
    """Take an open file for oneself until it is closed; False if somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share(file: IO[Any]) -> None:
    """Keep others from taking an open file for themselves; waits while one of them has it."""
    fcntl.flock(file, fcntl.LOCK_SH)


def give(file: Path, *, uid: int, gid: int) -> None:
    """Make somebody the owner of a file, as far as we may: root writes for others, too."""
    with suppress(PermissionError):
        os.chown(file, uid, gid)


@contextmanager
def zeroed_malloc() -> Iterator[None]:
    """Let C code find its fresh memory zeroed, where the C library can do that (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(_M_PERTURB, 0xFF)
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)
