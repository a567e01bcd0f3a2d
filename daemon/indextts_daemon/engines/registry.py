"""Which engines there are, by the word that settings use; imports only the one asked for."""

from collections.abc import Mapping
from importlib import import_module

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.speech import Engine, Say, say_nothing

_ROOMS = {"embedded": "embedded", "fake": "fake", "indextts": "indextts.engine"}


def create(engine: str, options: Mapping[str, object], say: Say = say_nothing) -> Engine:
    """Load an engine, saying how far that is; `EngineUnavailableError` says why it cannot be."""
    if engine not in _ROOMS:
        raise EngineUnavailableError(f"There is no engine {engine!r}.", code="unknown_engine")
    try:
        room = import_module(f"indextts_daemon.engines.{_ROOMS[engine]}")
    except ModuleNotFoundError as err:
        raise EngineUnavailableError(
            f"The engine {engine} needs the package {err.name}. "
            f"Install it with: pip install 'indextts-daemon[{engine}]'.",
            code="engine_not_installed",
        ) from err
    loaded: Engine = room.create(options, say)
    return loaded
