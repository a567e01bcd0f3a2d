"""Checks of what the integration imports from others against what its manifest says."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeassistant import components
from homeassistant.const import BASE_PLATFORMS

from .repository import Finding, Repository

_COMPONENTS: Final = "homeassistant.components."
# Part of every installation, so hassfest lets everyone import them; each stands in its own list.
_ALWAYS_THERE: Final = frozenset({"homeassistant", "persistent_notification", "websocket_api"})


def imports_are_declared(repository: Repository) -> Iterator[Finding]:
    """Want what is imported from another integration to be set up before this one."""
    manifest = repository.manifest
    declared = {*manifest.get("dependencies", []), *manifest.get("after_dependencies", [])}
    free = declared | BASE_PLATFORMS | _ALWAYS_THERE | {repository.domain}
    for module in repository.source.modules:
        for name in sorted(_imported(module.tree) - free):
            if f"{name}.py" == module.name:
                continue  # diagnostics.py, repairs.py and their like are called by `name` itself
            yield repository.finding(
                module.name,
                f"it imports {name}, which the manifest does not name",
                "Add it to dependencies or after_dependencies",
            )


def declared_integrations_exist(repository: Repository) -> Iterator[Finding]:
    """Want every integration that the manifest names to be one."""
    manifest = repository.manifest
    core = Path(components.__path__[0])
    for name in [*manifest.get("dependencies", []), *manifest.get("after_dependencies", [])]:
        if not (core / name / "manifest.json").is_file():
            yield repository.finding(
                "manifest.json", f"there is no integration named {name}", "Correct the name"
            )


def _imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {
        name.removeprefix(_COMPONENTS).split(".")[0]
        for name in names
        if name.startswith(_COMPONENTS)
    }
