"""The processes of a run: started, asked line by line, and ended by the one that started them."""

import asyncio
from collections.abc import Callable, Mapping
import json
import sys
from typing import Any, Self

from indextts_daemon.errors import EngineUnavailableError
from indextts_daemon.worker.process import child_environment

PATIENCE_S = 60.0
GRACE_S = 5.0
_LONGEST_LINE = 1 << 20


class Child:
    """A Python module running in a process of its own."""

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._module = module
        self._process = process

    @classmethod
    async def spawn(
        cls, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start `python -m module`; an interrupt at the terminal does not reach it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**_bare_environment(), **(environment or {})},
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
        return cls(module, process)

    async def line(self) -> str:
        """Return the next line that it prints. Raises EngineUnavailableError."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await self._process.stdout.readline()
        except TimeoutError as err:
            raise EngineUnavailableError(f"{self._module} does not answer.") from err
        if not line:
            raise EngineUnavailableError(f"{self._module} ended before it was done.")
        return line.decode().rstrip("\n")

    async def line_with(self, words: str) -> str:
        """Skip lines up to the one that begins with `words`; return the rest of it."""
        while not (line := await self.line()).startswith(words):
            pass
        return line.removeprefix(words)

    async def ask(self, order: Mapping[str, object]) -> dict[str, Any]:
        """Give it an order and return its answer."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self.line())
        return answer

    async def end(self) -> None:
        """Ask it to end, make it if it does not, and reap it."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def obey(carry_out: Callable[[dict[str, Any]], Mapping[str, object]]) -> None:
    """Be the child: answer one order per line until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(carry_out(json.loads(line))) + "\n")
        sys.stdout.flush()


def _bare_environment() -> dict[str, str]:
    """Leave out the settings of this machine's daemon."""
    known = child_environment().items()
    return {name: value for name, value in known if not name.startswith("INDEXTTS_")}
