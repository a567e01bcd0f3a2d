"""The commands that run the daemon, speak, pair and look."""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
import logging
import os
from pathlib import Path
import sys

from indextts_daemon.config import best, boot, settings_history
from indextts_daemon.errors import SpeechError
from indextts_daemon.identity import read_token, renew_token
from indextts_daemon.remote import NoDaemonError
from indextts_daemon.storage import atomic_write

from .asked import data_dir_of, remote_of, settings_of, source_of

LOGGER = logging.getLogger(__name__)

SUFFIXES = {
    ".wav": "wav",
    ".pcm": "pcm",
    ".mp3": "mp3",
    ".opus": "opus",
    ".ogg": "opus",
    ".flac": "flac",
}


def serve(asked: argparse.Namespace) -> int:
    from indextts_daemon.serve import run
    from indextts_daemon.service.settings_file import SettingsFile

    source, history = source_of(asked), settings_history(data_dir_of(asked))
    settings, problems = boot(source, history)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for problem in problems:
        LOGGER.error("the last good settings are used: %s", problem.message)
    asyncio.run(
        run(
            settings,
            data_dir=data_dir_of(asked),
            settings_file=SettingsFile(source, history, problems=problems),
            token=os.environ.get("INDEXTTS_TOKEN"),
            say=_tell,
        )
    )
    return 0


def _tell(line: str) -> None:
    """Print for whoever started the daemon; once nobody reads any more, go quiet."""
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        sys.stdout = None  # print then does nothing, and the exit flushes nothing


def say(asked: argparse.Namespace) -> int:
    try:
        form = SUFFIXES[asked.output.suffix.lower()]
    except KeyError:
        raise SpeechError(
            f"The output's ending names the format: one of {' '.join(SUFFIXES)}."
        ) from None
    body = {"input": asked.text, "response_format": form, "language": asked.language}
    body |= {
        name: value
        for name in ("voice", "speed", "seed")
        if (value := getattr(asked, name)) is not None
    }
    return asyncio.run(_speak_to_file(asked, body))


async def _speak_to_file(asked: argparse.Namespace, body: dict[str, object]) -> int:
    settings = settings_of(asked)
    try:
        written = await _write(asked.output, remote_of(asked, settings).speak(body))
        who = "the running daemon"
    except NoDaemonError:
        from indextts_daemon.doorless import speak_here

        written = await _write(
            asked.output, speak_here(settings, body, data_dir=data_dir_of(asked))
        )
        who = "this command (no daemon runs)"
    print(f"{asked.output}: {written} bytes, spoken by {who}")
    return 0


async def _write(file: Path, audio: AsyncGenerator[bytes]) -> int:
    """Write what comes; the file appears once it is whole."""
    async with aclosing(audio):
        content = b"".join([part async for part in audio])
    if not await asyncio.to_thread(file.parent.is_dir):
        raise SpeechError(f"There is no folder {file.parent}.")
    try:
        await asyncio.to_thread(atomic_write, file, content, mode=0o644)
    except OSError as err:
        raise SpeechError(f"{file} cannot be written ({err.strerror}).") from err
    return len(content)


def pair(asked: argparse.Namespace) -> int:
    code, lifetime_s = asyncio.run(remote_of(asked, settings_of(asked)).open_pairing())
    print(f"Pairing code: {code} (for {lifetime_s // 60} minutes)")
    return 0


def token(asked: argparse.Namespace) -> int:
    data_dir, given = data_dir_of(asked), os.environ.get("INDEXTTS_TOKEN")
    if not asked.new:
        token = read_token(data_dir, given=given)
    elif (given or "").strip():
        raise SpeechError("INDEXTTS_TOKEN wins over the file: change it there.")
    else:
        token = renew_token(data_dir) if data_dir.is_dir() else None
    if token is None:
        if (data_dir / "token").exists():
            raise SpeechError(
                f"{data_dir / 'token'} is empty. `indextts-daemon token --new` makes a new token."
            )
        raise SpeechError(
            f"There is no token in {data_dir} yet. Start the daemon once, or name the folder that "
            "it uses with --data-dir."
        )
    print(token)
    if asked.new:
        print(
            "A daemon that runs takes it within seconds. Home Assistant will ask to pair again: "
            "enter this token there, or a code that `indextts-daemon pair` shows.",
            file=sys.stderr,
        )
    return 0


def check(asked: argparse.Namespace) -> int:
    from indextts_daemon.check import check

    settings, problems = best(source_of(asked), settings_history(data_dir_of(asked)))
    return check(settings, problems, data_dir=data_dir_of(asked))


def bench(asked: argparse.Namespace) -> int:
    from indextts_daemon.bench import bench

    return bench(quick=asked.quick, as_json=asked.json, engine=asked.engine)
