"""Has what a cast misses listened to, and notes how that went."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
import logging
from pathlib import Path

from .casting import Cast
from .enrolled import Note
from .enrolment import Enrolled, EnrolmentError, EnrolmentProgress, Wanted
from .recordings import Kept

LOGGER = logging.getLogger(__name__)

LIVES = 3  # processes that recordings may end before the rest is given up
UNHEARD = "It could not be listened to."

Progress = Callable[[EnrolmentProgress], None]


async def listen(cast: Cast, enrolled: Path, progress: Progress | None) -> None:
    """Enrol what is missing. Raises EnrolmentError where no voice is left."""
    try:
        await _enrol(cast, enrolled, progress or (lambda _: None))
    except EnrolmentError as err:
        if not cast.contents:
            raise
        LOGGER.warning("not every voice could be enrolled: %s", err.message)


async def _enrol(cast: Cast, enrolled: Path, progress: Progress) -> None:
    """Enrol what is missing, in one process unless a recording ends it."""
    missing = cast.missing
    cast.tried.update(dict.fromkeys(missing, UNHEARD))
    for _ in range(LIVES):
        if missing:
            await _run(cast, enrolled, missing, progress)
    if missing:
        raise EnrolmentError("Several recordings ended the process that listens to them.")


async def _run(cast: Cast, enrolled: Path, missing: dict[str, Kept], progress: Progress) -> None:
    """Take out of `missing` what is enrolled, and what ended the process."""
    wanted = [
        Wanted(voice=one.recording.id, key=key, file=one.file, content=one.content)
        for key, one in missing.items()
    ]
    at: str | None = None
    try:
        async with aclosing(cast.studio.enrol(wanted, enrolled)) as heard:
            async for message in heard:
                at = None if isinstance(message, Enrolled) else message.key
                if isinstance(message, Enrolled):
                    await _note(cast, enrolled, message, missing.pop(message.key))
                else:
                    progress(message)
    except EnrolmentError:
        if at is not None:
            LOGGER.warning("voice %s could not be enrolled", missing.pop(at).recording.id)
        elif missing:
            raise


async def _note(cast: Cast, enrolled: Path, heard: Enrolled, kept: Kept) -> None:
    note = Note(
        content=kept.content,
        version=cast.studio.version,
        sha256=heard.sha256,
        refusal=heard.refusal,
        report=heard.report,
    )
    voice, report = kept.recording.id, heard.report
    if heard.refusal:
        LOGGER.warning("the recording of voice %s is no good: %s", voice, heard.refusal)
    else:
        LOGGER.info("voice %s is enrolled: %s", voice, report.words if report else "")
    if heard.passing:
        cast.tried[heard.key] = heard.refusal
        return
    cast.notes[heard.key] = note
    try:
        await asyncio.to_thread(note.write, enrolled, heard.key)
    except OSError as err:
        raise EnrolmentError(f"Voices cannot be kept ({err.strerror}).") from err
