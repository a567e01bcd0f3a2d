"""Enrolment with a tiny model: from recordings in a folder to voices that an engine can load."""

import asyncio
from collections.abc import Callable
import hashlib
import json
import logging
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
import torch

from indextts_daemon.audio import coach, recording
from indextts_daemon.checkpoints.layout import find
from indextts_daemon.checkpoints.revision import revision_of
from indextts_daemon.engines.indextts import enrol, voice_file
from indextts_daemon.engines.indextts.conditioning import (
    STAGES,
    ReferenceNetworks,
    encode_reference,
)
from indextts_daemon.engines.indextts.enrol import Job, Wanted
from indextts_daemon.engines.indextts.loader import open_weights
from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.service.studio import ChangedError
from indextts_daemon.service.voices import VoiceStore
from indextts_daemon.worker.process import child_environment
from tests.daemon.recordings import MADE
from tests.engine import parity
from tests.engine.conftest import SETS
from tests.engine.listeners import conditioning_of, reference_networks, variant_of
from tests.engine.official import copy_official
from tests.engine.parity import ParitySet

of_one_version = pytest.mark.parametrize("golden", SETS[-1:], indirect=True)
KEYS = [f"{number:032x}" for number in range(8)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def model(golden: ParitySet, shelf: Path, tmp_path: Path) -> Path:
    """Lay out a published model."""
    return copy_official(golden, shelf, tmp_path / "model")


def replaced(file: Path, content: bytes) -> None:
    """Give a file of the model other content; it shares its own with other models."""
    file.unlink()
    file.write_bytes(content)


def recorded(folder: Path, made: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{made.replace(' ', '-')}.wav"
    file.write_bytes(MADE[made]())
    return file


def job_of(model: Path, folder: Path, *files: Path) -> Job:
    wanted = [
        Wanted(
            voice=file.stem,
            key=key,
            file=file,
            content=hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "",
        )
        for file, key in zip(files, KEYS, strict=False)
    ]
    return Job(
        model=model,
        revision=open_weights(model).revision,
        enrolled=folder,
        threads=1,
        recordings=tuple(wanted),
    )


def told_of(run: Callable[[Callable[[Any], None]], None]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    run(told.append)
    return told


def results(told: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {said["key"]: said for said in told if "stage" not in said}


def test_the_front_and_the_engine_name_the_same_weights_alike(model: Path) -> None:
    assert revision_of(find(model)) == open_weights(model).revision


def test_a_voice_is_what_its_best_stretch_conditions(
    golden: ParitySet, model: Path, tmp_path: Path
) -> None:
    file = recorded(tmp_path / "voices", "clean")
    job = job_of(model, tmp_path / "enrolled", file)
    told = told_of(lambda tell: enrol.enrol(job, tell))
    found = voice_file.load(job.enrolled, KEYS[0])
    report, part = coach.examine(recording.read(file.read_bytes()))
    networks: ReferenceNetworks = reference_networks(golden)
    samples = torch.from_numpy(part.samples)[None]
    _, meant = conditioning_of(
        encode_reference(networks, variant_of(golden), samples, part.sample_rate)
    )
    for name in voice_file.RANKS:
        difference = getattr(found, name) - getattr(meant, name)
        assert difference.abs().max() <= parity.STAGE, name
    origin = voice_file.origin(job.enrolled, KEYS[0])
    assert origin["model"] == variant_of(golden).id
    assert coach.Report.of_json(origin["report"]) == report
    content = (job.enrolled / f"{KEYS[0]}.safetensors").read_bytes()
    assert results(told)[KEYS[0]] == {
        "key": KEYS[0],
        "report": report.as_json(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "refusal": "",
        "passing": False,
    }


def test_every_stage_is_told_and_counted(model: Path, tmp_path: Path) -> None:
    file = recorded(tmp_path / "voices", "one sentence")
    job = job_of(model, tmp_path / "enrolled", file)
    told = told_of(lambda tell: enrol.enrol(job, tell))
    steps = [said for said in told if "stage" in said]
    assert [said["stage"] for said in steps] == ["loading", "listening", *STAGES]
    assert [said["done"] for said in steps] == [0, *range(1 + len(STAGES))]
    assert {said["total"] for said in steps} == {1 + len(STAGES)}


def test_a_bad_recording_costs_only_itself(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    silent, good = recorded(folder, "silence"), recorded(folder, "one sentence")
    text = folder / "text.wav"
    text.write_text("no sound")
    told = told_of(lambda tell: enrol.enrol(job_of(model, tmp_path, silent, text, good), tell))
    nobody, nothing, fine = (results(told)[key] for key in KEYS[:3])
    assert nobody["refusal"].startswith("Nobody is heard speaking.")
    assert nobody["report"]["findings"][0]["code"] == "no_speech"
    assert nothing["refusal"] == "The file is not a wav, flac, ogg or mp3 recording."
    assert nothing["report"] is None
    assert fine["refusal"] == ""
    assert not any(said["passing"] for said in (nobody, nothing, fine))
    assert [path.stem for path in tmp_path.glob("*.safetensors")] == [KEYS[2]]


@pytest.mark.parametrize("fault", ["gone", "replaced", "disk", "unforeseen"])
def test_what_is_no_fault_of_the_recording_may_be_tried_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    file = recorded(tmp_path / "voices", "one sentence")
    job = job_of(model, tmp_path / "enrolled", file)

    def unforeseen(*_: object) -> None:
        raise MemoryError(str(tmp_path))

    match fault:
        case "gone":
            file.unlink()
        case "replaced":
            file.write_bytes(MADE["silence"]())
        case "disk":
            job.enrolled.write_text("in the way")
        case "unforeseen":
            monkeypatch.setattr(coach, "examine", unforeseen)
    (said,) = results(told_of(lambda tell: enrol.enrol(job, tell))).values()
    assert said["passing"]
    assert said["refusal"].endswith(".")
    assert str(tmp_path) not in said["refusal"]
    assert not said["sha256"]


def test_other_weights_than_were_meant_are_not_listened_with(model: Path, tmp_path: Path) -> None:
    job = job_of(model, tmp_path / "enrolled", recorded(tmp_path / "voices", "one sentence"))
    replaced(model / "feat2.pt", (model / "feat1.pt").read_bytes())
    with pytest.raises(EngineUnavailableError) as caught:
        enrol.enrol(job, lambda _: None)
    assert caught.value.error_code == "model_changed"


async def test_a_folder_of_recordings_becomes_voices(
    golden: ParitySet, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "voices"
    recorded(folder, "clean mp3").rename(folder / "anna.mp3")
    recorded(folder, "silence").rename(folder / "bob.wav")
    store = VoiceStore(folder, tmp_path / "state/voices")
    options = await store.prepare(model, languages=variant_of(golden).languages)
    assert [voice["id"] for voice in options["voices"]] == ["heart", "anna"]
    for voice in options["voices"]:
        found = voice_file.load(Path(options["enrolled"]), voice["key"])
        assert found.prompt_mel.shape[2] > 3 * 86
    assert "voice heart is enrolled: good" in caplog.text
    assert "the recording of voice bob is no good: Nobody is heard speaking." in caplog.text
    assert await store.prepare(model, languages=variant_of(golden).languages) == options


@of_one_version
async def test_recordings_come_go_and_turn_bad_while_a_model_speaks(
    golden: ParitySet, model: Path, tmp_path: Path
) -> None:
    folder, enrolled = tmp_path / "voices", tmp_path / "state/voices"
    recorded(folder, "clean mp3").rename(folder / "anna.mp3")
    store = VoiceStore(folder, enrolled)
    languages = variant_of(golden).languages
    told = await store.prepare(model, languages=languages)
    recorded(folder, "a fan behind it").rename(folder / "bob.wav")
    before = {voice.id: voice for voice in await store.recast(model, languages=languages)}
    assert list(before) == ["heart", "anna", "bob"]
    assert before["anna"].handle == told["voices"][1]["key"]
    assert voice_file.load(enrolled, before["bob"].handle).prompt_mel.shape[2] > 3 * 86
    recorded(folder, "silence").rename(folder / "bob.wav")
    assert {voice.id: voice for voice in await store.recast(model, languages=languages)} == before
    assert store.known["bob"].stale
    (folder / "bob.wav").unlink()
    after = await store.recast(model, languages=languages)
    await store.release(lambda: [voice.handle for voice in after])
    with pytest.raises(voice_file.VoiceFileError):
        voice_file.load(enrolled, before["bob"].handle)
    voice_file.load(enrolled, before["anna"].handle)


@of_one_version
async def test_a_model_that_is_no_good_is_said_so(model: Path, tmp_path: Path) -> None:
    replaced(find(model).files["speaker_encoder"], b"damaged")
    with pytest.raises(EngineUnavailableError) as caught:
        await VoiceStore(tmp_path / "voices", tmp_path / "enrolled").prepare(
            model, languages=["en"]
        )
    assert caught.value.error_code == "checkpoint_invalid"
    assert "campplus_cn_common.bin" in caught.value.message


@of_one_version
async def test_voices_are_made_by_the_weights_that_were_let_in_and_no_others(
    model: Path, tmp_path: Path
) -> None:
    store = VoiceStore(tmp_path / "voices", tmp_path / "enrolled")
    for making in (store.prepare, store.recast):
        with pytest.raises(ChangedError, match="not those that it was let in with"):
            await making(model, languages=["en"], content="0123456789abcdef")
    assert not (tmp_path / "enrolled").exists()


@of_one_version
async def test_the_process_ends_with_its_parent_and_keeps_the_cpu_for_others(
    model: Path, tmp_path: Path
) -> None:
    """The parent is gone when nobody holds the other end of standard input."""
    file = recorded(tmp_path / "voices", "clean")
    job = job_of(model, tmp_path / "enrolled", *[file] * 8)
    line = {
        "model": str(model),
        "revision": job.revision,
        "enrolled": str(job.enrolled),
        "threads": 1,
        "recordings": [
            {"voice": one.voice, "key": one.key, "file": str(file), "content": one.content}
            for one in job.recordings
        ],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "indextts_daemon.engines.indextts.enrol"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**child_environment(), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(line).encode() + b"\n")
        async with asyncio.timeout(120):
            assert json.loads(await process.stdout.readline())["stage"] == "loading"
            assert os.getpriority(os.PRIO_PROCESS, process.pid) >= enrol.NICE
            assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"  # noqa: ASYNC240 no disk
            process.stdin.close()
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
