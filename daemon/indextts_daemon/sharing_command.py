"""`indextts-daemon pause`, `resume` and `prewarm`: who has the graphics card."""

import asyncio
from datetime import datetime
from typing import Any

from .remote import Remote


def pause(remote: Remote, *, reason: str | None, minutes: float | None) -> int:
    """Return once every model has left the GPU."""
    wishes = {"reason": reason, "minutes": minutes}
    given = {name: value for name, value in wishes.items() if value is not None}
    answer = asyncio.run(remote.pause(given))
    if answer["operation"]["details"].get("unloaded"):
        print(f"The models have left the GPU, {_until(answer['paused'])}.")
    else:
        print(f"No model was on the GPU; it is left to others, {_until(answer['paused'])}.")
    return 0


def resume(remote: Remote) -> int:
    """Take the GPU back."""
    operation = asyncio.run(remote.resume())
    nothing = operation["result"] == "unchanged"
    print("Nothing was paused." if nothing else "Resumed; the models are coming back.")
    return 0


def prewarm(remote: Remote, model: str | None) -> int:
    """Return once a model can speak."""
    operation = asyncio.run(remote.prewarm(model))
    was = "was ready already" if operation["result"] == "unchanged" else "is ready"
    print(f"{operation['subject']} {was}.")
    return 0


def _until(pause: dict[str, Any] | None) -> str:
    if pause is None:
        return "and are coming back: somebody has resumed it"
    if pause["until"] is None:
        return "until you resume it"
    end = datetime.fromtimestamp(pause["until"]).astimezone()
    return f"until {end:%Y-%m-%d %H:%M}"
