"""
vLLM as a process that is kept running: started, watched, started again with growing pauses when it
dies or stops answering, held back while training has the GPU. Knows nothing of requests and loras.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from contract.errors import EngineError
from contract.log import Log
from engine.vllm.child import Child, start_child

#: seconds
POLL = 0.25
HEALTH_EVERY = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: who ran this long has not failed at starting
STABLE_AFTER = 120.0
STOP_GRACE = 10.0
#: health checks in a row without an answer before it counts as hanging
MAX_MISSES = 3

State = Literal["down", "starting", "running", "closed"]
WHAT_TO_DO = (
    "The last lines usually say why: too little GPU memory (ENGINE_VLLM_MEMORY), a command that is "
    "not there (ENGINE_VLLM_COMMAND), an argument it does not know (ENGINE_VLLM_ARGS). "
    "ENGINE_SERVING=transformers serves without vLLM"
)


class VllmProcess:
    """`healthy` asks the server whether it can serve, and never raises."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        healthy: Callable[[], Awaitable[bool]],
        before_start: Callable[[], None],
        start_seconds: float,
        log: Log,
    ) -> None:
        self._command = command
        self._environment = environment
        self._healthy = healthy
        self._before_start = before_start
        self._start_seconds = start_seconds
        self._log = log
        self._child: Child | None = None
        self._state: State = "down"
        self._why = "vLLM has not been started"
        self._held = False
        self._changed = asyncio.Condition()
        self._supervisor: asyncio.Task[None] | None = None
        #: counts starts that succeeded; what was told to an earlier one is forgotten
        self.incarnation = 0

    async def start(self) -> None:
        """Raises EngineError `engine_unavailable` with its last words when it does not start."""
        await self._start()
        self._supervisor = asyncio.create_task(self._supervise())

    def require_running(self) -> None:
        """Raises EngineError `engine_unavailable`."""
        if self._state != "running":
            raise EngineError("engine_unavailable", self._why)

    async def wait_running(self) -> None:
        """Raises EngineError `engine_unavailable` when a start takes too long."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until("running", "closed"), self._start_seconds)
        self.require_running()

    async def hold(self) -> None:
        """Nothing is started from now on. Returns when no start is under way."""
        self._held = True
        await self._until("running", "down", "closed")

    async def release(self) -> None:
        async with self._changed:
            self._held = False
            self._changed.notify_all()

    async def end_this_one(self) -> None:
        """Frees its memory; another one is started where that is not held back."""
        if self._child is not None:
            await self._set("down", "vLLM was ended and is started again")
            await self._child.end(STOP_GRACE)

    async def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        await self._set("closed", "the engine is shutting down")
        if self._child is not None:
            await self._child.end(STOP_GRACE)

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            await self._watch()
            if time.monotonic() - started >= STABLE_AFTER:
                pause = FIRST_PAUSE
            while self._state != "running":
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                async with self._changed:
                    await self._changed.wait_for(lambda: not self._held)
                try:
                    await self._start()
                except EngineError as error:
                    self._log("error", "vLLM did not start", {"error": error.message})

    async def _start(self) -> None:
        self._state = "starting"
        self._before_start()
        child = await start_child(
            self._command,
            self._environment,
            lambda line: self._log("debug", line, {"from": "vllm"}),
        )
        self._child = child
        deadline = time.monotonic() + self._start_seconds
        try:
            while not await self._healthy():
                if child.ended:
                    raise self._failed(f"it ended with status {await child.wait()}", child)
                if time.monotonic() > deadline:
                    raise self._failed(f"no answer within {self._start_seconds:g} s", child)
                if self._held:
                    raise EngineError("engine_unavailable", "training has the GPU")
                await asyncio.sleep(POLL)
        except BaseException as error:
            await child.end(STOP_GRACE)
            await self._set("down", str(error) or "vLLM was not started")
            raise
        self.incarnation += 1
        await self._set("running", "")
        self._log("info", "vLLM is running", {"incarnation": self.incarnation})

    @staticmethod
    def _failed(how: str, child: Child) -> EngineError:
        said = child.last_words() or "nothing"
        return EngineError(
            "engine_unavailable", f"vLLM did not start: {how}. {WHAT_TO_DO}. It said:\n{said}"
        )

    async def _watch(self) -> None:
        """Returns when the process has ended, by itself or because it did not answer."""
        child = self._child
        if child is None:
            return
        ending = asyncio.ensure_future(child.wait())
        misses = 0
        while not ending.done() and misses < MAX_MISSES:
            await asyncio.wait({ending}, timeout=HEALTH_EVERY)
            if not ending.done():
                misses = 0 if await self._healthy() else misses + 1
        how = f"ended with status {ending.result()}" if ending.done() else "does not answer"
        await self._set("down", f"vLLM {how} and is started again; try later")
        self._log("error", f"vLLM {how}", {"said": child.last_words()})
        await child.end(0)

    async def _set(self, state: State, why: str) -> None:
        async with self._changed:
            self._state, self._why = state, why
            self._changed.notify_all()

    async def _until(self, *states: State) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._state in states)
