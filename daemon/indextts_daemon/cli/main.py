"""One command, from its words to the exit code."""

from collections.abc import Sequence
import sys

from indextts_daemon.errors import SpeechError

from .asked import PROGRAM
from .parser import make_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the process's exit code."""
    asked = make_parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except SpeechError as err:
        print(f"{PROGRAM}: {err.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
