"""`indextts-daemon models`: what models are here, and how they come, are made ready and go."""

from .conversion import convert, verify
from .download import download
from .listing import list_models
from .removal import remove

__all__ = ["convert", "download", "list_models", "remove", "verify"]
