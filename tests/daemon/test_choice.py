"""Which engine speaks, and the reason that is given for it."""

from pathlib import Path
import re
import tomllib
from types import SimpleNamespace
from typing import Any

import pytest

from indextts_daemon import choice
from indextts_daemon.checkpoints.layout import LayoutError
from indextts_daemon.choice import choose, not_installed
from indextts_daemon.config import Settings, load_settings
from indextts_daemon.gpu import Gpu
from tests.daemon.checkpoint_files import write_published

ROOT = Path(__file__).parent.parent.parent
USABLE = Gpu(words="RTX 5090")
TOO_OLD = Gpu(words="GTX 1080", trouble="The card is too old for torch.")


def settings(**flags: object) -> Settings:
    return load_settings(file=None, environment={}, flags=flags)


def packages_of(extra: str) -> set[str]:
    """Name what an extra of ours installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {re.split(r"[^a-z0-9_-]", one)[0] for one in project["optional-dependencies"][extra]}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "not_installed", lambda: "")


def holds(monkeypatch: pytest.MonkeyPatch, models: dict[Path, str]) -> None:
    """Let these folders hold models of these versions."""

    def find(folder: Path) -> Any:
        if folder not in models:
            raise LayoutError("nothing here")
        return SimpleNamespace(version=models[folder], warning="")

    monkeypatch.setattr(choice, "find", find)


def test_auto_takes_indextts_where_everything_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "indextts-2"
    holds(monkeypatch, {folder: "2"})
    chosen = choose(settings(), tmp_path, gpu=USABLE)
    assert (chosen.engine, chosen.model, chosen.folder) == ("indextts", "indextts-2", folder)


def test_of_two_models_the_newer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {
        tmp_path / "models" / f"indextts-{name}": v for name, v in (("2", "2"), ("2-5", "2.5"))
    }
    holds(monkeypatch, folders)
    assert choose(settings(), tmp_path, gpu=USABLE).model == "indextts-2-5"


def test_auto_falls_back_and_says_for_want_of_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(monkeypatch, {})
    none = choose(settings(), tmp_path, gpu=USABLE)
    assert (none.engine, none.model) == ("embedded", "embedded")
    assert "models download" in none.reason
    holds(monkeypatch, {tmp_path / "models" / "indextts-2-5": "2.5"})
    assert "too old" in choose(settings(), tmp_path, gpu=TOO_OLD).reason
    monkeypatch.setattr(choice, "not_installed", lambda: "torch")
    assert "torch is not installed" in choose(settings(), tmp_path, gpu=USABLE).reason


def test_auto_takes_the_cpu_only_when_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(monkeypatch, {tmp_path / "models" / "indextts-2-5": "2.5"})
    asked = settings(**{"indextts.device": "cpu"})
    assert choose(asked, tmp_path, gpu=TOO_OLD).engine == "indextts"


def test_what_is_asked_for_is_taken_whatever_is_missing(tmp_path: Path) -> None:
    chosen = choose(settings(engine="indextts"), tmp_path, gpu=TOO_OLD)
    assert (chosen.engine, chosen.model) == ("indextts", "indextts-2-5")
    assert chosen.folder == tmp_path / "models" / "indextts-2-5"
    assert choose(settings(engine="fake"), tmp_path).model == "fake"


def test_a_folder_of_ones_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holds(monkeypatch, {Path("/elsewhere"): "2"})
    asked = settings(engine="indextts", **{"indextts.model": "/elsewhere"})
    assert choose(asked, tmp_path).model == "indextts-2"


@pytest.mark.parametrize("model", choice.MODELS.values())
def test_what_a_model_that_is_there_lacks_is_the_reason(tmp_path: Path, model: str) -> None:
    folder = tmp_path / "models" / model
    folder.mkdir(parents=True)
    assert "no model is downloaded" in choose(settings(), tmp_path, gpu=USABLE).reason
    version = next(one for one, name in choice.MODELS.items() if name == model)
    (write_published(folder, version) / "feat1.pt").unlink()
    reason = choose(settings(), tmp_path, gpu=USABLE).reason
    assert reason.startswith("IndexTTS is not used: the model's folder lacks feat1.pt.")
    assert reason.endswith(f"models download {model}")


def test_that_the_converted_files_are_not_used_is_part_of_the_reason(tmp_path: Path) -> None:
    folder = write_published(tmp_path / "models/indextts-2-5")
    (folder / "manifest.json").write_text("{}", "utf-8")
    for asked in (settings(), settings(engine="indextts")):
        chosen = choose(asked, tmp_path, gpu=USABLE)
        assert chosen.engine == "indextts"
        assert "convert the model again. The published files are used instead." in chosen.reason


@pytest.mark.parametrize(("found", "engine"), [(USABLE, "indextts"), (TOO_OLD, "embedded")])
def test_auto_looks_at_the_machines_own_card(
    found: Gpu, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds(monkeypatch, {tmp_path / "models" / "indextts-2-5": "2.5"})
    monkeypatch.setattr(choice, "look", lambda: found)
    assert choose(settings(), tmp_path).engine == engine


@pytest.mark.parametrize("missing", [None, *sorted(packages_of("indextts") - {"huggingface-hub"})])
def test_every_package_is_missed_but_what_only_downloads(
    missing: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None if name == missing else object())
    assert not_installed() == (missing or "")
