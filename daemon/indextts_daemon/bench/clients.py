"""The load generator, in a process of its own: clients that ask again once they are answered."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
import json
import time
from typing import Any

from .children import obey
from .exchange import OK, Connection, question
from .load import Load, Outcome
from .sentences import sentence

REFUSED = 503
LEAST_AUDIO = 4096  # bytes; less is no answer


async def put(load: Load) -> Outcome:
    """Connect every client, then let them ask."""
    outcome = Outcome()
    connections = [await Connection.open(load.port) for _ in range(load.clients)]
    numbers = iter(range(load.first, load.first + load.requests))
    cpu, since = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as clients:
        for connection in connections:
            clients.create_task(_ask(connection, load, numbers, since + load.limit_s, outcome))
    outcome.wall_s, outcome.cpu_s = time.perf_counter() - since, time.process_time() - cpu
    for connection in connections:
        connection.close()
    return outcome


async def _ask(
    connection: Connection, load: Load, numbers: Iterator[int], until: float, outcome: Outcome
) -> None:
    """Be one client: ask until the numbers or the time are used up."""
    for number in numbers:
        if time.perf_counter() > until:
            return
        body = {"input": sentence(number), "seed": number, "response_format": load.format}
        asked = question("POST", load.path, token=load.token, body=json.dumps(body).encode())
        try:
            answer = await connection.ask(asked)
        except (OSError, TimeoutError):
            outcome.failed += 1
            return
        if answer.status == OK and len(answer.body) >= LEAST_AUDIO:
            outcome.first_s.append(answer.first_s)
            outcome.total_s.append(answer.total_s)
            outcome.audio_bytes += len(answer.body)
        elif answer.status == REFUSED:
            outcome.refused += 1
        else:
            outcome.failed += 1


def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    return asdict(asyncio.run(put(Load(**order))))


if __name__ == "__main__":
    obey(_carry_out)
