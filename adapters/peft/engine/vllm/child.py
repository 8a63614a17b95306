"""
A command that ends with this process, and with it all that it started. Knows nothing of what it
runs.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LEASH = Path(__file__).parent / "leash.py"
#: of its output, for the message when it ends
KEPT_LINES = 30
#: seconds
POLL, LAST_WORDS_SECONDS = 0.05, 1.0
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
        await self._exited()
        await asyncio.wait({self._reading}, timeout=LAST_WORDS_SECONDS)
        return self._process.returncode or 0

    def last_words(self) -> str:
        """What it wrote last, on stdout or stderr."""
        return "\n".join(self._lines)

    async def end(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL, for all that it started. Returns when it is over."""
        if not self.ended:
            self._process.terminate()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._exited(), grace_seconds)
        if self._process.stdin is not None:
            # the end of the leash
            self._process.stdin.close()
        await self._exited()
        self._reading.cancel()

    async def _exited(self) -> None:
        # its own wait() ends only when nobody holds the pipe any more, up to Python 3.12
        while not self.ended:
            await asyncio.sleep(POLL)

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
