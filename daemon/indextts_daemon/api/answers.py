"""What the answers hold, as schemas: the published contract and the tests are made from them.

Answers may gain fields; clients ignore those that they do not know.
"""

from collections.abc import Mapping

import voluptuous as vol

from indextts_daemon.audio.coach import Severity
from indextts_daemon.audio.output import DEFAULT_SAMPLE_RATE, FORMATS, SAMPLE_RATES
from indextts_daemon.metrics import MODEL_STATES, SCOPES
from indextts_daemon.service.operations import Result
from indextts_daemon.service.sidecars import NAME_LENGTH
from indextts_daemon.service.versions import Standing
from indextts_daemon.speech import EMOTIONS, PRONUNCIATIONS

from .validators import IDENTIFIER, Number, OneOf, Text

WORD = Text(most=64)
SENTENCE = Text(most=4096)
COUNT = Number(low=0, high=2**53, whole=True)


def _answer(fields: Mapping[str, object]) -> vol.Schema:
    return vol.Schema(
        {vol.Required(name): value for name, value in fields.items()}, extra=vol.ALLOW_EXTRA
    )


_MEASURED = Number(low=-(2**31), high=2**31)
QUALITY = _answer(
    {
        "words": SENTENCE,
        "usable": bool,
        "duration_s": _MEASURED,
        "speech_s": _MEASURED,
        "level_dbfs": _MEASURED,
        "snr_db": _MEASURED,
        "bandwidth_hz": _MEASURED,
        "clipped_share": _MEASURED,
        "silence_share": _MEASURED,
        "findings": [
            _answer(
                {
                    "code": WORD,
                    "severity": OneOf(values=tuple(str(each) for each in Severity)),
                    "message": SENTENCE,
                }
            )
        ],
    }
)
VOICE = _answer(
    {
        "id": IDENTIFIER,
        "name": Text(most=NAME_LENGTH),
        "languages": [WORD],
        "models": [IDENTIFIER],
        "moods": [IDENTIFIER],
        "revision": WORD,
        "quality": vol.Any(None, QUALITY),
        "consent": vol.Any(None, bool, SENTENCE),
        "protected": bool,
        "state": OneOf(values=("ready", "stale_invalid")),
        "reason": vol.Any(None, SENTENCE),
    }
)
ANALYZED = _answer({"quality": QUALITY})
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
        ],
        "document": Text(most=64 * 1024),
    }
)
_RULE_TEXT = Text(most=200)
_RULE = vol.Schema(
    {
        vol.Optional("from"): _RULE_TEXT,
        vol.Optional("pattern"): _RULE_TEXT,
        vol.Required("say"): vol.Any(None, _RULE_TEXT),
        vol.Required("phonemes"): {vol.Optional(name): WORD for name in PRONUNCIATIONS},
        vol.Required("languages"): [WORD],
        vol.Required("voices"): [IDENTIFIER],
    },
    extra=vol.ALLOW_EXTRA,
)
LEXICON = _answer({"name": WORD, "rules": [_RULE], "document": Text(most=512 * 1024)})
PREVIEW = _answer({"text": Text(most=2**20), "hits": [_RULE_TEXT], "sentences": [Text(most=2**20)]})
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
                    "name": WORD,
                    "version": WORD,
                    "generation": COUNT,
                    "active": bool,
                    "loaded": bool,
                    "pinned": bool,
                    "memory_bytes": vol.Any(None, COUNT),
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
STATE = OneOf(values=("ready", "degraded", "asleep", "paused", "loading", "draining"))
HEALTH = vol.Schema(
    {
        vol.Required("state"): STATE,
        vol.Optional("checks"): [_answer({"name": WORD, "ok": bool, "message": SENTENCE})],
    },
    extra=vol.ALLOW_EXTRA,
)
_UNIX = Number(low=0, high=2**53)
_FIGURE = vol.Any(None, Number(low=0, high=2**53))
_KEYS = [Text(most=256)]
_PROBLEMS = [_answer({"message": SENTENCE, "path": Text(most=4096), "line": vol.Any(None, COUNT)})]
RESULT = OneOf(values=tuple(str(result) for result in Result))
PAUSE = vol.Any(
    None,
    _answer({"reason": Text(most=200), "who": WORD, "since": _UNIX, "until": vol.Any(None, _UNIX)}),
)
STATUS = _answer(
    {
        "state": STATE,
        "model": IDENTIFIER,
        "model_name": WORD,
        "revision": vol.Any(None, WORD),
        "generation": COUNT,
        "paused": PAUSE,
        "game_mode": bool,
        "canary": _answer(
            {
                "failed": vol.Any(None, SENTENCE),
                "model": vol.Any(None, IDENTIFIER),
                "version": vol.Any(None, IDENTIFIER),
            }
        ),
        "last_reload": {
            vol.Optional(scope): _answer({"result": RESULT, "at": _UNIX, "errors": _PROBLEMS})
            for scope in SCOPES
        },
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
OPERATION = _answer(
    {
        "id": WORD,
        "scope": WORD,
        "action": WORD,
        "who": WORD,
        "subject": WORD,
        "result": RESULT,
        "started_at": _UNIX,
        "ended_at": vol.Any(None, _UNIX),
        "generation": vol.Any(None, COUNT),
        "progress": SENTENCE,
        "code": WORD,
        "errors": _PROBLEMS,
        "details": vol.Schema({}, extra=vol.ALLOW_EXTRA),
    }
)
_OUTCOME = {
    "result": OneOf(values=("applied", "unchanged", "rejected")),
    "generation": COUNT,
    "restart_required": _KEYS,
    "shadowed": _KEYS,
    "errors": _PROBLEMS,
    "operations": [OPERATION],
}
OUTCOME = _answer(_OUTCOME)
CONFIG = _answer(
    {
        "document": Text(most=64 * 1024),
        "settings": vol.Schema({}, extra=vol.ALLOW_EXTRA),
        "shadowed": _KEYS,
        "restart_required": _KEYS,
    }
)
VERSIONS = _answer({"versions": [_answer({"version": COUNT, "saved_at": _UNIX, "current": bool})]})
OPERATIONS = _answer({"operations": [OPERATION]})
STARTED = _answer({"operation": OPERATION})
MODEL_VERSIONS = _answer(
    {
        "versions": [
            _answer(
                {
                    "version": IDENTIFIER,
                    "revision": WORD,
                    "state": OneOf(values=tuple(str(standing) for standing in Standing)),
                    "reason": SENTENCE,
                }
            )
        ]
    }
)
PAUSED = _answer({"paused": PAUSE, "operation": OPERATION})
PAIRED = _answer({"token": SENTENCE, "instance_id": WORD})
PAIRING_CODE = _answer({"code": WORD, "expires_in_s": COUNT})
_ERROR = _answer(
    {
        "message": SENTENCE,
        "type": WORD,
        "code": WORD,
        "param": vol.Any(None, WORD),
        "request_id": WORD,
    }
)
PROBLEM = _answer({"error": _ERROR})
REFUSED = vol.Schema(  # the operation where it was begun
    {vol.Required("error"): _ERROR, vol.Optional("operation"): OPERATION}, extra=vol.ALLOW_EXTRA
)
NOT_TAKEN_UP = vol.Schema(  # the quality where it could be listened to
    {vol.Required("error"): _ERROR, vol.Optional("quality"): QUALITY}, extra=vol.ALLOW_EXTRA
)
REJECTED = vol.Schema(  # only the error where it was refused before it began
    {vol.Required("error"): _ERROR}
    | {vol.Optional(name): value for name, value in _OUTCOME.items()},
    extra=vol.ALLOW_EXTRA,
)
