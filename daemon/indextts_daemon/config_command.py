"""`indextts-daemon config` and `reload`: what is set, whether a file is good, what was; and change.

The running daemon does it; without one, files can still be looked at.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
import sys
from typing import Any

import yaml

from .config import Settings, Source, decoded, read_text, tree
from .errors import SettingsError
from .remote import NoDaemonError, Remote

STDIN = "-"


def show(settings: Settings, remote: Remote) -> int:
    """Print every setting as it counts; without a daemon, as it would."""
    try:
        shown = asyncio.run(remote.config())
        settings_tree, shadowed = shown["settings"], shown["shadowed"]
    except NoDaemonError:
        settings_tree, shadowed = tree(settings), ()
        print("No daemon runs; this is what one would start with.", file=sys.stderr)
    print(yaml.safe_dump(settings_tree, sort_keys=False, allow_unicode=True), end="")
    _tell_shadowed(shadowed)
    return 0


def check(file: str | None, source: Source, remote: Remote) -> int:
    """Say whether a document could be the settings, and what it would change."""
    text = source.document() if file is None else _text(file)
    try:
        answer = asyncio.run(remote.put_config(text, dry=True))
    except NoDaemonError:
        try:
            loaded = source.read(text)
        except SettingsError as err:
            return _tell_problems([{"message": problem.message} for problem in err.problems])
        print("Good.")
        _tell_shadowed(loaded.shadowed)
        return 0
    if answer["result"] == "rejected":
        return _tell_problems(answer["errors"])
    changed = _changed(answer)
    print(f"Good. It would change {', '.join(changed)}." if changed else "Good. Nothing changes.")
    _tell_shadowed(answer["shadowed"])
    return 0


def put(file: str, remote: Remote) -> int:
    """Have the daemon take a document for its settings."""
    return _tell(asyncio.run(remote.put_config(_text(file))))


def roll_back(version: int | None, remote: Remote) -> int:
    """Have the daemon go back to a good version of its settings."""
    return _tell(asyncio.run(remote.roll_config_back(version)))


def reload(scope: str, remote: Remote) -> int:
    """Have the daemon read again what is on the disk."""
    return _tell(asyncio.run(remote.reload(scope)))


def versions(remote: Remote) -> int:
    """Print the good versions of the settings."""
    for version in asyncio.run(remote.config_versions()):
        saved = datetime.fromtimestamp(version["saved_at"]).astimezone()
        mark = "  as it is now" if version["current"] else ""
        print(f"{version['version']:6}  {saved:%Y-%m-%d %H:%M:%S}{mark}")
    return 0


def _text(file: str) -> str:
    if file == STDIN:
        return decoded(sys.stdin.buffer.read(), name="The input")
    return read_text(Path(file), name=file)


def _tell(answer: Mapping[str, Any]) -> int:
    for operation in answer["operations"]:
        changed = operation["details"].get("changed", ())
        what = f" ({', '.join(changed)})" if changed else ""
        print(f"{operation['scope']}: {operation['result']}{what}")
    _tell_shadowed(answer["shadowed"])
    return _tell_problems(answer["errors"])


def _tell_problems(problems: Sequence[Mapping[str, Any]]) -> int:
    for problem in problems:
        print(problem["message"], file=sys.stderr)
    return 1 if problems else 0


def _tell_shadowed(keys: Sequence[str]) -> None:
    if keys:
        print(f"The environment or a flag overrides: {', '.join(keys)}.", file=sys.stderr)


def _changed(answer: Mapping[str, Any]) -> list[str]:
    return [
        key for operation in answer["operations"] for key in operation["details"].get("changed", ())
    ]
