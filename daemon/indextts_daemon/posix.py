"""The POSIX-only calls of the daemon, in one place."""

import os
import socket


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected stream sockets; neither is inherited unless passed on by number."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def adopt_socket(number: int) -> socket.socket:
    """Take over an inherited socket, and keep it from this process's own children."""
    with socket.socket(fileno=number) as inherited:
        return inherited.dup()


def lower_priority(nice: int) -> None:
    """Add `nice` to this process's niceness; 0 leaves it alone."""
    if nice:
        os.nice(nice)
