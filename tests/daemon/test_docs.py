"""What the pages for authors of clients show works when it is run, and what they say is so."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

from indextts_daemon.api import schema, stream
from indextts_daemon.api.problems import STATUS
from indextts_daemon.api.schema import MAX_MESSAGE_BYTES, MAX_SESSION_CHARACTERS
from indextts_daemon.errors import SpeechError
from indextts_daemon.text import seams
from tests.daemon.door import TOKEN, Door
from tests.daemon.fake_audio import assert_spoken_by_fake

STREAMING = (Path(__file__).parents[2] / "docs/streaming.md").read_text("utf-8")
Speaking = Callable[..., AsyncIterator[bytes]]


@pytest.fixture
def speak() -> Speaking:
    """Return what the example of docs/streaming.md defines."""
    (example,) = re.findall(r"```python\n(.*?)```", STREAMING, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(example, "docs/streaming.md", "exec"), defined)  # noqa: S102 it is ours
    made: Speaking = defined["speak"]
    return made


async def told(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


async def test_the_example_speaks_what_is_still_being_written(door: Door, speak: Speaking) -> None:
    heard = bytearray()

    async def written() -> AsyncIterator[str]:
        yield "One is here. Tw"
        while not heard:
            await door.steps()
        yield "o is here."

    async for part in speak(door.url, TOKEN, written(), response_format="pcm", voice="fake-03"):
        heard += part
    assert_spoken_by_fake(np.frombuffer(heard, np.int16), ["One is here.", "Two is here."], tag=3)


@pytest.mark.parametrize("texts", [["This much. {{fail sudden}} And"], ["😀"], ["x" * 20_000]])
async def test_the_example_takes_no_part_for_the_whole(
    door: Door, speak: Speaking, texts: list[str]
) -> None:
    with pytest.raises(RuntimeError):
        async for _ in speak(door.url, TOKEN, told(*texts)):
            pass


def test_the_page_names_every_message_every_field_and_every_bound() -> None:
    fields = {str(key.schema) for key in schema.SESSION.schema} - {"type"}
    for name in (*schema.MESSAGES, *fields):
        assert re.search(rf"[`\"]{re.escape(name)}[`\"]", STREAMING), name
    for bound in (
        f"{MAX_SESSION_CHARACTERS} characters",
        f"{MAX_MESSAGE_BYTES // 1024} KiB",
        f"{stream.IDLE_S:.0f} seconds",
        f"within {stream.WRITING_S:.0f} seconds",
        f"every {stream.PING_S:.0f} seconds",
        f"{seams._PATIENCE} characters",
    ):
        assert bound in STREAMING, bound


def test_the_page_names_every_error_and_how_the_connection_closes_after_it() -> None:
    rows = re.findall(r"^\| (`.*?) \| (\d{4}) \|", STREAMING, re.MULTILINE)
    named = {code: int(close) for codes, close in rows for code in re.findall(r"\w+", codes)}
    assert {code: stream._close_code(SpeechError("", code=code)) for code in named} == named
    assert set(STATUS) - set(named) == {
        *("bad_request", "not_found", "method_not_allowed", "upgrade_required"),
        *("unauthorized", "foreign_origin", "pairing_code_invalid", "pairing_closed"),
        *("slow_body", "unsupported_media_type"),
        "resume_first",
        *("precondition_failed", "rejected", "settings_invalid", "version_not_found"),
        *("canary_failed", "insufficient_memory", "nothing_to_roll_back", "operation_not_found"),
        "version_incomplete",
        *("invalid_form", "not_audio", "empty", "too_long", "too_short", "too_quiet", "too_noisy"),
        *("clipped", "hum", "no_speech", "voice_exists", "voice_protected", "voice_not_kept"),
        *("voices_invalid", "voices_unreadable", "enrolment_failed"),
    }
