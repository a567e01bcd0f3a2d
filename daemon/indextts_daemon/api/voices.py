"""The voices: who there is, and recordings that are judged, taken up, replaced and deleted."""

from collections.abc import Mapping
import hashlib
import json
from typing import Any

from aiohttp import web
import voluptuous as vol

from indextts_daemon.audio.coach import Report
from indextts_daemon.audio.recording import RecordingError
from indextts_daemon.errors import SpeechError, VoiceNotFoundError
from indextts_daemon.service.hearing import Heard, hear
from indextts_daemon.service.operations import Operation, Result
from indextts_daemon.service.sidecars import Stated
from indextts_daemon.service.voices_scope import AddVoice, DeleteVoice, ReplaceVoice, VoicesWish
from indextts_daemon.speech import Voice

from .keys import REQUEST_ID, SERVICES, Services
from .outcome import marks, who
from .problems import STATUS, describe, envelope
from .schema import ADDED_VOICE, ANALYZED, REPLACED_VOICE, validated
from .upload import read_upload

DESCRIPTION = (
    "`audio` is a wav, flac, ogg or mp3 file of at most 20 MB, known by what it holds. Use the "
    "voice only of somebody who agreed: `consent` says who that is and when. It is kept beside the "
    "recording. What was made of it is told as `quality`, also where it is refused."
)
MATCH = " With If-Match the voice must have that revision, as GET tells it."
PARAMS = {"voice_exists": "id", "voice_protected": "id", "voice_not_found": "id"}
HEADERS = {"ETag": "The voice's revision, for If-Match."}


async def voices(request: web.Request) -> web.Response:
    """List every voice of the loaded models; the ETag changes when the list does."""
    services = request.app[SERVICES]
    shapes = [_shape(voice, services) for voice in services.pool.voices().values()]
    body = json.dumps({"voices": shapes})
    etag = hashlib.sha256(body.encode()).hexdigest()[:16]
    known = request.if_none_match or ()
    response = (
        web.Response(status=304)
        if any(tag.value in {etag, "*"} for tag in known)
        else web.Response(text=body, content_type="application/json")
    )
    response.etag = etag
    return response


async def voice(request: web.Request) -> web.Response:
    """Show one voice. Raises VoiceNotFoundError."""
    services = request.app[SERVICES]
    found = services.pool.voices().get(request.match_info["id"])
    if found is None:
        raise VoiceNotFoundError("There is no such voice. GET /v1/voices lists them.", param="id")
    response = web.json_response(_shape(found, services))
    response.etag = found.revision
    return response


async def add_voice(request: web.Request) -> web.Response:
    """Take up a recording as a new voice."""
    heard, said = await _heard(request, ADDED_VOICE)
    wish = AddVoice(voice=said["id"], heard=heard, stated=_stated(said))
    return await _taken_up(request, wish, heard, action="add", status=201)


async def replace_voice(request: web.Request) -> web.Response:
    """Put another recording in the place of a voice's; what is not stated anew stays."""
    id_ = request.match_info["id"]
    heard, said = await _heard(request, REPLACED_VOICE)
    wish = ReplaceVoice(voice=id_, heard=heard, stated=_stated(said), match=marks(request))
    return await _taken_up(request, wish, heard, action="replace", status=200)


async def delete_voice(request: web.Request) -> web.Response:
    """Forget a voice, and all that was made of its recording."""
    wish = DeleteVoice(voice=request.match_info["id"], match=marks(request))
    done = await _done(request, wish, action="delete")
    told = {"operation": done.shape()}
    if done.result is Result.rejected:
        return _refused(request, done, told)
    return web.json_response(told)


async def analyze_recording(request: web.Request) -> web.Response:
    """Say how good a recording is, and keep nothing of it."""
    heard, _ = await _heard(request, ANALYZED)
    return web.json_response({"quality": _quality(heard.report)})


async def _heard(request: web.Request, schema: vol.Schema) -> tuple[Heard, dict[str, Any]]:
    """Read a form, and listen to what is in it. Raises SpeechError."""
    upload = await read_upload(request, known={str(field) for field in schema.schema})
    said = validated(schema, upload.fields)
    try:
        async with request.app[SERVICES].listening:  # each is a process with the whole sound
            return await hear(upload.audio), said
    except RecordingError as err:
        raise RecordingError(err.message, code=err.error_code, param="audio") from err


def _stated(said: dict[str, Any]) -> Stated:
    return Stated.of(
        consent=said["consent"], name=said.get("name"), languages=said.get("languages")
    )


async def _taken_up(
    request: web.Request, wish: VoicesWish, heard: Heard, *, action: str, status: int
) -> web.Response:
    """Answer with the voice that came of a recording, or with why none did."""
    services, quality = request.app[SERVICES], {"quality": _quality(heard.report)}
    done = await _done(request, wish, action=action)
    if done.result is Result.rejected:
        return _refused(request, done, quality)
    found = services.pool.voices().get(wish.voice) or _unspoken(services, wish.voice)
    response = web.json_response(_shape(found, services) | quality, status=status)
    response.etag = found.revision
    return response


async def _done(request: web.Request, wish: VoicesWish, *, action: str) -> Operation:
    return await request.app[SERVICES].reloader.reload(
        "voices", who=who(request), wish=wish, action=action, subject=wish.voice
    )


def _refused(request: web.Request, done: Operation, told: Mapping[str, object]) -> web.Response:
    """Answer with the problem, and what else is known."""
    message = " ".join(problem.message for problem in done.errors)
    code = done.code if done.code in STATUS else "rejected"
    error = SpeechError(message, code=code, param=PARAMS.get(code))
    response = describe(error, request[REQUEST_ID])
    response.text = json.dumps({**told, **envelope(error, request[REQUEST_ID])})
    return response


def _unspoken(services: Services, voice: str) -> Voice:
    """Describe a recording that no model which is loaded can speak with."""
    known = services.voices.known[voice]
    return Voice(
        id=voice,
        name=known.name,
        languages=known.languages,
        models=(),
        revision=known.revision,
    )


def _shape(voice: Voice, services: Services) -> dict[str, object]:
    feels = any(
        "emotion" in model.info.parameters
        for model in services.pool
        if model.info is not None and model.id in voice.models
    )
    recorded = [mood for mood, _ in voice.moods]
    own = not voice.handle and bool(voice.models)
    known = None if own else services.voices.known.get(voice.id)
    return {
        "id": voice.id,
        "name": voice.name,
        "languages": voice.languages,
        "models": voice.models,
        "moods": sorted({*services.generations.current.moods, *recorded}) if feels else [],
        "revision": voice.revision,
        "quality": _quality(known.report) if known and known.report else None,
        "consent": known.consent if known else None,
        "protected": known is None,
        "state": "stale_invalid" if known and known.stale else "ready",
        "reason": known.refusal if known else None,
    }


def _quality(report: Report) -> dict[str, Any]:
    return {**report.as_json(), "words": report.words, "usable": not report.refused}
