"""How a promotion goes back that fails on probation: by an operation like any other."""

import logging

from indextts_daemon.config import Settings
from indextts_daemon.errors import Problem

from .config_scope import ConfigWish
from .generation import Generations
from .models_scope import Undoing
from .operations import Result
from .reloading import Reloader
from .routing import FALLBACK
from .settings_file import SettingsFile
from .swapping import PROBATION, Undo
from .versions import ModelsWish, Versions

LOGGER = logging.getLogger(__name__)

EDITED = (
    "It speaks on, for the settings that brought it in have been edited since. Change back by hand "
    "what you changed about models before that."
)


def undoing(
    generations: Generations, reloader: Reloader, versions: Versions, file: SettingsFile
) -> Undoing:
    """Return how a model goes back, and how the settings do."""

    def model(id_: str) -> str:
        wish = ModelsWish(action="rollback", model=id_)
        chosen = versions.activation.under(generations.current.settings)
        if id_ not in chosen.before:  # its files were replaced: nothing came before
            wish = ModelsWish(action="activate", model=FALLBACK)
        reloader.start(
            "models",
            who=PROBATION,
            wish=wish,
            action=wish.action,
            subject=wish.model,
            urgent=True,
        )
        return ""

    def settings(promoted: Settings) -> Undo:
        before = file.history.latest()  # the new ones are only remembered once they count

        def undo(_: str) -> str:
            if before is None or generations.current.settings is not promoted:
                running = reloader.operations.begin("config", "rollback", who=PROBATION)
                number, errors = generations.current.number, (Problem(message=EDITED),)
                running.end(Result.rejected, generation=number, code="rejected", errors=errors)
                LOGGER.error("%s", EDITED)
                return EDITED
            wish, subject = ConfigWish(text=before.text, back_to=before), str(before.number)
            reloader.start(
                "config",
                who=PROBATION,
                wish=wish,
                action="rollback",
                subject=subject,
                urgent=True,
            )
            return ""

        return undo

    return Undoing(model=model, settings=settings)
