"""Prints what the named Home Assistant integrations need, read from the installed manifests."""

import ast
import json
from pathlib import Path
import sys

import homeassistant
from homeassistant.const import BASE_PLATFORMS

ALWAYS_LOADED = {"CORE_INTEGRATIONS", "DEFAULT_INTEGRATIONS"}


def always_loaded(bootstrap: Path) -> set[str]:
    """Return the integrations that every start sets up, without importing what they need."""
    return set(BASE_PLATFORMS) | {
        constant.value
        for node in ast.parse(bootstrap.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ALWAYS_LOADED
        for constant in ast.walk(node.value)
        if isinstance(constant, ast.Constant)
    }


def requirements(components: Path, domains: set[str]) -> set[str]:
    """Return the requirements of the domains and of all that they depend on."""
    found: set[str] = set()
    waiting, seen = list(domains), set(domains)
    while waiting:
        manifest = json.loads((components / waiting.pop() / "manifest.json").read_text("utf-8"))
        found.update(manifest.get("requirements", []))
        fresh = set(manifest.get("dependencies", [])) - seen
        seen |= fresh
        waiting += fresh
    return found


def main(arguments: list[str]) -> None:
    """Take domains; --start adds those of a real start."""
    package = Path(homeassistant.__path__[0])
    domains = set(arguments) - {"--start"}
    if "--start" in arguments:
        domains |= always_loaded(package / "bootstrap.py")
    print(*sorted(requirements(package / "components", domains)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
