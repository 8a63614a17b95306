"""
A backend whose data directory is copied to an object store: a lora is there before anybody is told
of it, and everything else soon after.
"""

from __future__ import annotations

import asyncio
from typing import Any

from contract.backend import Backend, TrainHooks, TrainInput, TrainResult
from mirror.mirroring import Mirroring

#: seconds that a lora's copy may take before the job ends without it
LORA_SECONDS = 120
#: seconds for the last copy of a process that ends
LAST_SECONDS = 10


class MirroredBackend:
    """Implements contract.backend.Backend. Copies from its creation until it is closed."""

    def __init__(self, backend: Backend, mirroring: Mirroring) -> None:
        self._backend = backend
        self._mirroring = mirroring
        mirroring.start()

    def __getattr__(self, name: str) -> Any:
        # everything that is not below is the backend's own
        return getattr(self._backend, name)

    async def train(self, job: TrainInput, hooks: TrainHooks) -> TrainResult:
        result = await self._backend.train(job, hooks)
        if not await asyncio.to_thread(self._mirroring.flush, LORA_SECONDS):
            hooks.on_message(
                "warn", "the lora is not in the object store yet; this machine must not be lost"
            )
        return result

    async def close(self) -> None:
        await self._backend.close()
        await asyncio.to_thread(self._mirroring.close, LAST_SECONDS)
