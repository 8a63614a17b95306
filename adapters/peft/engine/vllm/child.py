"""
A command as a process group of its own that ends with this process. Knows nothing of what it runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LEASH = Path(__file__).parent / "leash.py"
#: of its output, for the message when it ends
KEPT_LINES = 30
#: bytes of one line
MAX_LINE = 2**20


class Child:
    """Made by `start_child`."""

    def __init__(self, process: Process, on_line: Callable[[str], None]) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reading = asyncio.create_task(self._read(on_line))

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def wait(self) -> int:
        """The exit status, once its output has been read."""
        status = await self._process.wait()
        # what it started may hold the other end of the pipe
        await asyncio.wait({self._reading}, timeout=1)
        return status

    def last_words(self) -> str:
        """What it wrote last, on stdout or stderr."""
        return "\n".join(self._lines)

    async def end(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL, for all of the group. Returns when it is over."""
        if not self.ended:
            self._signal(signal.SIGTERM)
            await asyncio.wait({asyncio.ensure_future(self._process.wait())}, timeout=grace_seconds)
        # also what outlived the one that started it
        self._signal(signal.SIGKILL)
        await self._process.wait()
        self._reading.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read(self, on_line: Callable[[str], None]) -> None:
        stdout = self._process.stdout
        while stdout is not None:
            try:
                line = await stdout.readline()
            except ValueError:
                # longer than anybody reads
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._lines.append(text)
                on_line(text)


async def start_child(
    command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]
) -> Child:
    """`on_line` gets its output; a command that does not exist ends with status 127."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(LEASH), *command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=dict(environment),
        start_new_session=True,
        limit=MAX_LINE,
    )
    return Child(process, on_line)
