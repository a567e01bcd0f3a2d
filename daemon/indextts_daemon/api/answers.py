"""What the answers hold, as schemas: the published contract and the tests are made from them.

Answers may gain fields; clients ignore those that they do not know.
"""

from collections.abc import Mapping

import voluptuous as vol

from indextts_daemon.audio.output import DEFAULT_SAMPLE_RATE, FORMATS, SAMPLE_RATES
from indextts_daemon.metrics import MODEL_STATES
from indextts_daemon.speech import EMOTIONS, PRONUNCIATIONS

from .validators import IDENTIFIER, Number, OneOf, Text

WORD = Text(most=64)
SENTENCE = Text(most=4096)
COUNT = Number(low=0, high=2**53, whole=True)


def _answer(fields: Mapping[str, object]) -> vol.Schema:
    return vol.Schema(
        {vol.Required(name): value for name, value in fields.items()}, extra=vol.ALLOW_EXTRA
    )


VOICE = _answer(
    {
        "id": IDENTIFIER,
        "name": WORD,
        "languages": [WORD],
        "models": [IDENTIFIER],
        "moods": [IDENTIFIER],
        "revision": WORD,
    }
)
VOICES = _answer({"voices": [VOICE]})
_WEIGHT = Number(low=0, high=1)
MOODS = _answer(
    {
        "moods": [
            _answer(
                {
                    "id": IDENTIFIER,
                    "emotion": {vol.Optional(name): _WEIGHT for name in EMOTIONS},
                    "strength": Number(low=0, high=2),
                    "speed": Number(low=0.5, high=2),
                }
            )
        ]
    }
)
LANGUAGES = _answer(
    {
        "default": WORD,
        "languages": [_answer({"code": WORD, "name": WORD, "voices": [IDENTIFIER]})],
    }
)
MODELS = _answer(
    {
        "object": OneOf(values=("list",)),
        "data": [
            _answer(
                {
                    "id": IDENTIFIER,
                    "object": OneOf(values=("model",)),
                    "owned_by": WORD,
                    "engine": WORD,
                    "state": OneOf(values=MODEL_STATES),
                    "default": bool,
                    "reason": vol.Any(None, SENTENCE),
                }
            )
        ],
    }
)
INFO = _answer(
    {
        "product": OneOf(values=("indextts-daemon",)),
        "instance_id": WORD,
        "name": WORD,
        "api": Number(low=1, high=1, whole=True),
        "version": WORD,
        "engine": _answer({"id": WORD, "reason": SENTENCE}),
        "model": IDENTIFIER,
        "model_name": WORD,
        "auth": bool,
        "revision": vol.Any(None, WORD),
    }
)
_BOUNDS = {"min": Number(low=0, high=2**53), "max": Number(low=0, high=2**53)}
CAPABILITIES = _answer(
    {
        "formats": [OneOf(values=FORMATS)],
        "sample_rates": [OneOf(values=SAMPLE_RATES)],
        "default_sample_rate": OneOf(values=(DEFAULT_SAMPLE_RATE,)),
        "max_input_characters": COUNT,
        "max_session_characters": COUNT,
        "emotions": [OneOf(values=EMOTIONS)],
        "moods": [IDENTIFIER],
        "pronunciation": [OneOf(values=PRONUNCIATIONS)],
        "parameters": _answer(
            {
                "lead_in_ms": _answer(_BOUNDS),
                "tail_ms": _answer(_BOUNDS),
            }
        ),
    }
)
STATE = OneOf(values=("ready", "degraded", "loading", "draining"))
HEALTH = vol.Schema(
    {
        vol.Required("state"): STATE,
        vol.Optional("checks"): [_answer({"name": WORD, "ok": bool, "message": SENTENCE})],
    },
    extra=vol.ALLOW_EXTRA,
)
_FIGURE = vol.Any(None, Number(low=0, high=2**53))
STATUS = _answer(
    {
        "state": STATE,
        "model": IDENTIFIER,
        "model_name": WORD,
        "revision": vol.Any(None, WORD),
        "queue": _answer({"waiting": COUNT, "in_flight": COUNT, "capacity": COUNT}),
        "recent": _answer(
            {
                "requests": COUNT,
                "first_audio_p50_s": _FIGURE,
                "first_audio_p95_s": _FIGURE,
                "real_time_factor": _FIGURE,
            }
        ),
    }
)
PAIRED = _answer({"token": SENTENCE, "instance_id": WORD})
PAIRING_CODE = _answer({"code": WORD, "expires_in_s": COUNT})
PROBLEM = _answer(
    {
        "error": _answer(
            {
                "message": SENTENCE,
                "type": WORD,
                "code": WORD,
                "param": vol.Any(None, WORD),
                "request_id": WORD,
            }
        )
    }
)
