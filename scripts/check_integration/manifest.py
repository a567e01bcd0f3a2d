"""Checks of manifest.json and of what it promises: hassfest's closed schema, HACS's six keys."""

import ast
from collections.abc import Iterator
from typing import Any, Final, get_args, get_type_hints
from urllib.parse import urlsplit

from awesomeversion import AwesomeVersion, AwesomeVersionException, AwesomeVersionStrategy
from homeassistant.loader import Manifest
import probatio

from .repository import Finding, Repository

IOT_CLASSES: Final = (
    "assumed_state",
    "calculated",
    "cloud_polling",
    "cloud_push",
    "local_polling",
    "local_push",
)
SCALES: Final = ("bronze", "silver", "gold", "platinum")
_VERSIONS: Final = [
    AwesomeVersionStrategy.CALVER,
    AwesomeVersionStrategy.SEMVER,
    AwesomeVersionStrategy.SIMPLEVER,
    AwesomeVersionStrategy.BUILDVER,
    AwesomeVersionStrategy.PEP440,
]


def _url(value: Any) -> str:
    parts = urlsplit(str(value))
    if parts.scheme != "https" or not parts.netloc:
        raise probatio.Invalid("this is no https address")
    if parts.netloc.endswith("home-assistant.io"):
        raise probatio.Invalid("home-assistant.io documents core integrations only")
    return str(value)


def _version(value: Any) -> str:
    try:
        AwesomeVersion(str(value), ensure_strategy=_VERSIONS)
    except AwesomeVersionException as err:
        raise probatio.Invalid("Home Assistant does not load this version") from err
    return str(value)


def _lower_case(value: Any) -> str:
    if not isinstance(value, str) or value != value.lower():
        raise probatio.Invalid("a matcher is written in lower case")
    return value


_ZEROCONF_TYPE: Final = probatio.All(
    _lower_case, probatio.Match(r"^_[a-z0-9-]{1,15}\._(tcp|udp)\.local\.$")
)
_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required("domain"): probatio.Match(r"^[a-z0-9_]+$"),
        probatio.Required("name"): str,
        probatio.Required("codeowners"): probatio.All(
            [probatio.Match(r"^@[\w-]+$")], probatio.Length(min=1)
        ),
        probatio.Required("config_flow"): True,
        probatio.Required("documentation"): _url,
        probatio.Required("integration_type"): probatio.In(
            get_args(get_type_hints(Manifest)["integration_type"])
        ),
        probatio.Required("iot_class"): probatio.In(IOT_CLASSES),
        probatio.Required("issue_tracker"): _url,
        probatio.Required("requirements"): [probatio.Match(r"^[\w.-]+(\[[\w,]+\])?==[\w.]+$")],
        probatio.Required("version"): probatio.All(str, _version),
        probatio.Optional("after_dependencies"): [str],
        probatio.Optional("dependencies"): [str],
        probatio.Optional("import_executor"): bool,
        probatio.Optional("loggers"): [str],
        probatio.Optional("quality_scale"): probatio.In(SCALES),
        probatio.Optional("single_config_entry"): bool,
        probatio.Optional("zeroconf"): [
            probatio.Any(
                _ZEROCONF_TYPE,
                {
                    probatio.Required("type"): _ZEROCONF_TYPE,
                    probatio.Optional("name"): _lower_case,
                    probatio.Optional("properties"): {str: _lower_case},
                },
            )
        ],
    }
)


def manifest_fits_its_schema(repository: Repository) -> Iterator[Finding]:
    """Want every key to be known to be missing, and every value to be one that is taken."""
    try:
        _SCHEMA(repository.manifest)
    except probatio.MultipleInvalid as err:
        for error in err.errors:
            key = ".".join(str(part) for part in error.path)
            yield repository.finding("manifest.json", f"{key}: {error.msg}", "Correct this key")


def manifest_is_sorted(repository: Repository) -> Iterator[Finding]:
    """Want the domain and the name first, the rest by the alphabet."""
    keys = [*repository.manifest]
    if keys != sorted(keys, key=lambda key: ({"domain": 0, "name": 1}.get(key, 2), key)):
        yield repository.finding(
            "manifest.json", "its keys are not sorted", "Write domain, name, then a to z"
        )


def manifest_names_its_folder(repository: Repository) -> Iterator[Finding]:
    """Want the folder, the manifest and the code to agree on the domain."""
    if repository.manifest.get("domain") != repository.domain:
        yield repository.finding(
            "manifest.json", "the domain is not the folder's name", "Rename one of the two"
        )
    if repository.source.values(ast.Name("DOMAIN")) != {repository.domain}:
        yield repository.finding(
            "const.py", "DOMAIN is not the folder's name", "Say the same domain everywhere"
        )


def flow_of_the_manifest_is_there(repository: Repository) -> Iterator[Finding]:
    """Want what the manifest promises of the flow to stand in config_flow.py."""
    steps = {node.name for node in repository.source.nodes(ast.AsyncFunctionDef)}
    if not repository.has("config_flow.py"):
        yield repository.finding(
            "config_flow.py", "it is not there, though the manifest says config_flow", "Write it"
        )
    elif "zeroconf" in repository.manifest and "async_step_zeroconf" not in steps:
        yield repository.finding(
            "config_flow.py", "no step takes what zeroconf finds", "Write async_step_zeroconf"
        )


def setup_takes_no_settings_from_yaml(repository: Repository) -> Iterator[Finding]:
    """Want whoever writes settings into configuration.yaml to be told that they go nowhere."""
    modules = {module.name: module.tree.body for module in repository.source.modules}
    body = modules.get("__init__.py", [])
    assigned = {
        name.id
        for node in body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    functions = {node.name for node in body if isinstance(node, ast.AsyncFunctionDef)}
    if "async_setup" in functions and "CONFIG_SCHEMA" not in assigned:
        yield repository.finding(
            "__init__.py",
            "async_setup comes without a CONFIG_SCHEMA",
            "Set it to cv.config_entry_only_config_schema(DOMAIN)",
        )
