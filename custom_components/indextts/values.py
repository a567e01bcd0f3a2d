"""Reads the values of a call's options, or says in words what would be right."""

from math import nan
from typing import Any

from .errors import refused_option


def text(option: str, value: Any) -> str | None:
    """Return a text, None if there is none."""
    if value is not None and not (isinstance(value, str) and value):
        raise refused_option(option, "not_text")
    return value


def number(option: str, value: Any, low: float, high: float) -> float | None:
    """Return a number from `low` to `high`, None if there is none."""
    found = _number(value)
    if found is not None and not low <= found <= high:
        raise refused_option(option, "not_number", low=f"{low:g}", high=f"{high:g}")
    return found


def whole_number(option: str, value: Any, low: int, high: int) -> int | None:
    """Return a whole number from `low` to `high`, None if there is none."""
    found = _number(value)
    if found is None:
        return None
    if not low <= found <= high or not found.is_integer():
        raise refused_option(option, "not_whole", low=str(low), high=str(high))
    return int(found)


def _number(value: Any) -> float | None:
    """Read a number, which a media source id may carry as text; NaN is what is none."""
    try:
        return None if value is None else float(nan if isinstance(value, bool) else value)
    except OverflowError, TypeError, ValueError:
        return nan
