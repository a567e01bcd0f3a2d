"""Reads JSON field by field; one of another shape than the contract's is a ValueError."""

from typing import Any


def field[T](data: Any, key: str, kind: type[T]) -> T:
    """Return `data[key]`, which is there and of that kind."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind):
        raise ValueError(key)  # noqa: TRY004 - what we were sent is wrong, not who asks
    return value


def optional[T](data: Any, key: str, kind: type[T]) -> T | None:
    """Return `data[key]`, which is of that kind, absent or null."""
    absent = isinstance(data, dict) and data.get(key) is None
    return None if absent else field(data, key, kind)


def strings(data: Any, key: str) -> tuple[str, ...]:
    """Return the list `data[key]`, in which there are only strings."""
    values = field(data, key, list)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(key)
    return tuple(values)


def number(data: dict[str, Any], key: str) -> float | None:
    """Return the number `data[key]`, None if it is absent or null."""
    value = data.get(key)
    if value is not None and not isinstance(value, int | float):
        raise ValueError(key)
    return value
