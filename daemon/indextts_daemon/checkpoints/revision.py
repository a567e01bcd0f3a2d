"""The name of exactly these weights, told without reading all of them."""

import hashlib

from .layout import FEELINGS, Found

ENDS = 1 << 20  # bytes at each end of a published file that are looked at


def revision_of(found: Found) -> str:
    """Return 16 hex digits that other weights of a voice would not have. Raises OSError.

    What judges feelings does not count: no tensor of a voice depends on it.

    Of a converted model they are made of the hashes of its files; of a published one of their
    names, sizes and ends, for hashing 8 GB takes too long.
    """
    sha256 = hashlib.sha256()
    if found.manifest is not None:
        for key, record in sorted(found.manifest.files.items()):
            if key not in FEELINGS:
                sha256.update(f"{key} {record.sha256}\n".encode())
        sha256.update(repr(found.manifest.hyperparameters).encode())
    else:
        for role, path in sorted(found.files.items()):
            if role in FEELINGS:
                continue
            size = path.stat().st_size
            sha256.update(f"{role} {path.name} {size}\n".encode())
            with path.open("rb") as file:
                sha256.update(file.read(ENDS))
                file.seek(max(ENDS, size - ENDS))
                sha256.update(file.read(ENDS))
    return sha256.hexdigest()[:16]
