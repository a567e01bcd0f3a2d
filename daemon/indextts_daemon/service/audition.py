"""Auditions: a model that is to be promoted says its golden lines, and is remembered if it is."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.speech import Say

from .baselines import Baselines
from .canary import CanaryReport, sing
from .models import Model


class Audition:
    """Listens to models, and keeps how those sounded that were let in."""

    def __init__(self, baselines: Baselines) -> None:
        self._baselines = baselines
        self._heard: WeakKeyDictionary[Model, CanaryReport] = WeakKeyDictionary()

    async def hear(self, model: Model, say: Say) -> Mapping[str, object]:
        """Have a loaded model speak, and return the figures. Raises CanaryError."""
        speaker = model.speaker()
        if model.info is None:
            raise EngineUnavailableError(f"The model {model.id} is gone.")
        report = await sing(speaker, model.info, model.info.voices, self._baselines, say)
        self._heard[model] = report
        return report.shape()

    async def admit(self, model: Model) -> None:
        """Remember how a model sounded that was let in."""
        report = self._heard.pop(model, None)
        if report is not None:
            self._baselines.learn(report.said)
            await self._baselines.save()
