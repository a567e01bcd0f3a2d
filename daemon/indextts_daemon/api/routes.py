"""The route table that the server runs and the contract is made from."""

from . import answers, catalogue, events, openapi, pairing, schema, speech, status
from .route import Route

_BODY_ERRORS = (400, 408, 413, 415, 422, 500)
ROUTES = (
    Route(
        method="GET",
        path="/livez",
        handler=status.livez,
        answers={200: "text/plain"},
        errors=(),
        open=True,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=status.readyz,
        answers={200: answers.HEALTH, 503: answers.HEALTH},
        query=status.QUERY,
        errors=(500,),
        open=True,
    ),
    Route(
        method="GET",
        path="/healthz",
        handler=status.healthz,
        answers={200: answers.HEALTH, 503: answers.HEALTH},
        query=status.QUERY,
        errors=(500,),
        open=True,
    ),
    Route(
        method="GET",
        path="/v1/info",
        handler=status.info,
        answers={200: answers.INFO},
        errors=(500,),
        open=True,
    ),
    Route(
        method="GET",
        path="/v1/openapi.yaml",
        handler=openapi.contract,
        answers={200: "application/yaml"},
        errors=(500,),
        open=True,
    ),
    Route(
        method="POST",
        path="/v1/pair",
        handler=pairing.pair,
        body=schema.PAIR,
        answers={200: answers.PAIRED},
        errors=(403, 410, *_BODY_ERRORS),
        open=True,
    ),
    Route(
        method="POST",
        path="/v1/pair/code",
        handler=pairing.open_code,
        answers={200: answers.PAIRING_CODE},
    ),
    Route(
        method="GET",
        path="/v1/capabilities",
        handler=catalogue.capabilities,
        answers={200: answers.CAPABILITIES},
    ),
    Route(
        method="GET",
        path="/v1/languages",
        handler=catalogue.languages,
        answers={200: answers.LANGUAGES},
    ),
    Route(method="GET", path="/v1/status", handler=status.status, answers={200: answers.STATUS}),
    Route(method="GET", path="/v1/models", handler=catalogue.models, answers={200: answers.MODELS}),
    Route(
        method="GET",
        path="/v1/voices",
        handler=catalogue.voices,
        answers={200: answers.VOICES, 304: None},
    ),
    Route(
        method="GET",
        path="/v1/voices/{id}",
        handler=catalogue.voice,
        answers={200: answers.VOICE},
        errors=(401, 404, 500),
    ),
    Route(
        method="GET",
        path="/v1/events",
        handler=events.events,
        answers={200: "text/event-stream"},
        errors=(401, 500, 503),
    ),
    Route(
        method="POST",
        path="/v1/audio/speech",
        handler=speech.speak,
        body=schema.SPEECH,
        answers={200: "audio/*"},
        headers=speech.HEADERS,
        errors=(401, 404, 503, *_BODY_ERRORS),
    ),
    Route(method="GET", path="/metrics", handler=status.metrics, answers={200: "text/plain"}),
)
