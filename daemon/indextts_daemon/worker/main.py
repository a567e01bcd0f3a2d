"""The worker process, from `Load` to its end."""

import logging
import signal
import threading

from indextts_daemon.engines import registry
from indextts_daemon.errors import (
    BrokenEngineError,
    EngineUnavailableError,
    OutOfMemoryError,
    SpeechError,
    place_of,
)
from indextts_daemon.posix import adopt_socket, die_with_parent, lower_priority
from indextts_daemon.speech import Engine, Wakeable

from .loop import EngineLoop
from .protocol import LOAD_JOB, Dying, Failed, Load, Progress, Ready
from .wire import Wire

_LOG = logging.getLogger(__name__)


def main(socket_number: int) -> int:
    """Be a worker on an inherited socket until stopped or orphaned; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us, in its own time
    die_with_parent()
    logging.basicConfig(format="%(levelname)s worker: %(message)s")
    wire = Wire(adopt_socket(socket_number))
    threading.Thread(target=wire.listen, name="wire", daemon=True).start()
    (load, *_), _ = wire.inbox.take(seen=0)
    if not isinstance(load, Load):
        return 2
    lower_priority(load.nice)
    try:
        engine, loop = _loaded(load, wire)
    except Exception as err:  # noqa: BLE001 - whoever waits for the model is told in words
        wire.send(_refusal(err))
        return 1
    if isinstance(engine, Wakeable):
        wire.inbox.wake = engine.wake
    wire.ready = True
    wire.send(Ready(info=engine.info))
    try:
        loop.run()
    except (BrokenEngineError, OutOfMemoryError) as err:
        _LOG.error("%s", err)
        wire.send_counters()
        reason = "oom" if isinstance(err, OutOfMemoryError) else "crash"
        wire.send(Dying(reason=reason, message=str(err)))
        return 1
    engine.close()
    return 0


def _loaded(load: Load, wire: Wire) -> tuple[Engine, EngineLoop]:
    """Load the engine and have it speak once."""
    engine = registry.create(
        load.engine,
        load.options,
        lambda sentence: wire.send(Progress(state="loading", sentence=sentence)),
    )
    wire.send(Progress(state="warming", sentence="It speaks for the first time."))
    loop = EngineLoop(engine, wire)
    loop.warm_up()
    return engine, loop


def _refusal(error: Exception) -> Failed:
    """Say why there will be no engine."""
    code, message = "load_failed", f"The model cannot be loaded: {place_of(error)}."
    match error:
        case SpeechError():
            code = code if error.error_code == EngineUnavailableError.code else error.error_code
            message = error.message
        case OutOfMemoryError() | MemoryError():
            code = "insufficient_memory"
            message = "The memory is full: the model needs more than is free."
        case BrokenEngineError():
            message = str(error)
    return Failed(job=LOAD_JOB, code=code, message=message)
