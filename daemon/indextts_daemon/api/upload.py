"""Forms with a recording in them, read within bounds: a part that is too much ends it."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from indextts_daemon.audio.recording import MAX_BYTES
from indextts_daemon.errors import InvalidRequestError

from .problems import SlowBodyError, TooLargeError, UnsupportedMediaTypeError

AUDIO = "audio"  # the part that holds the recording
MOST_FIELDS = 8
NAME_LENGTH = 64  # of a part, as far as it is told
FIELD_BYTES = 8 * 1024
FORM_BYTES = 128 * 1024  # beside the recording
UPLOAD_S = 120.0  # for all of it, however slow the network is
CHUNK_BYTES = 1 << 16


class InvalidFormError(InvalidRequestError):
    """The body is no form."""

    code = "invalid_form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a form holds."""

    audio: bytes = field(repr=False)
    fields: dict[str, str]


async def read_upload(request: web.Request, *, known: Collection[str]) -> Upload:
    """Read a form in which a recording is, and of other parts none but the `known`.

    Raises UnsupportedMediaTypeError, TooLargeError, SlowBodyError and InvalidRequestError.
    """
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaTypeError(
            "Send a form, multipart/form-data, with the recording as its part `audio`."
        )
    if (request.content_length or 0) > MAX_BYTES + FORM_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(UPLOAD_S):
            return await _form(request, known)
    except TimeoutError as err:
        raise SlowBodyError(f"The form did not arrive within {UPLOAD_S:.0f} seconds.") from err
    except InvalidRequestError:
        raise
    except (ValueError, RuntimeError, HttpProcessingError, web.RequestPayloadError) as err:
        raise InvalidFormError("The body is not a valid form.") from err


async def _form(request: web.Request, known: Collection[str]) -> Upload:
    parts: dict[str, bytes] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise InvalidFormError("Each part of the form needs a name.")
        if part.name in parts or len(parts) == MOST_FIELDS:
            raise InvalidFormError("The form has too many parts.")
        if part.name not in {AUDIO, *known}:
            name = part.name[:NAME_LENGTH]
            raise InvalidRequestError(
                f"There is no part `{name}` in this form. The recording goes into `{AUDIO}`.",
                param=name,
            )
        parts[part.name] = await _content(part, part.name)
    if AUDIO not in parts:
        raise InvalidRequestError("`audio` is missing.", param=AUDIO)
    audio = parts.pop(AUDIO)
    return Upload(audio=audio, fields={name: held.decode() for name, held in parts.items()})


async def _content(part: BodyPartReader, name: str) -> bytes:
    most = MAX_BYTES if name == AUDIO else FIELD_BYTES
    content = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES):
        content += chunk
        if len(content) > most:
            if name == AUDIO:
                raise _too_large()
            raise InvalidRequestError("A part of the form is too long.", param=name)
    return bytes(content)


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"The file is larger than {MAX_BYTES >> 20} MB. Half a minute of speech is plenty.",
        param=AUDIO,
    )
