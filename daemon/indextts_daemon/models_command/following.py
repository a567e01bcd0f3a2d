"""`operations`, and following one of them to its end: what was asked, and how it goes."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
import sys
from typing import Any

from indextts_daemon.remote import Remote

POLL_S = 0.3
REJECTED, RUNNING = "rejected", "running"


def list_operations(remote: Remote) -> int:
    """Print the last operations, the newest first."""
    for operation in asyncio.run(remote.operations()):
        began = datetime.fromtimestamp(operation["started_at"]).astimezone()
        words = (operation["scope"], operation["action"], operation["subject"])
        print(
            f"{began:%Y-%m-%d %H:%M:%S}  {' '.join(filter(None, words))}: {operation['result']} "
            f"(by {operation['who']})"
        )
        if why := operation["details"].get("failed"):  # of what it took back
            print(f"  {why}")
        for problem in operation["errors"]:
            print(f"  {problem['message']}")
    return 0


async def follow(remote: Remote, operation: Mapping[str, Any]) -> int:
    """Print how far an operation comes, until it has ended; 1 if it was rejected."""
    told = ""
    while operation["result"] == RUNNING:
        if operation["progress"] != told:
            told = operation["progress"]
            print(told, flush=True)
        await asyncio.sleep(POLL_S)
        operation = await remote.operation(operation["id"])
    if operation["result"] != REJECTED:
        print(f"{operation['result'].capitalize()} (generation {operation['generation']}).")
        return 0
    for problem in operation["errors"]:
        print(problem["message"], file=sys.stderr)
    return 1
