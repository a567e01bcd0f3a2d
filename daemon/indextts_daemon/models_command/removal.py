"""`models remove`: says what would go, asks, and deletes that folder and nothing behind a link."""

from pathlib import Path
import shutil

from indextts_daemon.checkpoints.catalogue import Published
from indextts_daemon.checkpoints.fetch import in_words
from indextts_daemon.errors import SpeechError

from .asking import says_yes
from .listing import size_of


def remove(model: Published, folder: Path, *, yes: bool) -> int:
    """Delete the model's folder once that is confirmed. Raises SpeechError."""
    if not folder.is_symlink() and not folder.is_dir():
        raise SpeechError(f"{model.name} is not here.", code="model_not_here")
    count, size = size_of(folder)
    linked = folder.is_symlink()
    what = "is a link; only the link goes" if linked else f"{count} files, {in_words(size)}"
    print(f"{model.name} in {folder}: {what}.")
    if not yes:
        answer = says_yes("Type yes to delete it: ")
        if answer is None:
            raise SpeechError(
                "Nobody can be asked here; --yes deletes without asking.", code="not_confirmed"
            )
        if not answer:
            raise SpeechError("Nothing was deleted.", code="not_confirmed")
    try:
        folder.unlink() if linked else shutil.rmtree(folder)
    except OSError as err:
        raise SpeechError(
            f"{folder} cannot be deleted ({err.strerror}).", code="cannot_delete"
        ) from err
    print(f"{in_words(0 if linked else size)} are free again.")
    return 0
