"""Recordings that are no good, as they come to be: each is a name and what writes the file."""

from collections.abc import Callable
import os
from pathlib import Path

from .recordings import MADE, RATE, encoded, heart

Writer = Callable[[Path], object]


def _of(content: Callable[[], bytes]) -> Writer:
    return lambda file: file.write_bytes(content())


def _too_large(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate((20 << 20) + 1)


def _link_out(file: Path) -> None:
    other = file.parent.parent / "elsewhere.wav"
    other.write_bytes(encoded(heart()))
    file.symlink_to(other)


def _clean() -> bytes:
    return encoded(heart())


BAD_RECORDINGS: tuple[tuple[str, Writer], ...] = (
    ("nothing at all", _of(lambda: b"")),
    ("a text", _of(lambda: b"I meant to record something here.\n")),
    ("zeros, as a full disk leaves them", _of(lambda: bytes(100_000))),
    ("a picture", _of(lambda: b"\x89PNG\r\n\x1a\n" + bytes(5000))),
    ("a page that a download led to", _of(lambda: b"<!DOCTYPE html><html>404</html>")),
    (
        "what a phone records",
        _of(lambda: b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00" + bytes(5000)),
    ),
    ("the header alone", _of(lambda: _clean()[:44])),
    ("the first second", _of(lambda: encoded(heart()[:RATE]))),
    ("a copy that broke off", _of(lambda: _clean()[:20_000])),
    ("a copy without its beginning", _of(lambda: _clean()[5000:])),
    ("silence", _of(MADE["silence"])),
    ("noise alone", _of(MADE["noise alone"])),
    ("drowned in noise", _of(MADE["drowned in noise"])),
    ("far too loud", _of(MADE["far too loud"])),
    ("hardly there", _of(MADE["hardly there"])),
    ("three words", _of(MADE["three words"])),
    ("too large", _too_large),
    ("a link out of the folder", _link_out),
    ("a link to nothing", lambda file: file.symlink_to("nowhere.wav")),
    ("a link to itself", lambda file: file.symlink_to(file.name)),
    ("a pipe", os.mkfifo),
)
