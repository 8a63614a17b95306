"""Who has the GPU while a job trains (docs/decisions/2026-11-27-one-gpu.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class GpuSharing(Protocol):
    def training(self) -> AbstractAsyncContextManager[None]:
        """A job trains inside."""


class Pausable(Protocol):
    async def pause(self) -> None:
        """Frees the GPU. Meanwhile requests fail with `engine_unavailable`. Never raises."""

    async def resume(self) -> None: ...


class Apart:
    """Both have what they need: memory that was split beforehand, or no GPU at all."""

    @asynccontextmanager
    async def training(self) -> AsyncIterator[None]:
        yield


class Pause:
    """Serving pauses while anything trains."""

    def __init__(self, serving: Pausable) -> None:
        self._serving = serving
        self._jobs = 0
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def training(self) -> AsyncIterator[None]:
        try:
            async with self._changing:
                self._jobs += 1
                if self._jobs == 1:
                    await self._serving.pause()
            yield
        finally:
            # also when the job is cancelled: nobody else would wake it
            await asyncio.shield(asyncio.create_task(self._end()))

    async def _end(self) -> None:
        async with self._changing:
            self._jobs -= 1
            if self._jobs == 0:
                await self._serving.resume()
