"""Checks that quality_scale.yaml answers every rule of Home Assistant's quality scale."""

from collections.abc import Iterator
from typing import Any, Final

from .manifest import SCALES
from .repository import Finding, Repository

_RULES: Final = {
    "bronze": (
        "action-setup",
        "appropriate-polling",
        "brands",
        "common-modules",
        "config-flow",
        "config-flow-test-coverage",
        "dependency-transparency",
        "docs-actions",
        "docs-conditions",
        "docs-high-level-description",
        "docs-installation-instructions",
        "docs-removal-instructions",
        "docs-triggers",
        "entity-event-setup",
        "entity-unique-id",
        "has-entity-name",
        "runtime-data",
        "test-before-configure",
        "test-before-setup",
        "unique-config-entry",
    ),
    "silver": (
        "action-exceptions",
        "config-entry-unloading",
        "docs-configuration-parameters",
        "docs-installation-parameters",
        "entity-unavailable",
        "integration-owner",
        "log-when-unavailable",
        "parallel-updates",
        "reauthentication-flow",
        "test-coverage",
    ),
    "gold": (
        "devices",
        "diagnostics",
        "discovery",
        "discovery-update-info",
        "docs-data-update",
        "docs-examples",
        "docs-known-limitations",
        "docs-supported-devices",
        "docs-supported-functions",
        "docs-troubleshooting",
        "docs-use-cases",
        "dynamic-devices",
        "entity-category",
        "entity-device-class",
        "entity-disabled-by-default",
        "entity-translations",
        "exception-translations",
        "icon-translations",
        "reconfiguration-flow",
        "repair-issues",
        "stale-devices",
    ),
    "platinum": (
        "async-dependency",
        "inject-websession",
        "strict-typing",
    ),
}
_FILE: Final = "quality_scale.yaml"


def every_rule_is_answered(repository: Repository) -> Iterator[Finding]:
    """Want each rule of each tier done, to do, or exempt for a reason that is given."""
    answers = repository.yaml(_FILE).get("rules") or {}
    rules = {rule for tier in SCALES for rule in _RULES[tier]}
    for rule in sorted(rules - answers.keys()):
        yield repository.finding(_FILE, f"{rule} is missing", "Answer the rule")
    for rule in sorted(answers.keys() - rules):
        yield repository.finding(_FILE, f"{rule} is no rule", "Delete it")
    for rule, answer in answers.items():
        if _status(answer) not in {"done", "todo", "exempt"}:
            yield repository.finding(_FILE, f"{rule} has no status", "Say done, todo or exempt")
        elif _status(answer) == "exempt" and not (
            isinstance(answer, dict) and answer.get("comment")
        ):
            yield repository.finding(_FILE, f"{rule} is exempt for no reason", "Add a comment")


def claimed_scale_is_earned(repository: Repository) -> Iterator[Finding]:
    """Want what the manifest claims to hold: no rule up to that tier is still to do."""
    claimed = repository.manifest.get("quality_scale")
    if claimed not in SCALES:
        return
    answers = repository.yaml(_FILE).get("rules") or {}
    for tier in SCALES[: SCALES.index(claimed) + 1]:
        for rule in _RULES[tier]:
            if _status(answers.get(rule)) not in {"done", "exempt"}:
                yield repository.finding(
                    _FILE, f"{rule} is to do, but {claimed} is claimed", "Do it or claim less"
                )


def _status(answer: Any) -> Any:
    return answer.get("status") if isinstance(answer, dict) else answer
