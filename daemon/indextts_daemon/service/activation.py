"""Which model and which version of it somebody chose, what came before, and what failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import json
import logging
from pathlib import Path
from typing import Any, Self

from indextts_daemon.config import Settings
from indextts_daemon.errors import InvalidRequestError, place_of

LOGGER = logging.getLogger(__name__)

MAIN = "main"  # the version that is in a model's own folder


class NothingToRollBackError(InvalidRequestError):
    """The model was never changed."""

    code = "nothing_to_roll_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What spoke before something was activated."""

    default: str  # model id; nothing is what the settings say
    version: str  # of the model that was activated


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a version was not promoted, or did not last; other weights of its name are another."""

    revision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Which model speaks by default and in which version, as far as somebody chose that."""

    default: str = ""  # model id; nothing is what the settings say
    active: Mapping[str, str] = field(default_factory=dict)  # version by model id, where not main
    before: Mapping[str, Before] = field(default_factory=dict)  # by model id: where a rollback goes
    failed: Mapping[str, Failure] = field(default_factory=dict)  # by model.version
    settings: tuple[str, str] = ("", "")  # engine and indextts.model that it was chosen under

    def version(self, model: str) -> str:
        """Return which version of a model is chosen."""
        return self.active.get(model, MAIN)

    def under(self, settings: Settings) -> Self:
        """Return what still counts under these settings: a later edit wins over a choice."""
        now = _basis(settings)
        return self if self.settings == now else type(self)(failed=self.failed, settings=now)

    def activate(self, model: str, version: str | None = None) -> Self:
        """Make a version of a model the one that speaks by default."""
        chosen, before = version or self.version(model), self.version(model)
        if (self.default, before) == (model, chosen):
            return self
        place = Before(default=self.default, version=before)
        return self._with(model, default=model, version=chosen, before=place)

    def rollback(self, model: str) -> Self:
        """Go back to what spoke before the model was activated; once more goes forth again.

        Raises NothingToRollBackError.
        """
        place = self.before.get(model)
        if place is None:
            raise NothingToRollBackError(f"Nothing came before what {model} is now.")
        here = Before(default=self.default, version=self.version(model))
        return self._with(model, default=place.default, version=place.version, before=here)

    def fail(self, model: str, version: str, *, revision: str, reason: str) -> Self:
        """Note why a version is not to be tried by itself again."""
        failure = Failure(revision=revision, reason=reason)
        return replace(self, failed={**self.failed, f"{model}.{version}": failure})

    def succeed(self, model: str, version: str, *, revision: str) -> Self:
        """Forget that these very weights failed once."""
        if not self.failure(model, version, revision=revision):
            return self
        name = f"{model}.{version}"
        return replace(self, failed={k: why for k, why in self.failed.items() if k != name})

    def failure(self, model: str, version: str, *, revision: str) -> str:
        """Return why these very weights failed, or nothing."""
        failure = self.failed.get(f"{model}.{version}")
        return failure.reason if failure is not None and failure.revision == revision else ""

    def _with(self, model: str, *, default: str, version: str, before: Before) -> Self:
        others = {id_: name for id_, name in self.active.items() if id_ != model}
        active = others if version == MAIN else {**others, model: version}
        return replace(self, default=default, active=active, before={**self.before, model: before})


def _basis(settings: Settings) -> tuple[str, str]:
    return settings.engine, settings.indextts.model or ""


def recalled(file: Path) -> Activation:
    """Read what was chosen; nothing if that cannot be."""
    try:
        return _activation(json.loads(file.read_bytes()))
    except FileNotFoundError:
        pass
    except OSError as err:
        LOGGER.warning("could not read which models were chosen: %s", err.strerror)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
        LOGGER.warning(
            "which models were chosen cannot be read; the settings count: %s", place_of(err)
        )
    return Activation()


def _activation(found: Any) -> Activation:
    engine, model = map(_text, found["settings"])
    return Activation(
        default=_text(found["default"]),
        active={_text(id_): _text(name) for id_, name in found["active"].items()},
        before={
            _text(id_): Before(default=_text(one["default"]), version=_text(one["version"]))
            for id_, one in found["before"].items()
        },
        failed={
            _text(name): Failure(revision=_text(one["revision"]), reason=_text(one["reason"]))
            for name, one in found["failed"].items()
        },
        settings=(engine, model),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
