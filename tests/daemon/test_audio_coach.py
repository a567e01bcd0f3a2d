"""The coach: what it says of recordings as people make them, and what it measured."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
import re

import numpy as np
import pytest

from indextts_daemon.audio import coach, recording
from indextts_daemon.audio.coach import Report, Severity
from indextts_daemon.audio.pitch import pitch
from indextts_daemon.audio.recording import FRAME_S, HEARD_RATE
from tests.daemon import recordings
from tests.daemon.recordings import MADE, RATE, encoded, heart

REFUSED = Severity.refuse
WARNED = Severity.warn
SAID: Mapping[str, dict[str, Severity]] = {
    "clean": {},
    "clean mp3": {},
    "clean ogg": {},
    "clean flac, stereo": {},
    "a fan behind it": {"too_noisy": WARNED},
    "drowned in noise": {"too_noisy": REFUSED},
    "mains hum and DC": {"hum": WARNED},
    "too loud": {"clipped": WARNED},
    "far too loud": {"clipped": REFUSED},
    "quiet": {"too_quiet": WARNED},
    "hardly there": {"too_quiet": REFUSED},
    "three words": {"too_short": REFUSED},
    "one sentence": {"too_short": WARNED},
    "long pauses": {"too_long_silence": WARNED},
    "a telephone call": {"narrow_band": WARNED},
    "a bare room": {"echo": WARNED},
    "two people": {"multi_speaker": WARNED},
    "silence": {"no_speech": REFUSED},
    "noise alone": {"no_speech": REFUSED},
}


def examined(content: bytes) -> Report:
    return coach.examine(recording.read(content))[0]


@cache
def judged(made: str) -> Report:
    return examined(MADE[made]())


@pytest.mark.parametrize("made", MADE)
def test_it_says_what_is_wrong_and_nothing_else(made: str) -> None:
    report = judged(made)
    assert {finding.code: finding.severity for finding in report.findings} == SAID[made]
    assert report.refused == (REFUSED in SAID[made].values())
    for finding in report.findings:
        assert finding.message.endswith(".")
        assert "{" not in finding.message


def test_a_report_survives_being_written_down() -> None:
    report = judged("a fan behind it")
    assert Report.of_json(report.as_json()) == report


@pytest.mark.parametrize(
    "broken",
    [{}, {"findings": []}, {"findings": [{"code": "x"}]}, {"findings": 1}, {"findings": [1]}],
)
def test_what_is_no_report_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        Report.of_json(broken)


def test_a_level_is_that_of_the_speech_and_not_of_the_pauses() -> None:
    loud = judged("clean").level_dbfs
    paused = judged("long pauses").level_dbfs
    quiet = judged("quiet").level_dbfs
    assert paused == pytest.approx(loud, abs=1.5)
    assert quiet == pytest.approx(loud - 20, abs=0.5)


@pytest.mark.parametrize("decibels", [10, 20, 30])
def test_the_noise_is_measured(decibels: int) -> None:
    report = examined(encoded(heart() + recordings.noise(decibels)))
    assert report.snr_db == pytest.approx(decibels, abs=2)


@pytest.mark.parametrize(("decibels", "told"), [(20, True), (27, True), (33, False), (50, False)])
def test_a_hum_is_told_from_where_it_can_be_heard(decibels: int, *, told: bool) -> None:
    noise = recordings.noise(decibels)
    t = np.arange(len(heart())) / RATE
    hum = np.sin(2 * np.pi * 50 * t) * np.sqrt(2 * np.square(noise).mean())
    codes = {finding.code for finding in examined(encoded(heart() + hum, subtype="FLOAT")).findings}
    assert codes == ({"hum"} if told else set())


def test_nobody_is_sent_closer_and_further_away_at_once() -> None:
    cut = 0.004 * np.clip(20 * heart(), -1, 1)
    codes = [finding.code for finding in examined(encoded(cut, subtype="FLOAT")).findings]
    assert codes == ["too_quiet"]


def test_the_best_stretch_has_speech_and_no_faults() -> None:
    clean = np.concatenate([heart(), heart()])
    loud = np.clip(8 * heart(), -1, 1)
    report = examined(encoded(np.concatenate([loud, clean, loud])))
    begin, end = report.window_s
    first, last = len(loud) / RATE, (len(loud) + len(clean)) / RATE
    assert first - 1 <= begin < end <= last + 1
    assert 12 <= end - begin <= 15
    assert not report.findings


def test_the_short_stretch_lies_within_the_best_one() -> None:
    report = examined(encoded(np.concatenate([heart()] * 3)))
    (begin, end), (first, last) = report.window_s, report.fast_window_s
    assert begin <= first < last <= end
    assert 3 <= last - first <= 6


def test_the_reference_is_cut_in_pauses() -> None:
    whole = recording.read(encoded(np.concatenate([heart()] * 3)))
    report, part = coach.examine(whole)
    begin, end = (round(edge / FRAME_S) for edge in report.window_s)
    assert not (whole.speech[begin - 1] and whole.speech[begin])
    assert not (whole.speech[end - 1] and whole.speech[end])
    assert len(part.samples) / RATE == pytest.approx(
        report.window_s[1] - report.window_s[0], abs=0.01
    )


def test_what_is_shorter_than_the_best_is_used_whole() -> None:
    report = judged("three words")
    assert report.window_s[1] - report.window_s[0] == pytest.approx(report.duration_s, abs=0.5)


def test_few_words_say_how_good_it_is() -> None:
    assert judged("clean").words == "good"
    assert judged("a fan behind it").words == "usable, but too noisy"
    assert judged("silence").words == "unusable: no speech"


@pytest.mark.parametrize("hertz", [80, 120, 200, 330])
def test_the_pitch_is_that_of_the_tone(hertz: int) -> None:
    t = np.arange(HEARD_RATE) / HEARD_RATE
    tone = sum(np.sin(2 * np.pi * hertz * number * t) / number for number in range(1, 8))
    found = pitch(np.asarray(0.1 * tone, np.float32)[: HEARD_RATE // 512 * 512])
    assert np.median(found) == pytest.approx(hertz, rel=0.03)


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(512 * 40).astype(np.float32)
    assert np.mean(pitch(noise) > 0) < 0.1


def test_what_is_wrong_with_the_rest_is_no_finding() -> None:
    report = examined(encoded(np.concatenate([heart(), heart(), np.clip(20 * heart(), -1, 1)])))
    assert report.findings == ()


def test_the_page_for_households_explains_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs/voices.md").read_text("utf-8")
    explained = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert explained == {rule.code for rule in coach._RULES} | {coach._NO_SPEECH.code}
