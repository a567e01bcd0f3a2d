"""`indextts-daemon models`: what models are here, and how they come, are made ready and go."""

from .changing import change_model, list_versions
from .conversion import convert, verify
from .download import download
from .following import follow, list_operations
from .listing import list_models
from .removal import remove

__all__ = [
    "change_model",
    "convert",
    "download",
    "follow",
    "list_models",
    "list_operations",
    "list_versions",
    "remove",
    "verify",
]
