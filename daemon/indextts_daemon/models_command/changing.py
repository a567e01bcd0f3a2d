"""`models versions`, `load`, `unload`, `activate` and `rollback`: the running daemon does it."""

import asyncio

from indextts_daemon.remote import Remote

from .following import follow


def list_versions(remote: Remote, model: str) -> int:
    """Print a model's versions and what each is."""
    listed = asyncio.run(remote.model_versions(model))
    width = max(len(version["version"]) for version in listed)
    for version in listed:
        reason = f": {version['reason']}" if version["reason"] else ""
        print(f"{version['version']:{width}}  {version['state']}{reason}")
    return 0


def change_model(remote: Remote, model: str, action: str, version: str | None) -> int:
    """Have the daemon change a model, and follow that; 1 if it was rejected."""
    return asyncio.run(_change(remote, model, action, version))


async def _change(remote: Remote, model: str, action: str, version: str | None) -> int:
    return await follow(remote, await remote.change_model(model, action, version))
