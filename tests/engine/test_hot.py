"""Promises with the real engine: what is changed while a tiny IndexTTS-2.5 speaks, by the byte."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
import io
import os
from pathlib import Path
import re
import signal
from typing import Any

import aiohttp
import pytest
import yaml

from tests.daemon.rooms import is_running
from tests.daemon.running import RunningDaemon
from tests.daemon.test_promise_memory import look
from tests.engine import parity
from tests.engine.parity import ParitySet, Record
from tests.engine.serving import furnish, record
from tests.engine.talking import LINES, MOOD, WORD, Talk, eventually, heard_while
from tests.engine.test_served import ready
from tests.engine.versions import convert_all, cut_off, flip_a_bit, louder, mute, poison, rework

SET = "v2_5"
MODEL = "indextts-2-5"
pytestmark = pytest.mark.skipif(SET not in parity.set_names(), reason="no golden vectors")

PATIENT = {"load_timeout_s": 600, "step_timeout_s": 300}
SETTINGS: dict[str, Any] = {
    "indextts": {"quality": "fast"},  # a pause leaves alone what is told to stay on the CPU
    "models": {"max_hold_s": 300, "drain_timeout_s": 300},
    "worker": PATIENT,
}
CONSENT = "Anna said yes on 3 May 2026."
MOST_MIB = 32  # that a front may grow by while models come and go: a worker has hundreds

Tell = Callable[[str, object], None]


class House(RunningDaemon):
    """A daemon with a tiny model in several versions, and two voices of recordings."""

    def __init__(self, golden: ParitySet, data_dir: Path) -> None:
        self.model = furnish(golden, data_dir)
        convert_all(self.model)
        rework(self.model, "b", louder)
        (data_dir / "moods.yaml").write_text(mood(0.2))
        self.settings = SETTINGS
        super().__init__(data_dir, "--engine", "indextts", settings=SETTINGS)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file of the data folder as editors do."""
        temporary = self.data_dir / f".{Path(name).name}.tmp"
        temporary.write_bytes(content)
        temporary.rename(self.data_dir / name)

    def configure(self, **sections: Any) -> None:
        """Edit the settings file."""
        self.settings = {**self.settings, **sections}
        self.replace("settings.yaml", yaml.safe_dump(self.settings).encode())

    def derived(self) -> set[str]:
        """Name all that was made of recordings."""
        folder = self.data_dir / "state" / "voices"
        return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def mood(anger: float) -> str:
    return yaml.safe_dump({MOOD: {"emotion": {"angry": anger}}})


def recording(folder: Path, language: str, **how: float) -> bytes:
    """Return the recording of an embedded voice."""
    file = folder / f"{language}.wav"
    record(file, language, **how)
    return file.read_bytes()


def form(audio: bytes, **fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"consent": CONSENT, **fields}.items():
        made.add_field(name, value)
    made.add_field("audio", io.BytesIO(audio), filename="a.wav")
    return made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = parity.folder()
    assert place is not None
    with House(ParitySet(place / SET, Record()), tmp_path_factory.mktemp("house")) as house:
        yield house
        assert house.stop() == 0


@pytest.fixture
async def talk(house: House) -> Any:
    async with house.session() as session:
        await ready(session)
        yield Talk(session, MODEL)


async def activate(talk: Talk, version: str, **request: Any) -> Any:
    body, path = {"version": version}, f"/v1/models/{MODEL}/activate?wait=true"
    return await talk.ask("POST", path, json=body, **request)


async def other_version(talk: Talk) -> str:
    """Name the good version that does not speak now."""
    listed = (await talk.ask("GET", f"/v1/models/{MODEL}/versions"))["versions"]
    (active,) = [one["version"] for one in listed if one["state"] == "active"]
    return "main" if active == "b" else "b"


def speakers(house: House) -> list[int]:
    """Return the processes that hold the real engine."""

    def has_torch(pid: int) -> bool:
        try:
            return "libtorch" in Path(f"/proc/{pid}/maps").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False

    return [*filter(has_torch, look(house.process.pid).children)]


async def edit_mood(house: House, _: Talk, __: Path) -> None:
    house.replace("moods.yaml", mood(0.9).encode())


async def edit_lexicon(house: House, _: Talk, __: Path) -> None:
    house.replace("lexicon.yaml", f"rules:\n  - {{from: {WORD}, say: Seersha}}\n".encode())


async def edit_recording(house: House, _: Talk, tmp_path: Path) -> None:
    house.replace("voices/lena.wav", recording(tmp_path, "fr"))


async def edit_setting(house: House, talk: Talk, _: Path) -> None:
    """Change how well it speaks, where there is no room for two models."""
    (pid,) = speakers(house)
    held = {one["id"]: one["memory_bytes"] for one in (await talk.ask("GET", "/v1/models"))["data"]}
    budget = (1.4 * held[MODEL] + (held["embedded"] or 0)) / 2**30
    await set_budget(house, talk, round(budget, 2))
    quality = "fast" if house.settings["indextts"]["quality"] == "balanced" else "balanced"
    house.configure(indextts={"quality": quality})
    await eventually(lambda: is_swapped(talk))
    assert not is_running(pid)


async def set_budget(house: House, talk: Talk, gib: float | None) -> None:
    house.configure(models={**SETTINGS["models"], "memory_budget_gib": gib})
    await talk.ask("POST", "/v1/reload", json={"scope": "config"})


async def is_swapped(talk: Talk) -> bool:
    listed = (await talk.ask("GET", "/v1/operations"))["operations"]
    swaps = [one for one in listed if one["scope"] == "config" and one["details"].get("mode")]
    if not swaps or swaps[0]["result"] == "running":
        return False
    assert (swaps[0]["result"], swaps[0]["details"]["mode"]) == ("applied", "in_place"), swaps[0]
    return True


async def edit_model(_: House, talk: Talk, __: Path) -> None:
    done = (await activate(talk, await other_version(talk)))["operation"]
    assert done["details"]["mode"] == "side_by_side"


Edit = Callable[[House, Talk, Path], Awaitable[None]]
EDITS: dict[str, tuple[Edit, set[int]]] = {
    "a mood": (edit_mood, {2}),
    "the lexicon": (edit_lexicon, {1}),
    "a recording": (edit_recording, {0, 2}),
    "a model": (edit_model, {0, 1, 2}),
    "a setting": (edit_setting, {0, 1, 2}),
}
LONG = {"the lexicon", "a model", "a setting"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in EDITS]
)
async def test_an_edit_is_heard_and_each_answer_is_of_one_generation_to_the_byte(
    house: House, talk: Talk, tmp_path: Path, name: str, record_property: Tell
) -> None:
    edit, lines = EDITS[name]
    await set_budget(house, talk, None)
    took_s, changed = await heard_while(talk, lambda: edit(house, talk, tmp_path))
    record_property(f"seconds until {name} is heard", round(took_s, 2))
    assert changed == lines


def nobody(model: Path, name: str) -> None:
    """Put a version there that only breathes out."""
    rework(model, name, mute)


def poisoned(model: Path, name: str) -> None:
    rework(model, name, poison)


BAD: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "cut-off": (cut_off, r"vocoder\.safetensors is cut off or changed"),
    "flipped": (flip_a_bit, r"vocoder\.safetensors was changed or damaged"),
    "poisoned": (poisoned, r"vocoder\.safetensors holds a number that is not finite"),
    "silent": (nobody, r"The line in English is silent\."),
}


async def test_bad_versions_are_refused_in_words_and_not_a_byte_changes(
    house: House, talk: Talk
) -> None:
    await set_budget(house, talk, None)
    before, pids = await talk.alone(), speakers(house)
    async with talk.crowd(1, pause_s=3.0) as crowd:
        for name, (make, reason) in BAD.items():
            make(house.model, name)
            refusal = await activate(talk, name, status=422)
            assert re.search(reason, refusal["error"]["message"])
            listed = (await talk.ask("GET", f"/v1/models/{MODEL}/versions"))["versions"]
            (bad,) = [one for one in listed if one["version"] == name]
            assert bad["state"] == "failed"
            assert re.search(reason, bad["reason"])
    crowd.require(before)
    assert await talk.alone() == before
    assert speakers(house) == pids


async def test_after_kills_the_same_bytes_are_heard_and_nobody_does_anything(
    house: House, talk: Talk
) -> None:
    before = await talk.alone()
    idle = await killed(house, talk)
    asked = asyncio.create_task(answered(talk))
    await eventually(lambda: speaks(talk, asked))
    speaking = await killed(house, talk)
    who, content = await asked
    assert (who, content) == (MODEL, before.sounds[0]) or (who == "embedded" and content)
    assert (await talk.alone()).sounds == before.sounds
    assert len({idle, speaking, *speakers(house)}) == 3


async def killed(house: House, talk: Talk) -> int:
    """Kill the model's process, and wait until it is back; return the pid of the dead one."""
    (pid,) = speakers(house)
    os.kill(pid, signal.SIGKILL)
    await gone(pid)

    async def is_back() -> bool:
        models = (await talk.ask("GET", "/v1/models"))["data"]
        (state,) = (model["state"] for model in models if model["id"] == MODEL)
        return state == "ready" and speakers(house) not in ([], [pid])

    await eventually(is_back)
    return pid


async def answered(talk: Talk) -> tuple[str, bytes]:
    """Hear a line by whoever can say it; return who did, and how."""
    body = {"response_format": "pcm", "language": "en", **LINES[0]}
    async with talk.session.post("/v1/audio/speech", json=body) as response:
        content = await response.read()
        assert response.status == 200, content
        return response.headers["X-IndexTTS-Model"], content


async def speaks(talk: Talk, asked: asyncio.Task[Any]) -> bool:
    status = await talk.ask("GET", "/v1/status")
    return asked.done() or bool(status["queue"]["in_flight"])


async def gone(pid: int) -> None:
    async def is_gone() -> bool:
        return not is_running(pid)

    await eventually(is_gone)


@pytest.mark.parametrize("cycles", [2, pytest.param(20, marks=pytest.mark.long)])
async def test_a_pause_ends_the_process_and_after_it_the_same_bytes_are_heard(
    house: House, talk: Talk, cycles: int, record_property: Tell
) -> None:
    before, seen = await talk.alone(), []
    for cycle in range(cycles):
        (pid,) = speakers(house)
        refuses = cycle == 1
        house.configure(sharing={"while_away": ("embedded", "refuse")[refuses]})
        await talk.ask("POST", "/v1/reload", json={"scope": "config"})
        await talk.ask("POST", "/v1/pause?wait=true", json={})
        assert not is_running(pid)
        assert speakers(house) == []
        if refuses:
            refused = await talk.ask("POST", "/v1/audio/speech", 503, json=LINES[0])
            assert refused["error"]["code"] == "paused"
        else:
            assert (await answered(talk))[0] == "embedded"
        await talk.ask("POST", "/v1/resume", json={})
        await ready(talk.session)
        after = await talk.alone()
        assert after.sounds == before.sounds
        seen.append(look(house.process.pid))
    front, tree = ([getattr(one, f"{what}_mib") for one in seen] for what in ("front", "tree"))
    record_property("front_mib", f"{front[0]:.0f} -> {front[-1]:.0f}")
    record_property("tree_mib", f"{tree[0]:.0f} -> {tree[-1]:.0f}")
    assert front[-1] - front[0] < MOST_MIB
    assert tree[-1] - tree[0] < 2 * MOST_MIB
    assert len(seen[-1].children) <= len(seen[0].children)


async def test_a_voice_comes_changes_and_goes_and_leaves_nothing_while_others_speak(
    house: House, talk: Talk, tmp_path: Path
) -> None:
    before, derived = await talk.alone(), house.derived()
    first, second = recording(tmp_path, "it"), recording(tmp_path, "es")
    async with talk.crowd(1, pause_s=2.0) as crowd:
        await talk.ask("POST", "/v1/voices", 201, data=form(first, id="anna"))
        as_first, made = await talk.say(0, voice="anna"), house.derived() - derived
        await talk.ask("PUT", "/v1/voices/anna", data=form(second))
        as_second, made = await talk.say(0, voice="anna"), made | house.derived() - derived
        await talk.ask("DELETE", "/v1/voices/anna")
        refused = await talk.ask(
            "POST", "/v1/audio/speech", 404, json={**LINES[0], "voice": "anna"}
        )
        assert refused["error"]["code"] == "voice_not_found"
        assert sum(file.endswith(".safetensors") for file in made) == 2

        async def is_forgotten() -> bool:
            return not house.derived() & made

        await eventually(is_forgotten)
    assert len({as_first.content, as_second.content, *before.sounds}) == 2 + len(LINES)
    crowd.require(before, await talk.alone())
    assert house.derived() == derived
    assert not [*house.data_dir.rglob("*anna*")]


@pytest.mark.long
async def test_a_version_that_dies_thrice_soon_after_it_came_goes_back_by_itself(
    house: House, talk: Talk
) -> None:
    before = await talk.alone()
    await activate(talk, await other_version(talk))
    assert (await talk.alone()).sounds != before.sounds
    for _ in range(3):
        (pid,) = speakers(house)
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
        await eventually(lambda: has_news(talk))
    await eventually(lambda: has_ended(talk))
    operation = await last_operation(talk)
    assert (operation["action"], operation["who"]) == ("rollback", "probation")
    assert operation["result"] == "applied"
    assert (await talk.alone()).sounds == before.sounds


async def last_operation(talk: Talk) -> Any:
    return (await talk.ask("GET", "/v1/operations"))["operations"][0]


async def has_ended(talk: Talk) -> bool:
    return bool((await last_operation(talk))["result"] != "running")


async def has_news(talk: Talk) -> bool:
    """Tell whether the model has come back, or another is asked for."""
    listed = (await talk.ask("GET", "/v1/models"))["data"]
    states = [one["state"] for one in listed if one["id"] == MODEL]
    return states == ["ready"] or (await last_operation(talk))["who"] == "probation"
