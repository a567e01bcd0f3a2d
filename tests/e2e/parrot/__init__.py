"""A conversation agent for tests: it says back what it is told, piece by piece, as a model would.

It is also the satellite that hears it: Assist's own command asks for mp3 alone, a satellite for
whatever it can play.
"""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any, Final, Literal, override

from homeassistant.components import websocket_api
from homeassistant.components.assist_pipeline import PipelineStage, async_get_pipeline
from homeassistant.components.assist_pipeline.pipeline import PipelineInput, PipelineRun
from homeassistant.components.conversation import (
    DATA_COMPONENT,
    AssistantContentDeltaDict,
    ChatLog,
    ConversationEntity,
    ConversationInput,
    ConversationResult,
    async_get_result_from_chat_log,
)
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import chat_session
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

NUM_PIECES: Final = 40
TALK_S: Final = 4.0


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Add the agent, and the command that has it heard by a satellite."""
    await hass.data[DATA_COMPONENT].async_add_entities([Parrot()])
    websocket_api.async_register_command(hass, hear)
    return True


class Parrot(ConversationEntity):
    """Takes four seconds for any answer."""

    _attr_name = "Parrot"
    _attr_supports_streaming = True

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        return MATCH_ALL

    @override
    async def _async_handle_message(
        self, user_input: ConversationInput, chat_log: ChatLog
    ) -> ConversationResult:
        pieces = _pieces(user_input.text)
        async for _ in chat_log.async_add_delta_content_stream(user_input.agent_id, pieces):
            pass
        return async_get_result_from_chat_log(user_input, chat_log)


@websocket_api.websocket_command(
    {
        vol.Required("type"): "parrot/hear",
        vol.Required("pipeline"): str,
        vol.Required("input"): {"text": str},
        vol.Required("tts_audio_output"): dict,
    }
)
@websocket_api.async_response
async def hear(
    hass: HomeAssistant, connection: websocket_api.ActiveConnection, message: dict[str, Any]
) -> None:
    """Run a pipeline as `assist_pipeline/run` does, for a player that has wishes."""
    run = PipelineRun(
        hass,
        context=connection.context(message),
        pipeline=async_get_pipeline(hass, pipeline_id=message["pipeline"]),
        start_stage=PipelineStage.INTENT,
        end_stage=PipelineStage.TTS,
        event_callback=lambda event: connection.send_event(message["id"], event),
        tts_audio_output=message["tts_audio_output"],
    )
    connection.send_result(message["id"])
    with chat_session.async_get_chat_session(hass, context=run.context) as session:
        asked = PipelineInput(run=run, session=session, intent_input=message["input"]["text"])
        await asked.execute(validate=True)


async def _pieces(text: str) -> AsyncGenerator[AssistantContentDeltaDict]:
    yield {"role": "assistant"}
    cuts = [len(text) * number // NUM_PIECES for number in range(NUM_PIECES + 1)]
    for start, end in pairwise(cuts):
        yield {"content": text[start:end]}
        await asyncio.sleep(TALK_S / NUM_PIECES)
