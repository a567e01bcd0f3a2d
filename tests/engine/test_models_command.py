"""A model's whole life through the command line: fetched, converted, verified, removed."""

import json
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon import cli
from indextts_daemon.checkpoints.catalogue import PUBLISHED, Published
from tests.daemon.hub_server import LICENSE, HubServer
from tests.engine.official import write_official
from tests.engine.parity import ParitySet


@pytest.fixture
def model(golden: ParitySet) -> Published:
    (found,) = [model for model in PUBLISHED if model.version == golden.version]
    return found


@pytest.fixture
def hub(golden: ParitySet, model: Published, tmp_path: Path) -> HubServer:
    """Offer a hub with the golden weights, each part in its own repository."""
    flat = write_official(golden, tmp_path / "published")
    own, *others = model.parts
    holds = {own.huggingface: {"LICENSE": LICENSE.encode()} | files_in(flat)}
    for part in others:
        folder = flat / part.huggingface.partition("/")[2]
        holds[part.huggingface] = files_in(folder) or {
            name: (flat / name).read_bytes() for name in part.files
        }
    return HubServer(holds)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}


def test_a_model_is_fetched_converted_verified_and_removed(
    hub: HubServer,
    model: Published,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data_dir = tmp_path / "data"
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.setenv("INDEXTTS_SERVER__PORT", "9")  # where no daemon is

    def run(action: str, *arguments: str) -> int:
        capsys.readouterr()
        return cli.main(["models", action, *arguments, "--data-dir", str(data_dir)])

    def listed() -> dict[str, Any]:
        assert run("list", "--json") == 0
        entries = json.loads(capsys.readouterr().out)["models"]
        return {entry["id"]: entry for entry in entries}[model.id]

    with hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert run("download", model.id, "--accept-license") == 0
    assert listed() | {"official": True, "converted": False, "problem": ""} == listed()
    assert run("verify", model.id) == 0
    assert run("convert", model.id) == 0
    assert listed() | {"official": True, "converted": True, "problem": ""} == listed()
    assert run("verify", model.id) == 0
    assert "the converted files: as they should be" in capsys.readouterr().out

    vocoder = data_dir / "models" / model.id / "converted/vocoder.safetensors"
    content = bytearray(vocoder.read_bytes())
    content[-2] ^= 1
    vocoder.write_bytes(content)
    assert run("verify", model.id) == 1
    assert "vocoder.safetensors was changed or damaged" in capsys.readouterr().out
    assert run("convert", model.id) == 0
    assert run("verify", model.id) == 0
    assert run("remove", model.id, "--yes") == 0
    assert listed()["bytes"] == 0
