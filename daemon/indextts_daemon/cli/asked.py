"""What a command line means: which data folder, settings and daemon."""

import argparse
import os
from pathlib import Path
import sys

import platformdirs

from indextts_daemon.checkpoints.catalogue import Published, published
from indextts_daemon.config import USUAL_NAME, Settings, Source, best, settings_history
from indextts_daemon.identity import last_good_token, read_token
from indextts_daemon.remote import Remote
from indextts_daemon.whereabouts import known

PROGRAM = "indextts-daemon"


def model_of(asked: argparse.Namespace) -> tuple[Published, Path]:
    """Return the model that was named, and its folder."""
    model = published(asked.model)
    return model, data_dir_of(asked) / "models" / model.id


def settings_of(asked: argparse.Namespace, *, tell: bool = True) -> Settings:
    """Read the settings by which the daemon is found; the last good ones where they are bad."""
    settings, problems = best(source_of(asked), settings_history(data_dir_of(asked)))
    if problems and tell:
        told = " ".join(problem.message for problem in problems)
        print(f"{PROGRAM}: {told} The last good settings are used.", file=sys.stderr)
    return settings


def source_of(asked: argparse.Namespace) -> Source:
    """Return where the settings come from that this command line sees."""
    flags = {
        "engine": getattr(asked, "engine", None),
        "indextts.model": getattr(asked, "folder", None),
        "server.host": asked.host,
        "server.port": asked.port,
        "discovery.enabled": False if getattr(asked, "no_zeroconf", False) else None,
    }
    return Source(
        file=asked.config or data_dir_of(asked) / USUAL_NAME,
        required=asked.config is not None,
        environment=os.environ,
        flags={key: value for key, value in flags.items() if value is not None},
    )


def data_dir_of(asked: argparse.Namespace) -> Path:
    return asked.data_dir or platformdirs.user_data_path(PROGRAM, appauthor=False)


def remote_of(asked: argparse.Namespace, settings: Settings) -> Remote:
    """Return the daemon that was named, or that of the data folder, as seen from this machine.

    Where none has said that it listens, it is the one that these settings describe. It admits the
    token that it last found good, whatever has become of the file since.
    """
    data_dir, given = data_dir_of(asked), os.environ.get("INDEXTTS_TOKEN")
    host, port = known(data_dir) or (settings.server.host[0], settings.server.port)
    if asked.host is not None:
        host = settings.server.host[0]
    if asked.port is not None:
        port = asked.port
    here = asked.host is None and not given
    token = last_good_token(data_dir) if here else None
    return Remote.at(host, port, token or read_token(data_dir, given=given))
