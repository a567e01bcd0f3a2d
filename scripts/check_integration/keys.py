"""Checks of what the code shows to people against the English texts: none missing, none over."""

import ast
from collections.abc import Iterator
from typing import Any, Final

from homeassistant import config_entries

from .repository import Finding, Repository
from .source import last_name

# A step that answers one of these may only pass on to another; `user` is a form itself.
_SOURCES: Final = {
    value for name, value in vars(config_entries).items() if name.startswith("SOURCE_")
} - {"user"}
_REASONS: Final = {
    "_abort_if_unique_id_configured": {"already_configured"},
    "_abort_if_unique_id_mismatch": {"unique_id_mismatch"},
    "_async_abort_entries_match": {"already_configured"},
}
_ENDINGS: Final = {
    "async_step_reauth": "reauth_successful",
    "async_step_reconfigure": "reconfigure_successful",
}


def steps_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every form of a flow to have its words, and no words for a form that is gone."""
    for section, flow in _flows(repository):
        methods = _steps(flow)
        shown = methods - _SOURCES
        for call in repository.source.calls(below=flow):
            shown |= repository.source.values(call.argument("step_id"))
        written = {*repository.texts.get(section, {}).get("step", {})}
        yield from _missing(repository, f"{section}.step", shown - written)
        yield from _left_over(repository, f"{section}.step", written - methods - shown)


def endings_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every reason to abort a flow to have its sentence."""
    source = repository.source
    for section, flow in _flows(repository):
        reasons: set[str] = set()
        for call in source.calls(below=flow):
            given = source.values(call.argument("reason"))
            if call.name in {"async_update_reload_and_abort", "async_update_and_abort"}:
                methods = {f"async_step_{step}" for step in _steps(flow)}
                reasons |= given or {_ENDINGS[name] for name in _ENDINGS.keys() & methods}
            else:
                reasons |= given or _REASONS.get(call.name, set())
        yield from _compare(repository, f"{section}.abort", reasons)


def errors_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every error beside a field of a form to have its sentence."""
    for section, flow in _flows(repository):
        errors: set[str] = set()
        for node in ast.walk(flow):
            match node:
                case ast.Assign(targets=[ast.Subscript(value=ast.Name(id="errors"))]):
                    errors |= repository.source.values(node.value)
                case ast.keyword(arg="errors", value=ast.Dict(values=values)):
                    errors |= {text for value in values for text in repository.source.values(value)}
        yield from _compare(repository, f"{section}.error", errors)


def exceptions_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every exception to have its sentence, and the code of every error class too."""
    source = repository.source
    keys = {
        key
        for call in source.calls()
        if call.argument("translation_domain") and call.name != "async_create_issue"
        for key in source.values(call.argument("translation_key"))
    }
    codes = {
        text
        for owner in source.nodes(ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.Assign) and [last_name(item) for item in node.targets] == ["code"]
        for text in source.values(node.value)
    }
    yield from _compare(repository, "exceptions", keys | codes)


def issues_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every repair issue to have its title and its way out."""
    source = repository.source
    keys = {
        key
        for call in source.calls()
        if call.name == "async_create_issue"
        for key in source.values(call.argument("translation_key"))
    }
    yield from _compare(repository, "issues", keys)


def entities_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every entity to have its name."""
    keys: dict[str, set[str]] = {}
    for platform, call in repository.source.entities():
        keys.setdefault(platform, set()).update(repository.source.entity_keys(call))
    for platform in sorted({*repository.texts.get("entity", {}), *keys}):
        yield from _compare(repository, f"entity.{platform}", keys.get(platform, set()))


def states_have_texts(repository: Repository) -> Iterator[Finding]:
    """Want every state of an enumeration to have its word."""
    for platform, call in repository.source.entities():
        states = repository.source.values(call.argument("options"))
        for key in repository.source.entity_keys(call) if states else ():
            yield from _compare(repository, f"entity.{platform}.{key}.state", states)


def health_has_texts(repository: Repository) -> Iterator[Finding]:
    """Want every line of the system information to have its label."""
    shown = {
        text
        for module in repository.source.modules
        if module.name == "system_health.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name.endswith("_info")
        for returned in ast.walk(node)
        if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Dict)
        for key in returned.value.keys
        for text in repository.source.values(key)
    }
    yield from _compare(repository, "system_health.info", shown)


def _flows(repository: Repository) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in repository.source.nodes(ast.ClassDef):
        bases = " ".join(last_name(base) or "" for base in node.bases)
        if "OptionsFlow" in bases:
            yield "options", node
        elif "ConfigFlow" in bases:
            yield "config", node


def _steps(flow: ast.ClassDef) -> set[str]:
    return {
        node.name.removeprefix("async_step_")
        for node in flow.body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("async_step_")
    }


def _compare(repository: Repository, path: str, used: set[str]) -> Iterator[Finding]:
    """Compare what is used with what is written; a key that code makes stands there as a string."""
    written: dict[str, Any] = repository.texts
    for part in path.split("."):
        written = written.get(part, {})
    yield from _missing(repository, path, used - written.keys())
    over = {key for key in written.keys() - used if not repository.source.makes(key)}
    yield from _left_over(repository, path, over)


def _missing(repository: Repository, path: str, keys: set[str]) -> Iterator[Finding]:
    for key in sorted(keys):
        yield repository.finding(
            "translations/en.json", f"{path}.{key} is missing", "Write it: the code uses it"
        )


def _left_over(repository: Repository, path: str, keys: set[str]) -> Iterator[Finding]:
    for key in sorted(keys):
        yield repository.finding(
            "translations/en.json", f"{path}.{key} is used nowhere", "Delete it"
        )
