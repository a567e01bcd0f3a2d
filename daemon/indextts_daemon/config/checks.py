"""The kinds of values that settings have, each refused in words."""

from collections.abc import Callable
from ipaddress import ip_address
import re
from typing import Any

import voluptuous as vol

VOICE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Accept a whole number; YAML's true is none."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise vol.Invalid(f"expected a whole number from {low} to {high}")
        return value

    return check


def seconds(low: float, high: float) -> Callable[[Any], float]:
    """Accept a number of seconds."""
    return _number(low, high, "seconds")


def gib(low: float, high: float) -> Callable[[Any], float]:
    """Accept a number of GiB."""
    return _number(low, high, "GiB")


def _number(low: float, high: float, unit: str) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise vol.Invalid(f"expected a number of {unit} from {low:g} to {high:g}")
        return float(value)

    return check


def models(value: Any) -> tuple[str, ...]:
    """Accept the id of one model or a list of them."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(map(_is_id, found)):
        raise vol.Invalid("expected ids of models such as indextts-2")
    return tuple(found)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and VOICE_ID.fullmatch(value) is not None


def addresses(value: Any) -> tuple[str, ...]:
    """Accept one IP address or a list of them, each once."""
    found = [value] if isinstance(value, str) else value
    try:
        if not found or not isinstance(found, list | tuple) or len(set(found)) < len(found):
            raise ValueError  # noqa: TRY301 one message for whatever is none
        for address in found:
            ip_address(address if isinstance(address, str) else "")
    except (TypeError, ValueError) as err:  # the former: a list in the list
        raise vol.Invalid("expected IP addresses such as 0.0.0.0 or ::1") from err
    return tuple(found)


def numbered_voices(value: Any) -> tuple[tuple[str, int], ...]:
    """Accept a mapping of voice ids to numbers that an int16 sample can be."""
    if value in ((), []):
        return ()
    if not isinstance(value, dict) or not all(map(_is_numbered_voice, value, value.values())):
        raise vol.Invalid("expected voice ids, each with a number from 1 to 32767")
    return tuple(value.items())


def _is_numbered_voice(voice: object, number: object) -> bool:
    return _is_id(voice) and type(number) is int and 0 < number < 1 << 15
