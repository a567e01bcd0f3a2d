"""What tensor files say about themselves: names read without torch, and nothing in them run.

A pickle is a program. Here its instructions are listed and never followed, so that a file can
be asked which model it is before anybody trusts it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import errno
import json
from pathlib import Path
import pickletools
import struct
import zipfile
import zlib

LARGEST_PICKLE = 64 << 20  # bytes; the largest one published has a twentieth of that
LARGEST_HEADER = 16 << 20
STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
BLOCK = 8 << 20

# What zipfile and pickletools raise on bytes that are not theirs.
DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,  # a way to compress or to split that nobody uses
    RuntimeError,  # encrypted
    ValueError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)


class DamagedFileError(ValueError):
    """The bytes are not what such a file holds; the message is one sentence with its name."""


def is_zip(path: Path) -> bool:
    """Whether the file begins as torch has written files since 2020; it may still be cut off."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def key_names(path: Path) -> frozenset[str]:
    """Return every string in a torch file's pickle: the names of its tensors are among them.

    Raises DamagedFileError, and OSError.
    """
    with _opened(path) as archive:
        return frozenset(_strings(archive.read(_pickle_of(archive))))


def header_names(path: Path) -> frozenset[str]:
    """Return the names of a safetensors file's tensors. Raises DamagedFileError, and OSError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(LARGEST_HEADER, path.stat().st_size - 8):
                raise ValueError  # noqa: TRY301 one message for whatever is damaged
            header = json.loads(file.read(length))
        return frozenset(header.keys() - {"__metadata__"})
    except (ValueError, struct.error, AttributeError, RecursionError) as err:
        raise DamagedFileError(f"{path.name} is damaged, or is no file of tensors.") from err


def has_damage(path: Path, on_bytes: Callable[[int], None]) -> bool:
    """Read a torch file whole and say whether one of its records fails its checksum.

    torch itself never looks at them. `on_bytes` hears how many bytes were read.
    """
    try:
        with _opened(path) as archive:
            for entry in archive.infolist():
                if not _is_plain(entry):
                    return True
                with archive.open(entry) as record:
                    while block := record.read(BLOCK):
                        on_bytes(len(block))
    except DamagedFileError:
        return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a torch file; what its bytes make anybody raise becomes DamagedFileError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGE as err:
        raise DamagedFileError(f"{path.name} is damaged, or is no file of tensors.") from err
    except OSError as err:
        if err.errno != errno.EINVAL:  # zipfile seeks wherever the bytes say, also below zero
            raise
        raise DamagedFileError(f"{path.name} is damaged, or is no file of tensors.") from err


def _pickle_of(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    for entry in archive.infolist():
        if Path(entry.filename).parts[1:] == ("data.pkl",):
            if _is_plain(entry) and entry.file_size <= LARGEST_PICKLE:
                return entry
            break
    raise ValueError


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    """Whether it is stored as torch stores; unpacking would not stop at the size it claims."""
    return entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size


def _strings(pickle: bytes) -> Iterator[str]:
    for instruction, argument, _ in pickletools.genops(pickle):
        if instruction.name in STRINGS and isinstance(argument, str):
            yield argument
