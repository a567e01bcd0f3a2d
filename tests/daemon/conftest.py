"""Fixtures that every room's tests may use."""

from tests.daemon.door import door, open_door

__all__ = ["door", "open_door"]
