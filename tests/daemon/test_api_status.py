"""What the daemon says of itself, through a real door."""

from typing import Any

import aiohttp
import pytest

from tests.daemon.door import Door, Opener

HEADED = ("/livez", "/readyz", "/healthz", "/")


async def asked(door: Door, path: str = "/v1/status") -> Any:
    async with door.session.get(path) as response:
        assert response.status == 200
        return await response.json()


async def test_a_fresh_daemon_has_its_state_and_no_figures(door: Door) -> None:
    told = await asked(door)
    told["last_reload"].pop("voices", None)  # looked at when the model was there
    assert told == {
        "state": "ready",
        "model": "fake",
        "model_name": "Fake",
        "revision": (await asked(door, "/v1/info"))["revision"],
        "generation": told["generation"],
        "paused": None,
        "game_mode": False,
        "canary": {"failed": None, "model": None, "version": None},
        "last_reload": {},
        "queue": {"waiting": 0, "in_flight": 0, "capacity": 64},
        "recent": {
            "requests": 0,
            "first_audio_p50_s": None,
            "first_audio_p95_s": None,
            "real_time_factor": None,
        },
    }


async def test_what_was_spoken_is_in_the_figures(door: Door) -> None:
    for _ in range(3):
        await door.speak("Hello.")
    recent = (await asked(door))["recent"]
    assert recent["requests"] == 3
    assert 0 < recent["first_audio_p50_s"] <= recent["first_audio_p95_s"]
    assert recent["real_time_factor"] is not None


async def test_what_is_being_spoken_shows(open_door: Opener) -> None:
    async with open_door(**{"fake.step_s": 0.05, "queue.capacity": 7}) as door:
        order = {"input": "The washing machine is done.", "response_format": "wav"}
        async with door.session.post("/v1/audio/speech", json=order) as response:
            await response.content.readany()
            assert (await asked(door))["queue"] == {"waiting": 0, "in_flight": 1, "capacity": 7}
            await response.read()
        assert (await asked(door))["recent"]["requests"] == 1


@pytest.mark.parametrize("spoke", [None, "The model made silence."])
async def test_a_daemon_that_cannot_speak_says_so(door: Door, spoke: str | None) -> None:
    door.services.health.spoke = spoke
    assert (await asked(door))["state"] == "loading"
    await door.services.synthesizer.drain(timeout_s=1)
    assert (await asked(door))["state"] == "draining"


@pytest.mark.parametrize("path", HEADED)
@pytest.mark.parametrize("spoke", ["", None])
async def test_head_is_answered_as_get_without_the_body(
    door: Door, path: str, spoke: str | None
) -> None:
    door.services.health.spoke = spoke
    answers = []
    for method in ("GET", "HEAD"):
        async with aiohttp.request(method, door.url + path) as response:
            body = await response.read()
            kept = {name: response.headers[name] for name in ("Content-Type", "Content-Length")}
            answers.append((response.status, kept))
            assert bool(body) == (method == "GET")
    assert answers[0] == answers[1]
    assert answers[0][0] == (503 if spoke is None and path in {"/readyz", "/healthz"} else 200)
