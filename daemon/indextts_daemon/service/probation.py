"""Probation: a model that was promoted goes back if it fails too often soon afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
import logging
import time

from .models import Model

LOGGER = logging.getLogger(__name__)

MOST_FAILURES = 3  # the last of which ends the probation


@dataclass(slots=True, eq=False)
class _Trial:
    model: Model
    until: float
    undo: Callable[[str], None]
    failures: int = 0


class Probation:
    """Watches the model that was promoted last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trial: _Trial | None = None

    @property
    def model(self) -> Model | None:
        """Which model is on probation now."""
        trial = self._trial
        return trial.model if trial is not None and self._clock() < trial.until else None

    def begin(self, model: Model, *, lasts_s: float, undo: Callable[[str], None]) -> None:
        """Watch a model; when it has failed too often `undo` is told why, once."""
        self.end()
        if lasts_s > 0:
            self._trial = _Trial(model=model, until=self._clock() + lasts_s, undo=undo)
            model.on_trouble = self._note

    def end(self) -> None:
        """Watch nobody any more."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.model.on_trouble = None

    def _note(self) -> None:
        trial = self._trial
        if trial is None:
            return
        if self.model is None:
            self.end()
            return
        trial.failures += 1
        if trial.failures >= MOST_FAILURES:
            self.end()
            message = f"It failed {trial.failures} times soon after it was promoted."
            LOGGER.error("model %s goes back: %s", trial.model.id, message)
            trial.undo(message)
