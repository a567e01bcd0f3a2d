"""What the integration's Python says, read and never run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from homeassistant import const


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file of the integration."""

    name: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, by the last part of the name that is called."""

    module: Module
    name: str
    node: ast.Call

    def argument(self, keyword: str) -> ast.expr | None:
        """Return what is passed under this name."""
        return next((item.value for item in self.node.keywords if item.arg == keyword), None)


class Source:
    """All modules below one folder, with the strings that their constants stand for."""

    def __init__(self, folder: Path) -> None:
        self.modules = [
            Module(
                name=path.relative_to(folder).as_posix(), tree=ast.parse(path.read_text("utf-8"))
            )
            for path in sorted(folder.rglob("*.py"))
        ]
        self._constants: dict[str, set[str]] = {}
        for module in self.modules:
            for node in module.tree.body:
                match node:
                    case (
                        ast.Assign(targets=[ast.Name(id=name)], value=value)
                        | ast.AnnAssign(target=ast.Name(id=name), value=value)
                    ):
                        self._constants[name] = self.values(value)
        self.strings = frozenset(
            text
            for module in self.modules
            for node in ast.walk(module.tree)
            for text in self.values(node)
        )

    def nodes[T: ast.AST](self, kind: type[T]) -> Iterator[T]:
        """Walk over all nodes of one kind."""
        for module in self.modules:
            yield from (node for node in ast.walk(module.tree) if isinstance(node, kind))

    def calls(self, *, below: ast.AST | None = None) -> Iterator[Call]:
        """Walk over all calls, or over those in one class."""
        for module in self.modules:
            if below is not None and below not in module.tree.body:
                continue
            for node in ast.walk(below or module.tree):
                if isinstance(node, ast.Call) and (name := last_name(node.func)):
                    yield Call(module=module, name=name, node=node)

    def entities(self) -> Iterator[tuple[str, Call]]:
        """Walk over what makes entities, their descriptions and constructors, by platform."""
        for call in self.calls():
            platform = call.module.name.removesuffix(".py")
            if platform in const.BASE_PLATFORMS and (
                call.name.endswith("Description") or call.name == "__init__"
            ):
                yield platform, call

    def entity_keys(self, call: Call) -> set[str]:
        """Return the translation key that a description or a constructor gives to an entity."""
        if call.name == "__init__":
            return {text for part in call.node.args for text in self.values(part)}
        return self.values(call.argument("translation_key") or call.argument("key"))

    def makes(self, text: str) -> bool:
        """Say whether a string of the source is this text, or an f-string filled in with some."""
        if text in self.strings:
            return True
        for node in self.nodes(ast.JoinedStr):
            pattern = "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else "(.+)"
                for part in node.values
            )
            if (match := re.fullmatch(pattern, text)) and {*match.groups()} <= self.strings:
                return True
        return False

    def values(self, node: ast.AST | None) -> set[str]:
        """Return the strings that an expression can be, as far as they stand in the source."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp():
                return self.values(node.body) | self.values(node.orelse)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return {text for part in parts for text in self.values(part)}
            case ast.Name(id=name) | ast.Attribute(attr=name) if name.isupper():
                known: Any = getattr(const, name, None)
                return self._constants.get(name, {known} if isinstance(known, str) else set())
        return set()


def last_name(node: ast.expr) -> str | None:
    """Return `c` of `a.b.c`, of `c`, and of `c[...]`."""
    match node:
        case ast.Subscript():
            return last_name(node.value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None
