"""A real daemon process for tests: started on a free loopback port, ended by its own pid."""

from collections.abc import Mapping
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import threading
from typing import Any, Self

import aiohttp
import yaml

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class RunningDaemon:
    """`indextts-daemon serve` in a process of its own; use it as a context."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        settings: Mapping[str, Any] | None = None,
        wait_for: str = "^ready",
        terminal: int | None = None,
    ) -> None:
        """Run it; a `terminal` that is given is where it was started."""
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        if settings is not None:
            (data_dir / "settings.yaml").write_text(yaml.safe_dump(dict(settings)))
        self.lines: list[str] = []
        self.url = ""
        self._wait_for = wait_for
        self._command = [
            *(sys.executable, "-m", "indextts_daemon", "serve", "--data-dir", str(data_dir)),
            *("--host", "127.0.0.1", "--port", "0", "--no-zeroconf"),
            *(arguments or ("--engine", "fake")),
        ]
        self._terminal = terminal
        self._seen = threading.Condition()

    def __enter__(self) -> Self:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("INDEXTTS_")}
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL if self._terminal is None else self._terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment | {"PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.url = self.line(r"Listening on (\S+)").group(1)
            self.line(self._wait_for)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def worker_pid(self) -> int:
        """Return the pid of the one worker process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        (pid,) = map(int, children.split())
        return pid

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for a line of the output that matches."""
        with self._seen:
            found: re.Match[str] | None = None

            def appeared() -> bool:
                nonlocal found
                found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
                return found is not None or self.process.poll() is not None

            self._seen.wait_for(appeared, START_TIMEOUT_S)
        assert found is not None, f"no line matches {pattern!r}:\n{self.log}"
        return found

    def stop(self) -> int:
        """End it as systemd would, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def session(self, **headers: str) -> aiohttp.ClientSession:
        """Return a client that holds the token."""
        return aiohttp.ClientSession(
            self.url, headers={"Authorization": f"Bearer {self.token}"} | headers
        )

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._seen:
                self.lines.append(line.rstrip("\n"))
                self._seen.notify_all()
        self.process.wait()  # its output ends a moment before it does
        with self._seen:
            self._seen.notify_all()
