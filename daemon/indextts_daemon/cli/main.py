"""One command, from its words to the exit code."""

from collections.abc import Sequence
import os
import sys

from indextts_daemon.errors import SpeechError

from .asked import PROGRAM
from .parser import make_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the process's exit code."""
    asked = make_parser().parse_args(arguments)
    try:
        code = int(asked.run(asked))
        if sys.stdout is not None:
            sys.stdout.flush()
    except SpeechError as err:
        print(f"{PROGRAM}: {err.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code
