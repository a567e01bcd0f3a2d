"""Models, voices and settings change while the house talks, as it is seen from Home Assistant."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache
import hashlib
from pathlib import Path
import re
from statistics import median
import time
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio

from indextts_daemon.service.studio import FakeStudio
from indextts_daemon.speech import EMOTIONS, Emotion
from indextts_daemon.text.feelings import limited
from tests.daemon.recordings import RATE, encoded, heart
from tests.e2e.changing import Home, begins_as, check, generation_of, moved_in, put_version
from tests.e2e.daemon_process import DaemonProcess
from tests.e2e.hearing import decoded, misheard
from tests.e2e.home_assistant import CommandError, HomeAssistant
from tests.e2e.log_expectations import LogExpectations
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Note = Callable[[str, object], None]  # keeps a figure with the results

SENTENCE = "The washing machine has finished."
NOTICED_S = 20
UNDERSTOOD = 0.2
TIMES = 10
NOTHING: Mapping[str, object] = MappingProxyType({})
MOST_CRASHES = 20  # announcements, until a version that dies again and again has gone
VERSIONS = {
    "fake": "generation: 1",
    "fake.b": "generation: 2",
    "fake.mute": "{generation: 3, sound: silent}",
    "fake.corrupt": "{generation: many}",
    "fake.frail": "{generation: 4, dies_after: 3}",  # as many as its test takes
    "robot": "{generation: 5, sound: silent}",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """Run a daemon with two good versions of its model, and some that are no good."""
    folder = tmp_path_factory.mktemp("studio")
    process = DaemonProcess(folder, name="Studio", host="127.0.0.1", engine="fake")
    for name, options in VERSIONS.items():
        put_version(process, name, options)
    (process.data / "voices").mkdir()
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def settled(house: HomeAssistant, studio: DaemonProcess) -> AsyncIterator[Home]:
    """Pair that daemon once for all tests."""
    home = await moved_in(house, studio)
    yield home
    await house.remove(home.paired.entry_id)


@pytest_asyncio.fixture(loop_scope="session")
async def home(settled: Home, log: LogExpectations) -> AsyncIterator[Home]:
    """Lend the two; whatever is changed, the entry is not set up again and nobody complains."""
    before = settled.setups()
    assert before
    yield settled
    await settled.hass.catch_up()
    assert settled.setups() == before
    log.check(settled.hass.complaints())


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A file that is written twice, and how the same words sound after each."""

    file: str
    content: Callable[[int], bytes]  # of an edition, 0 or 1
    heard: Callable[[int], dict[str, Any]]
    options: Mapping[str, object]


@cache
def recording(edition: int) -> bytes:
    return encoded(heart()[edition * RATE : (edition + 5) * RATE])


def tag(edition: int) -> int:
    """Return the number of the voice that the fake makes of a recording."""
    content = hashlib.sha256(recording(edition)).hexdigest()
    return int(FakeStudio().identity(content)[1])


def calm(edition: int) -> list[float]:
    return [0.2 + 0.4 * edition if one == "calm" else 0.0 for one in EMOTIONS]


def saying(word: str) -> bytes:
    return f"rules:\n  - {{from: machine, say: {word}}}\n".encode()


EDITS = [
    Edit(
        file="voices/anna.wav",
        content=recording,
        heard=lambda edition: {"tag": tag(edition)},
        options={"voice": "anna"},
    ),
    Edit(
        file="moods.yaml",
        content=lambda edition: f"calm: {{emotion: {{calm: {calm(edition)[-1]}}}}}\n".encode(),
        heard=lambda edition: {"emotion": Emotion(weights=limited(calm(edition)))},
        options={"mood": "calm"},
    ),
    Edit(
        file="lexicon.yaml",
        content=lambda edition: saying(f"engine{edition}"),
        heard=lambda edition: {"sentence": SENTENCE.replace("machine", f"engine{edition}")},
        options={},
    ),
]


async def test_a_recording_in_the_folder_is_offered_and_one_that_is_taken_away_is_not(
    home: Home, record_testsuite_property: Note
) -> None:
    file = home.daemon.data / "voices" / "otto.wav"

    file.write_bytes(recording(0))
    took = await until_offered(home, "otto", is_there=True)
    record_testsuite_property("seconds from a copied recording to the list of voices", took)
    check(await home.spoken(SENTENCE, voice="otto"), SENTENCE, tag=tag(0))

    file.unlink()
    took = await until_offered(home, "otto", is_there=False)
    record_testsuite_property("seconds from a deleted recording to the list of voices", took)


async def test_a_voice_that_is_added_or_deleted_by_command_is_offered_or_not(
    home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "recording.wav"
    file.write_bytes(recording(1))
    said = ("--id=lena", "--name=Lena", "--consent=She said yes, today.")

    await home.daemon.commanded("voices", "add", file, *said)
    await until_offered(home, "lena", is_there=True)
    check(await home.spoken(SENTENCE, voice="lena"), SENTENCE, tag=tag(1))

    await home.daemon.commanded("voices", "delete", "lena", "--yes")
    await until_offered(home, "lena", is_there=False)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.file.partition(".")[0])
async def test_what_was_kept_of_an_announcement_is_not_played_once_it_would_sound_different(
    home: Home, edit: Edit, record_testsuite_property: Note
) -> None:
    file = home.daemon.data / edit.file
    file.write_bytes(edit.content(0))
    if "voice" in edit.options:
        await until_offered(home, str(edit.options["voice"]), is_there=True)
    await until_heard(home, edit.options, **edit.heard(0))
    requests = await home.daemon.requests()
    kept = await home.spoken(SENTENCE, **edit.options)
    assert await home.daemon.requests() == requests

    file.write_bytes(edit.content(1))
    written = time.monotonic()
    anew = await until_heard(home, edit.options, **edit.heard(1))
    took = round(time.monotonic() - written, 1)
    record_testsuite_property(f"seconds from an edit of {edit.file} to hearing it", took)

    assert anew != kept
    assert await home.daemon.requests() == requests + 1
    generation = int((await home.shown("sensor.generation"))["state"])
    file.unlink()
    await home.follows("sensor.generation", str(generation + 1))


async def test_the_default_model_is_chosen_and_rolled_back_from_home_assistant(
    home: Home, record_testsuite_property: Note
) -> None:
    await home.act("select.select_option", "select.model", option="embedded")
    assert (await home.tell("GET", "/v1/status"))["model"] == "embedded"
    chosen = await home.follows("select.model", "embedded")
    chosen -= (await home.newest("models"))["ended_at"]
    record_testsuite_property("seconds from a chosen model to its select", round(chosen, 2))
    await home.follows("sensor.model", "Embedded voices")
    assert is_understood(await home.spoken(SENTENCE))

    await home.act("button.press", "button.rollback")
    assert (await home.tell("GET", "/v1/status"))["model"] == "fake"
    back = await home.follows("select.model", "fake") - (await home.newest("models"))["ended_at"]
    record_testsuite_property("seconds from a rollback to the select of the model", round(back, 2))
    check(await home.spoken(SENTENCE), SENTENCE)


async def test_the_default_voice_is_chosen_from_home_assistant(home: Home) -> None:
    await home.act("select.select_option", "select.default_voice", option="Fake 7 (fake-07)")
    check(await home.spoken(SENTENCE), SENTENCE, tag=7)

    await home.act("select.select_option", "select.default_voice", option="automatic")
    check(await home.spoken(SENTENCE), SENTENCE)


async def test_a_button_has_the_daemon_read_at_once_what_was_written(home: Home) -> None:
    file = home.daemon.data / "lexicon.yaml"
    file.write_bytes(saying("drum"))
    await home.act("button.press", "button.reload")

    assert (await home.newest("lexicon"))["result"] == "applied"
    await until_heard(home, sentence=SENTENCE.replace("machine", "drum"))

    file.unlink()
    await home.act("button.press", "button.reload")
    await until_heard(home)


async def test_a_button_loads_the_model_before_anybody_speaks(home: Home) -> None:
    async def is_(state: str) -> bool | None:
        listed = (await home.tell("GET", "/v1/models"))["data"]
        return any((model["id"], model["state"]) == ("fake", state) for model in listed) or None

    await home.tell("POST", "/v1/models/fake/unload", params={"wait": "true"})
    assert await is_("unloaded")

    await home.act("button.press", "button.prewarm")

    await eventually(lambda: is_("ready"), what="the model", within_s=NOTICED_S)
    await home.follows("sensor.state", "ready")


async def test_in_game_mode_the_embedded_voice_speaks_until_it_is_switched_off(
    home: Home, record_testsuite_property: Note
) -> None:
    await home.act("switch.turn_on", "switch.game_mode")
    assert (await home.tell("GET", "/v1/status"))["paused"]["reason"] == "game mode"
    began = (await home.newest("sharing"))["started_at"]
    on = await home.follows("switch.game_mode", "on") - began
    record_testsuite_property("seconds from game mode to its switch", round(on, 2))
    await home.follows("sensor.state", "paused")
    await home.hass.forget_speech()
    assert is_understood(await home.spoken(SENTENCE))

    await home.act("switch.turn_off", "switch.game_mode")
    assert (await home.tell("GET", "/v1/status"))["paused"] is None
    began = (await home.newest("sharing"))["started_at"]
    off = await home.follows("switch.game_mode", "off") - began
    record_testsuite_property("seconds from the end of game mode to its switch", round(off, 2))
    await home.follows("sensor.state", "ready")
    await home.hass.forget_speech()
    check(await home.spoken(SENTENCE), SENTENCE)


async def test_in_game_mode_an_announcement_fails_in_words_where_the_household_wants_silence(
    home: Home, log: LogExpectations
) -> None:
    words = "is paused. It speaks again once its game mode is switched off"
    log.expect(words, "The loudspeaker got 500")
    headers = {"Content-Type": "application/yaml"}
    silence = "sharing: {while_away: refuse}\n"
    await home.tell("PUT", "/v1/config", data=silence, headers=headers)
    await home.act("switch.turn_on", "switch.game_mode")
    await home.follows("sensor.state", "paused")

    with pytest.raises(CommandError, match="got 500"):
        await home.hass.speak(home.paired.entity_id, "Dinner is ready.")

    await home.act("switch.turn_off", "switch.game_mode")
    await home.tell("PUT", "/v1/config", data="{}\n", headers=headers)
    await home.follows("sensor.state", "ready")


@pytest.mark.parametrize("version", ["mute", "corrupt"])
async def test_a_version_that_cannot_speak_is_a_repair_and_the_good_one_speaks_on(
    home: Home, version: str
) -> None:
    await activate(home, version, status=422)

    for number in range(3):
        sentence = f"Nobody hears announcement {number} of {version}."
        check(await home.spoken(sentence), sentence)
    await is_told_until_another_is_good(home, version)


async def test_a_model_that_cannot_speak_is_refused_in_words_where_it_was_chosen(
    home: Home, log: LogExpectations
) -> None:
    words = "The line in English is silent"
    log.expect(words)
    with pytest.raises(CommandError, match=words):
        await home.act("select.select_option", "select.model", option="robot")

    assert (await home.shown("select.model"))["state"] == "fake"
    sentence = "Nobody hears the robot."
    check(await home.spoken(sentence), sentence)
    await is_told_until_another_is_good(home, "main", model="robot")


async def test_a_version_that_dies_again_and_again_is_a_repair_and_the_one_before_is_back(
    home: Home,
) -> None:
    # Otherwise it would say what comes while another process is started.
    await home.tell("POST", "/v1/models/embedded/unload", params={"wait": "true"})
    await activate(home, "frail")

    generation = 0
    for number in range(MOST_CRASHES):
        sentence = f"This is announcement {number}."
        sound = await home.spoken(sentence)
        check(sound, sentence, generation=(generation := generation_of(sound)))
        if generation == 1:
            break
    assert generation == 1
    await is_told_until_another_is_good(home, "frail")


async def test_a_broken_settings_file_is_a_repair_until_it_is_mended(
    home: Home, record_testsuite_property: Note
) -> None:
    file = home.daemon.data / "settings.yaml"
    good = file.read_text() if file.exists() else "{}\n"

    file.write_text("# Written in a hurry.\nqueue:\n  capacity: many\n")
    written = time.monotonic()
    repair = await eventually(
        lambda: repair_of(home, "settings_rejected"), what="the repair", within_s=NOTICED_S
    )
    took = round(time.monotonic() - written, 1)
    record_testsuite_property("seconds from broken settings to the repair", took)
    problems = repair["translation_placeholders"]["problems"]
    assert "settings.yaml, line 3, queue.capacity: expected a whole number" in problems
    check(await home.spoken(SENTENCE), SENTENCE)

    file.write_text(good)
    await eventually(
        lambda: repair_gone(home, "settings_rejected"), what="its end", within_s=NOTICED_S
    )


async def test_home_assistant_shows_a_new_generation_as_soon_as_it_counts(
    home: Home, record_testsuite_property: Note
) -> None:
    headers = {"Content-Type": "application/yaml"}
    seconds = []
    for number in range(TIMES):
        made = await home.tell("PUT", "/v1/lexicon", data=saying(f"word{number}"), headers=headers)
        shown = await home.follows("sensor.generation", str(made["generation"]))
        seconds.append(shown - (await home.newest("lexicon"))["ended_at"])
    record_testsuite_property(
        "seconds from a new generation to Home Assistant", round(median(seconds), 3)
    )
    record_testsuite_property(
        "seconds from a new generation to Home Assistant, at most", round(max(seconds), 3)
    )
    await home.tell("PUT", "/v1/lexicon", data="rules: []\n", headers=headers)
    await until_heard(home)


def is_understood(sound: bytes) -> bool:
    return misheard(SENTENCE, decoded(sound)[1]) <= UNDERSTOOD


async def is_told_until_another_is_good(home: Home, version: str, model: str = "fake") -> None:
    repair = await eventually(
        lambda: repair_of(home, "canary_failed"), what="the repair", within_s=NOTICED_S
    )
    about = repair["translation_placeholders"]
    assert (about["name"], about["model"], about["version"]) == ("Studio", model, version)
    assert re.fullmatch(r"[A-Z].{20,}\.", about["reason"])

    await activate(home, "b")
    await eventually(lambda: repair_gone(home, "canary_failed"), what="its end", within_s=NOTICED_S)
    await until_heard(home, generation=2)
    await activate(home, "main")
    await until_heard(home)


async def activate(home: Home, version: str, *, status: int = 200) -> None:
    await home.tell(
        "POST",
        "/v1/models/fake/activate",
        status=status,
        params={"wait": "true"},
        json={"version": version},
    )


async def until_heard(
    home: Home, options: Mapping[str, object] = NOTHING, sentence: str = SENTENCE, **heard: Any
) -> bytes:
    """Wait until the words sound so; nothing else is heard than what was before, and this."""

    async def says_so() -> bytes | None:
        sound = await home.spoken(SENTENCE, **options)
        return sound if begins_as(sound, sentence, **heard) else None

    sound = await eventually(says_so, what="what was changed", within_s=NOTICED_S)
    check(sound, sentence, **heard)
    return sound


async def until_offered(home: Home, voice: str, *, is_there: bool) -> float:
    """Wait until a voice can be chosen, or no longer, and return how long that took."""

    async def is_so() -> bool | None:
        offered = voice in await home.hass.voices(home.paired.entity_id, "en")
        return (offered is is_there) or None

    begun = time.monotonic()
    await eventually(is_so, what=f"{voice} in the list", within_s=NOTICED_S)
    return round(time.monotonic() - begun, 1)


async def repair_of(home: Home, kind: str) -> dict[str, dict[str, str]] | None:
    return next((one for one in await home.repairs() if one["translation_key"] == kind), None)


async def repair_gone(home: Home, kind: str) -> bool | None:
    return await repair_of(home, kind) is None or None
