"""The POSIX-only calls of the daemon, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import ctypes
import fcntl
import os
from pathlib import Path
import resource
import socket
from typing import IO, Any

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


def go_first() -> None:
    """Have this process ended before any other of the user's when the memory is used up."""
    with suppress(OSError):  # of a system without /proc
        Path("/proc/self/oom_score_adj").write_text("1000")


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
