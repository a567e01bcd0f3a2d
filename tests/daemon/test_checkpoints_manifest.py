"""A manifest says exactly what a converted model is, or it is damaged; it names no other folder."""

from dataclasses import replace
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from indextts_daemon.checkpoints import manifest
from indextts_daemon.checkpoints.hyperparameters import Hyperparameters
from indextts_daemon.checkpoints.manifest import FileRecord, Manifest

RECORD = FileRecord(name="gpt.safetensors", sha256="0" * 64, bytes=5)
WHOLE = Manifest(
    version="2.5",
    model="indextts-2-5",
    made_by="indextts-daemon 1",
    hyperparameters=Hyperparameters(
        gpt_heads=20, dit_heads=8, emotion_groups=(3, 17, 2, 8, 4, 5, 10, 24)
    ),
    sources={"gpt": FileRecord(name="gpt.pth", sha256="1" * 64, bytes=6)},
    stages={"gpt": RECORD},
    tokenizer=FileRecord(name="words.tiktoken", sha256="2" * 64, bytes=7),
)


def content_of(folder: Path) -> Any:
    return json.loads((folder / manifest.NAME).read_text("utf-8"))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest.write(tmp_path, WHOLE)
    assert manifest.read(tmp_path) == WHOLE
    assert set(WHOLE.files) == {"gpt", "tokenizer"}


def test_what_judges_feelings_may_be_part_of_it(tmp_path: Path) -> None:
    judging = replace(WHOLE, feelings={"feelings": replace(RECORD, name="feelings.safetensors")})
    manifest.write(tmp_path, judging)
    assert manifest.read(tmp_path) == judging
    assert set(judging.files) == {"gpt", "tokenizer", "feelings"}


def test_a_manifest_from_before_there_were_judges_is_read(tmp_path: Path) -> None:
    manifest.write(tmp_path, WHOLE)
    content = content_of(tmp_path)
    del content["feelings"]
    (tmp_path / manifest.NAME).write_text(json.dumps(content), "utf-8")
    assert manifest.read(tmp_path) == WHOLE


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert manifest.read(tmp_path) is None
    (tmp_path / manifest.NAME).mkdir()
    assert manifest.read(tmp_path) is None


@pytest.mark.parametrize("tenths", range(10))
def test_a_part_of_a_manifest_is_damaged(tmp_path: Path, tenths: int) -> None:
    manifest.write(tmp_path, WHOLE)
    file = tmp_path / manifest.NAME
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * tenths // 10])
    with pytest.raises(ValueError, match=r"^manifest\.json is damaged"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("version", 2.5),
        ("stages", []),
        ("stages", {"gpt": {"name": "../gpt.safetensors", "sha256": "0" * 64, "bytes": 5}}),
        ("stages", {"gpt": {"name": "/gpt.safetensors", "sha256": "0" * 64, "bytes": 5}}),
        ("stages", {"gpt": {"name": "..", "sha256": "0" * 64, "bytes": 5}}),
        ("stages", {"gpt": {"name": "gpt.safetensors", "sha256": "0", "bytes": 5}}),
        ("stages", {"gpt": {"name": "gpt.safetensors", "sha256": "0" * 64, "bytes": "5"}}),
        ("stages", {"gpt": {"name": "gpt.safetensors"}}),
        ("stages", {"gpt": {"name": 3, "sha256": "0" * 64, "bytes": 5}}),
        ("tokenizer", None),
        ("hyperparameters", {"gpt_heads": 20}),
        ("hyperparameters", {"gpt_heads": 0, "dit_heads": 8, "emotion_groups": [1] * 8}),
    ],
)
def test_a_manifest_with_a_wrong_word_is_damaged(tmp_path: Path, key: str, value: Any) -> None:
    manifest.write(tmp_path, WHOLE)
    (tmp_path / manifest.NAME).write_text(json.dumps(content_of(tmp_path) | {key: value}))
    with pytest.raises(ValueError, match=r"^manifest\.json is damaged"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", "[" * 100_000, "#" * (1 << 21)])
def test_what_is_no_manifest_is_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / manifest.NAME).write_text(content)
    with pytest.raises(ValueError, match=r"^manifest\.json is damaged"):
        manifest.read(tmp_path)


def test_a_digest_counts_what_it_reads(tmp_path: Path) -> None:
    content = bytes(range(256)) * 70_000  # more than a block
    (tmp_path / "file").write_bytes(content)
    read: list[int] = []
    assert manifest.digest(tmp_path / "file", read.append) == hashlib.sha256(content).hexdigest()
    assert sum(read) == len(content)
    assert len(read) > 1
