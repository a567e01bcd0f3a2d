"""A spoken answer of Assist, as a satellite gets it: the run's events beside the sound."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
import time
from typing import Any

from tests.e2e.home_assistant import Arrival, HomeAssistant
from tests.e2e.pairing import Paired

Way = tuple[str, dict[str, Any]]  # a command, and what it takes besides
# What Assist's own panel runs, and what the parrot runs for a satellite with these wishes.
PANEL: Way = ("assist_pipeline/run", {"start_stage": "intent", "end_stage": "tts"})
LOSSLESS: Way = ("parrot/hear", {"tts_audio_output": {"preferred_format": "wav"}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a run."""

    pieces: list[float]  # when each piece of the text was said (Unix)
    arrivals: list[Arrival]
    silent_at: float  # when the sound had ended (Unix)
    errors: list[dict[str, Any]]

    @property
    def sound(self) -> bytes:
        return b"".join(arrival.sound for arrival in self.arrivals)


@asynccontextmanager
async def assistant(hass: HomeAssistant, paired: Paired) -> AsyncIterator[str]:
    """Have a voice assistant of which the parrot is the mind, and a daemon the voice."""
    made = await hass.command(
        "assist_pipeline/pipeline/create",
        name="Parrot",
        language="en",
        conversation_engine="conversation.parrot",
        conversation_language="en",
        **dict.fromkeys(("stt_engine", "stt_language", "wake_word_entity", "wake_word_id")),
        tts_engine=paired.entity_id,
        tts_language="en",
        tts_voice=None,
    )
    yield made["id"]
    await hass.command("assist_pipeline/pipeline/delete", pipeline_id=made["id"])


async def converse(
    hass: HomeAssistant,
    pipeline: str,
    text: str,
    way: Way,
    *,
    at_piece: Callable[[int], Awaitable[None]] | None = None,
) -> Answer:
    """Have the parrot say a text, and play it from the moment at which a satellite would."""
    pieces: list[float] = []
    errors: list[dict[str, Any]] = []
    hearing: asyncio.Task[tuple[list[Arrival], float]] | None = None
    place = ""
    command, wishes = way
    asked = wishes | {"pipeline": pipeline, "input": {"text": text}}
    async with aclosing(hass.events(command, **asked)) as events:
        async for event in events:
            data = event["data"]
            match event["type"]:
                case "run-start":
                    place = data["tts_output"]["url"]
                case "intent-progress" if data.get("tts_start_streaming"):
                    hearing = asyncio.create_task(_heard(hass.listen(place)))
                case "intent-progress" if data["chat_log_delta"].get("content"):
                    pieces.append(datetime.fromisoformat(event["timestamp"]).timestamp())
                    if at_piece is not None:
                        await at_piece(len(pieces))
                case "error":
                    errors.append(data)
                case "run-end":
                    break
    assert hearing is not None, "Home Assistant did not speak before the text was whole"
    arrivals, silent_at = await hearing
    return Answer(pieces=pieces, arrivals=arrivals, silent_at=silent_at, errors=errors)


async def _heard(sounds: AsyncGenerator[Arrival]) -> tuple[list[Arrival], float]:
    async with aclosing(sounds):
        return [arrival async for arrival in sounds], time.time()
