"""How a daemon comes by its settings at the start, even where somebody has broken the file."""

from contextlib import suppress
from pathlib import Path

from indextts_daemon.errors import Problem, SettingsError
from indextts_daemon.history import History

from .sections import Settings
from .source import Source


def settings_history(data_dir: Path) -> History:
    """Return the good versions of the settings, which are kept in the data folder."""
    return History(data_dir / "state" / "settings")


def boot(source: Source, history: History) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings, and what is wrong with the file where they are the last good ones.

    A good document is remembered. Raises SettingsError where there is nothing to fall back on.
    """
    settings, problems, text = _best(source, history)
    if not problems:
        with suppress(OSError):  # a full disk must not keep the house silent
            history.add(text)
    return settings, problems


def best(source: Source, history: History) -> tuple[Settings, tuple[Problem, ...]]:
    """Return what `boot` would, and remember nothing. Raises SettingsError."""
    settings, problems, _ = _best(source, history)
    return settings, problems


def _best(source: Source, history: History) -> tuple[Settings, tuple[Problem, ...], str]:
    try:
        text = source.document()
        return source.read(text).settings, (), text
    except SettingsError as err:
        for version in history.versions():
            with suppress(SettingsError):  # an older daemon may have known other settings
                return source.read(version.text).settings, err.problems, version.text
        source.load()  # raises the same, and names the file by its path
        raise
