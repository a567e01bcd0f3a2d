"""Checks of the actions: registered, listed in services.yaml, described, and with an icon."""

from collections.abc import Iterator
from typing import Any, Final

from homeassistant.helpers.selector import validate_selector
import probatio

from .repository import Finding, Repository
from .texts import flat

_REGISTER: Final = {
    "async_register": 2,
    "async_register_admin_service": 3,
    "async_register_entity_service": 1,
    "async_register_platform_entity_service": 3,
    "register": 2,
}
_FIELD: Final = probatio.Schema(
    {
        probatio.Optional("advanced"): bool,
        probatio.Optional("default"): object,
        probatio.Optional("example"): object,
        probatio.Optional("filter"): dict,
        probatio.Optional("required"): bool,
        probatio.Required("selector"): validate_selector,
    }
)
_SERVICE: Final = probatio.Schema(
    probatio.Maybe(
        {
            probatio.Optional("fields"): {str: dict},
            probatio.Optional("target"): probatio.Maybe(
                lambda target: validate_selector({"target": target})
            ),
        }
    )
)


def actions_are_listed(repository: Repository) -> Iterator[Finding]:
    """Want services.yaml to list what is registered, and nothing else."""
    source = repository.source
    registered: set[str] = set()
    for call in source.calls():
        # Some functions take `hass` or the domain first: the name is the last of these arguments.
        names = call.node.args[: _REGISTER.get(call.name, 0)]
        registered |= source.values(names[-1]) if names else set()
    if not registered and not repository.has("services.yaml"):
        return
    listed = {*repository.yaml("services.yaml")}
    for name in sorted(registered - listed):
        yield repository.finding("services.yaml", f"{name} is missing", "List the action")
    for name in sorted(listed - registered - source.strings):
        yield repository.finding("services.yaml", f"nothing registers {name}", "Delete it")


def action_fields_have_selectors(repository: Repository) -> Iterator[Finding]:
    """Want every field to have a selector that Home Assistant knows, to be filled in by hand."""
    for name, service in _services(repository).items():
        problems = [(name, _SERVICE, service)]
        problems += [(f"{name}.{key}", _FIELD, field) for key, field in _fields(service)]
        for path, schema, value in problems:
            try:
                schema(value)
            except probatio.Invalid as err:
                yield repository.finding("services.yaml", f"{path}: {err}", "Correct the field")


def actions_are_described(repository: Repository) -> Iterator[Finding]:
    """Want a name and a description for every action and every field, and for no others."""
    written = repository.texts.get("services", {})
    wanted = {
        name: {key for key, _ in _fields(service)}
        for name, service in _services(repository).items()
    }
    for name in sorted(wanted.keys() ^ written.keys()):
        yield repository.finding(
            "translations/en.json",
            f"services.{name} is here or in services.yaml only",
            "Describe every action that is listed",
        )
    for name in sorted(wanted.keys() & written.keys()):
        for key in sorted(wanted[name] ^ {*written[name].get("fields", {})}):
            yield repository.finding(
                "translations/en.json",
                f"services.{name}.fields.{key} is here or in services.yaml only",
                "Describe every field that is listed",
            )


def icons_are_complete(repository: Repository) -> Iterator[Finding]:
    """Want an icon for every action and for every described entity without a device class."""
    wanted = {f"services.{name}.service" for name in _services(repository)}
    for platform, call in repository.source.entities():
        if call.name.endswith("Description") and not call.argument("device_class"):
            keys = repository.source.entity_keys(call)
            wanted |= {f"entity.{platform}.{key}.default" for key in keys}
    if not wanted and not repository.has("icons.json"):
        return
    icons = dict(flat(repository.json("icons.json")))
    for key in sorted(wanted - icons.keys()):
        yield repository.finding("icons.json", f"{key} is missing", "Choose an icon")
    known = {path.rpartition(".")[0] for path in wanted} | _texts_of_entities(repository)
    for key, icon in icons.items():
        if not icon.startswith("mdi:"):
            yield repository.finding("icons.json", f"{key} is not an mdi: icon", "Choose another")
        if not any(key.startswith(f"{path}.") for path in known):
            yield repository.finding("icons.json", f"{key} stands for nothing", "Delete it")


def _services(repository: Repository) -> dict[str, Any]:
    if not repository.has("services.yaml"):
        return {}
    services = repository.yaml("services.yaml")
    return {name: service for name, service in services.items() if not name.startswith(".")}


def _fields(service: dict[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Yield the fields, those in sections too."""
    for key, field in ((service or {}).get("fields") or {}).items():
        if isinstance(field, dict) and "fields" in field:
            yield from _fields(field)
        else:
            yield key, field


def _texts_of_entities(repository: Repository) -> set[str]:
    return {
        f"entity.{platform}.{key}"
        for platform, keys in repository.texts.get("entity", {}).items()
        for key in keys
    }
