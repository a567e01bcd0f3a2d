"""Whether the files of a model are still what was once written: every byte is read."""

from collections.abc import Callable, Iterator

from . import manifest, pickled
from .layout import Found

Counting = Callable[[str], Callable[[int], None]]  # by a file's name, what hears of bytes read


def changed_files(found: Found, counting: Counting) -> Iterator[tuple[str, str]]:
    """Yield the name of each file that is not as it was, and in a sentence what to do.

    Of a converted model every changed bit is found; of a published one those in files that torch
    saved as a zip, by its checksums.
    """
    known = found.manifest.files if found.manifest else {}
    for key, path in found.files.items():
        count = counting(path.name)
        try:
            if key in known:
                changed = manifest.digest(path, count) != known[key].sha256
            elif pickled.is_zip(path):
                changed = pickled.has_damage(path, count)
            else:
                changed = False
                count(path.stat().st_size)
        except OSError as err:
            yield path.name, f"{path.name} cannot be read ({err.strerror})."
            continue
        if changed:
            again = "convert it again" if found.converted else "fetch it again"
            yield path.name, f"{path.name} was changed or damaged: {again}."
