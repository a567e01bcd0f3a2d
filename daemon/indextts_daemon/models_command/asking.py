"""A question to whoever sits at the terminal, if somebody does."""

import sys


def says_yes(question: str) -> bool | None:
    """Whether the answer is yes; None where nobody can be asked."""
    if not sys.stdin.isatty():
        return None
    try:
        return input(question).strip().lower() == "yes"
    except EOFError:
        return False
