"""The command line: flags and words; the work is done in the rooms below."""

from .main import main

__all__ = ["main"]
