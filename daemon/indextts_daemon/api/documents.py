"""The household's moods and lexicon: as they are in force, as they are written, and another."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from indextts_daemon.service.document_scope import DocumentScope, DocumentWish
from indextts_daemon.service.feelings import Mood
from indextts_daemon.service.lexicon import shape
from indextts_daemon.service.preview import preview
from indextts_daemon.service.settings_file import etag
from indextts_daemon.speech import EMOTIONS

from .keys import SERVICES
from .outcome import marks, outcome, who
from .problems import TooLargeError
from .schema import PREVIEW, read_document, read_json, switch, validated

QUERY = {"dry_run": "Only looks whether the document could be taken."}
HEADERS = {"ETag": "Names the document that is written now, for If-Match."}
DESCRIPTION = (
    "The body is the whole document, of which comments survive; it is taken whole or not at all. "
    "With If-Match it is taken only if what is written now has this ETag, as GET tells it."
)


async def moods(request: web.Request) -> web.Response:
    """List the household's moods, and what it wrote down of them."""
    services = request.app[SERVICES]
    known = services.generations.current.moods.values()
    return await _shown(services.documents.moods, {"moods": [_mood(mood) for mood in known]})


async def put_moods(request: web.Request) -> web.Response:
    """Put another document of moods in place, if all of it is good."""
    return await _put(request, request.app[SERVICES].documents.moods)


async def lexicon(request: web.Request) -> web.Response:
    """List the rules by which the household's words are said, and what it wrote down of them."""
    services = request.app[SERVICES]
    now = services.generations.current.lexicon
    shown = {"name": now.name, "rules": [shape(rule) for rule in now.rules]}
    return await _shown(services.documents.lexicon, shown)


async def put_lexicon(request: web.Request) -> web.Response:
    """Put another lexicon in place, if all of it is good."""
    return await _put(request, request.app[SERVICES].documents.lexicon)


async def preview_text(request: web.Request) -> web.Response:
    """Show how a text would be read aloud, and which of the lexicon's rules are for it."""
    services = request.app[SERVICES]
    asked = validated(PREVIEW, await read_json(request))
    generation = services.generations.current
    default = generation.models[generation.default].info
    shown = await asyncio.to_thread(
        preview,
        asked["text"],
        generation.lexicon,
        language=asked.get("language", generation.settings.language),
        voice=asked.get("voice", ""),
        spells_out=default.pronunciation if default is not None else (),
    )
    return web.json_response(
        {"text": " ".join(shown.sentences), "hits": shown.hits, "sentences": shown.sentences}
    )


async def _shown(scope: DocumentScope[Any], shown: Mapping[str, object]) -> web.Response:
    document = await asyncio.to_thread(scope.document)
    response = web.json_response({**shown, "document": document})
    response.etag = etag(document)
    return response


async def _put(request: web.Request, scope: DocumentScope[Any]) -> web.Response:
    dry = switch(request, "dry_run")
    try:
        text = await read_document(request.clone(client_max_size=scope.most_bytes))
    except web.HTTPRequestEntityTooLarge as err:
        raise TooLargeError(f"The document is over {scope.most_bytes // 1024} KiB.") from err
    operation = await request.app[SERVICES].reloader.reload(
        scope.name,
        who=who(request),
        wish=DocumentWish(text=text, dry=dry, match=marks(request)),
        action="check" if dry else "put",
    )
    response = outcome(request, [operation])
    if response.status == 200 and not dry:  # noqa: PLR2004
        response.etag = etag(text)
    return response


def _mood(mood: Mood) -> dict[str, object]:
    weights = zip(EMOTIONS, mood.weights, strict=False)
    return {
        "id": mood.id,
        "emotion": {name: weight for name, weight in weights if weight},
        "strength": mood.strength,
        "speed": mood.speed,
    }
