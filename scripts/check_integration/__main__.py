"""Prints every finding, in Home Assistant's Python: python -m scripts.check_integration [ROOT]."""

from pathlib import Path
import sys

from . import CHECKS, Repository, UnreadableError, found


def main(root: Path) -> int:
    """Return how the process ends: 1 if anything was found."""
    try:
        repository = Repository(root)
    except UnreadableError as err:
        findings = [err.finding]
    else:
        findings = [finding for check in CHECKS for finding in found(check, repository)]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2])))
