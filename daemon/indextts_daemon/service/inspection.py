"""Inspections: before a model may take a place, every byte of its files is read.

A flipped bit that leaves a number is no fault to a loader, and sounds nearly as before.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
import threading

from indextts_daemon.checkpoints.integrity import changed_files
from indextts_daemon.checkpoints.layout import find
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.speech import Say
from indextts_daemon.worker.handle import WorkerSpec


class _NotWantedError(Exception):
    """Nobody waits for the rest."""


async def inspect(spec: WorkerSpec, say: Say) -> None:
    """Read the files of a model beside the event loop.

    Raises EngineUnavailableError where one is not what it was when it was written.
    """
    if spec.engine != "indextts":
        return
    say("Its files are read.")
    given_up = threading.Event()
    try:
        await asyncio.to_thread(_inspect, Path(str(spec.options["model"])), given_up)
    finally:
        given_up.set()


def _inspect(folder: Path, given_up: threading.Event) -> None:
    def counting(_: str) -> Callable[[int], None]:
        return lambda _: _go_on(given_up)

    for _, message in changed_files(find(folder), counting):
        raise EngineUnavailableError(message, code="checkpoint_invalid")


def _go_on(given_up: threading.Event) -> None:
    if given_up.is_set():
        raise _NotWantedError
