"""What GitHub runs for this repository is well-formed, and may read and do nothing else."""

from pathlib import Path
import re
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent.parent.parent / ".github/workflows"
KEYS = {"concurrency", "jobs", "name", "on", "permissions"}
JOB_KEYS = {"runs-on", "steps", "timeout-minutes"}
STEP_KEYS = {"if", "name", "run", "uses", "with"}
ACTION = re.compile(r"[\w.-]+/[\w.-]+(/[\w.-]+)*@(v\d+|main|master|[0-9a-f]{40})")


class Loader(yaml.SafeLoader):
    """Reads `on` as the word that GitHub means by it."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

WORKFLOWS = {
    path.name: yaml.load(path.read_text("utf-8"), Loader)  # noqa: S506 - a SafeLoader with less
    for path in sorted(FOLDER.glob("*"))
}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_holds_what_github_knows(workflow: dict[str, Any]) -> None:
    assert set(workflow) == KEYS
    assert workflow["concurrency"]["cancel-in-progress"] == "true"
    for job in workflow["jobs"].values():
        assert set(job) == JOB_KEYS
        assert int(job["timeout-minutes"]) <= 60
    for step in steps(workflow):
        assert set(step) <= STEP_KEYS
        assert ("run" in step) != ("uses" in step)


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_may_only_read(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow["on"]


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_every_action_is_named_with_its_ref(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        assert "uses" not in step or ACTION.fullmatch(step["uses"]), step


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_every_change_is_looked_at(workflow: dict[str, Any]) -> None:
    assert workflow["on"]["push"] == {"branches": ["main"]}
    assert "pull_request" in workflow["on"]


def test_home_assistant_and_hacs_look_every_night() -> None:
    validate = WORKFLOWS["validate.yml"]
    assert len(validate["on"]["schedule"]) == 1
    used = {step["uses"]: step.get("with") for step in steps(validate)}
    assert "home-assistant/actions/hassfest@master" in used
    assert used["hacs/action@main"] == {"category": "integration"}


def test_github_runs_what_everybody_runs_and_keeps_what_it_saw() -> None:
    test = steps(WORKFLOWS["test.yml"])
    assert [step["run"] for step in test if "run" in step] == ["scripts/test"]
    (upload,) = [step for step in test if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    assert upload["with"]["path"].split() == ["artifacts/screenshots", "artifacts/test"]
