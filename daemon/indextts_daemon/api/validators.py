"""Validators that mean the same to voluptuous and to JSON Schema."""

from dataclasses import dataclass
import re
from typing import Any

import voluptuous as vol
from voluptuous_openapi import (  # type: ignore[import-untyped]
    UNSUPPORTED,
    OpenApiVersion,
    convert,
)

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number within bounds; JSON's true and false are none, and 5.0 is an integer."""

    low: float
    high: float
    whole: bool = False

    def __call__(self, value: Any) -> float | int:
        """Raise vol.Invalid unless it fits."""
        kind = "a whole number" if self.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise vol.Invalid(f"must be {kind}")
        if not self.low <= value <= self.high:
            raise vol.Invalid(f"must be from {self.low} to {self.high}")
        if self.whole and value != int(value):
            raise vol.Invalid(f"must be {kind}")
        return int(value) if self.whole else float(value)

    def schema(self) -> dict[str, Any]:
        """Say the same in JSON Schema."""
        return {
            "type": "integer" if self.whole else "number",
            "minimum": self.low,
            "maximum": self.high,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string of bounded length, in characters, of which one pattern may be asked."""

    least: int = 0
    most: int
    pattern: str | None = None
    otherwise: str = "has the wrong form"

    def __call__(self, value: Any) -> str:
        """Raise vol.Invalid unless it fits."""
        if not isinstance(value, str):
            raise vol.Invalid("must be a string")
        if not self.least <= len(value) <= self.most:
            raise vol.Invalid(
                f"must have {self.least} to {self.most} characters; this has {len(value)}"
            )
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise vol.Invalid(self.otherwise)
        return value

    def schema(self) -> dict[str, Any]:
        """Say the same in JSON Schema."""
        bounds = {"type": "string", "minLength": self.least, "maxLength": self.most}
        return bounds if self.pattern is None else bounds | {"pattern": self.pattern}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """One of a few values, which may be listed in the message."""

    values: tuple[str | int, ...]

    def __call__(self, value: Any) -> str | int:
        """Raise vol.Invalid unless it is one of them."""
        for known in self.values:
            if value == known and not isinstance(value, bool):
                return known
        raise vol.Invalid(f"must be one of {', '.join(map(str, self.values))}")

    def schema(self) -> dict[str, Any]:
        """Say the same in JSON Schema."""
        kind = "integer" if all(isinstance(value, int) for value in self.values) else "string"
        return {"type": kind, "enum": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """So many numbers, each within the same bounds."""

    count: int
    each: Number

    def __call__(self, value: Any) -> tuple[float, ...]:
        """Raise vol.Invalid unless they fit."""
        if not isinstance(value, list) or len(value) != self.count:
            raise vol.Invalid(f"must be a list of {self.count} numbers")
        return tuple(self.each(number) for number in value)

    def schema(self) -> dict[str, Any]:
        """Say the same in JSON Schema."""
        return {
            "type": "array",
            "items": self.each.schema(),
            "minItems": self.count,
            "maxItems": self.count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object of one of several shapes, told apart by the one field that only it has."""

    shapes: tuple[tuple[str, vol.Schema], ...]

    def __call__(self, value: Any) -> dict[str, Any]:
        """Raise vol.Invalid unless it has exactly one of them."""
        fitting = [
            shape for name, shape in self.shapes if isinstance(value, dict) and name in value
        ]
        if len(fitting) != 1:
            names = ", ".join(name for name, _ in self.shapes)
            raise vol.Invalid(f"must be an object with exactly one of {names}")
        return dict(fitting[0](value))

    def schema(self) -> dict[str, Any]:
        """Say the same in JSON Schema."""
        return {"oneOf": [json_schema(shape) for _, shape in self.shapes]}


IDENTIFIER = Text(
    least=1,
    most=64,
    pattern=ID_PATTERN,
    otherwise="must be an id: small letters, digits, - and _, at most 64 of them",
)


def json_schema(schema: vol.Schema) -> dict[str, Any]:
    """Turn a schema made of these validators into JSON Schema as OpenAPI 3.1 wants it."""
    made: dict[str, Any] = convert(
        schema, custom_serializer=_serialize, openapi_version=OpenApiVersion.V3_1
    )
    _close(made)
    return made


def _serialize(validator: Any) -> Any:
    if isinstance(validator, Number | Numbers | Text | OneOf | Shape):
        return validator.schema()
    return UNSUPPORTED


def _close(schema: Any) -> None:
    """Say aloud that an object takes no further keys, which voluptuous implies."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for below in schema.values():
            _close(below)
    elif isinstance(schema, list):
        for below in schema:
            _close(below)
