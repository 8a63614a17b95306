"""
Serves by vLLM behind the protocol `serve.Serving`. A lora is loaded from its folder under its
immutable name and proved on its probe before a request may use it, also after vLLM was started
anew. Knows nothing of HTTP bodies and of how a process is kept running.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from tempfile import TemporaryDirectory

from contract.backend import CompletionEnd, TokenDelta
from contract.errors import EngineError
from contract.log import Log
from engine.base_model import BaseModel
from engine.loras import Loras
from engine.row_outputs import RowLosses
from engine.rows import TokenizedRow
from engine.text import TextAssembler
from engine.vllm.client import VllmClient
from engine.vllm.options import VllmOptions
from engine.vllm.process import VllmProcess
from engine.vllm.proof import completion_nats, disproof
from engine.vllm.residency import Residency
from serve import Generation

#: rows of one loss that vLLM is asked for at a time
SCORED_AT_A_TIME = 16
#: attempts to load a lora that was just trained, while vLLM comes and goes
LOAD_ATTEMPTS = 3
PAUSED = "training has the GPU; ask the upstream meanwhile"


class VllmServing:
    """Made by `open_vllm`. `room` is the folder of the socket, removed in the end."""

    def __init__(
        self,
        base: BaseModel,
        dtype: str,
        loras: Loras,
        client: VllmClient,
        process: VllmProcess,
        options: VllmOptions,
        log: Log,
        room: TemporaryDirectory[str],
    ) -> None:
        self._base = base
        self._dtype = dtype
        self._loras = loras
        self._client = client
        self._process = process
        self._drain_seconds = options.drain_seconds
        self._log = log
        self._room = room
        self._pauses = 0
        self._residency = Residency(
            load=self._load,
            unload=client.unload_lora,
            # what is loaded is proved again after every start and every sleep
            incarnation=lambda: (process.incarnation, self._pauses),
            max_loras=options.max_loras,
        )
        self._awake = asyncio.Event()
        self._awake.set()
        self._running = 0
        self._drained = asyncio.Event()
        self._drained.set()

    async def generate(
        self, request: Generation
    ) -> AsyncGenerator[TokenDelta | CompletionEnd, None]:
        async with self._using(request.lora) as model:
            context = self._base.config.max_positions - len(request.prompt_ids)
            fitting = replace(request, max_tokens=min(request.max_tokens, context))
            steps = self._client.generate(model, fitting, self._base.eos_ids)
            text = TextAssembler(
                self._base.tokenizer.decode_bytes,
                self._base.eos_ids,
                stop=request.stop,
                shows_end=request.choices is not None,
            )
            count, reason = 0, None
            async with aclosing(steps):
                async for step in steps:
                    for token in step.tokens:
                        count += 1
                        top = token.top[: request.top_logprobs]
                        if text.push(replace(token, top=top)):
                            reason = "stop"
                            break
                    reason = reason or step.finish_reason
                    if reason is not None and step.finish_reason is None:
                        # a stop text, of which vLLM knows nothing: closing the stream ends it
                        break
                    if reason is None:
                        for delta in text.take():
                            yield delta
            text.end()
            for delta in text.take():
                yield delta
            yield CompletionEnd(reason or "stop", len(request.prompt_ids), count)

    async def losses(self, lora: str | None, rows: Sequence[TokenizedRow]) -> RowLosses:
        async with self._using(lora) as model:
            turns = asyncio.Semaphore(SCORED_AT_A_TIME)

            async def loss(row: TokenizedRow) -> float:
                async with turns:
                    nats = await completion_nats(
                        self._client, model, row.prompt_ids, row.completion_ids
                    )
                return -sum(nats) / len(nats)

            tasks = [asyncio.create_task(loss(row)) for row in rows]
            try:
                losses = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
        return RowLosses(losses, [len(row.completion_ids) for row in rows])

    async def load(self, lora: str) -> None:
        """
        Waits for a vLLM that is being started: a lora that took hours to train is not lost to that.
        """
        for attempt in range(1, LOAD_ATTEMPTS + 1):
            try:
                await self._awake.wait()
                await self._process.wait_running()
                async with self._using(lora):
                    return
            except EngineError as error:
                if error.code != "engine_unavailable" or attempt == LOAD_ATTEMPTS:
                    raise
            await asyncio.sleep(attempt)

    async def unload(self, lora: str) -> None:
        try:
            await self._residency.drop(lora)
        except EngineError as error:
            # a server that is gone has forgotten it too
            self._log("warn", "a lora was not unloaded", {"lora": lora, "error": error.message})

    async def pause(self) -> None:
        """Frees the GPU's memory: by sleep, and where that fails by ending vLLM. Never raises."""
        self._awake.clear()
        self._pauses += 1
        await self._process.hold()
        try:
            self._process.require_running()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self._drain_seconds)
            # requests that have not ended by now are given up by vLLM
            await self._client.sleep()
        except EngineError as error:
            self._log("warn", "vLLM does not sleep and is ended", {"error": error.message})
            await self._process.end_this_one()

    async def resume(self) -> None:
        """Wakes vLLM, or has it started anew. Never raises."""
        try:
            self._process.require_running()
            await self._client.wake_up()
        except EngineError as error:
            self._log("warn", "vLLM does not wake and is started anew", {"error": error.message})
            await self._process.end_this_one()
        await self._process.release()
        self._awake.set()

    async def close(self) -> None:
        await self._process.close()
        await self._client.close()
        self._room.cleanup()

    @asynccontextmanager
    async def _using(self, lora: str | None) -> AsyncIterator[str]:
        """The name that vLLM has for the model, which stays loaded inside."""
        self._require_awake()
        self._running += 1
        self._drained.clear()
        try:
            if lora is None:
                yield self._base.name
            else:
                async with self._residency.use(lora):
                    # loading takes a while
                    self._require_awake()
                    yield lora
        finally:
            self._running -= 1
            if self._running == 0:
                self._drained.set()

    def _require_awake(self) -> None:
        if not self._awake.is_set():
            raise EngineError("engine_unavailable", PAUSED)
        self._process.require_running()

    async def _load(self, lora: str) -> None:
        """
        Raises EngineError `invalid_model` for a damaged folder, `internal` when vLLM refuses it or
        does not say what training computed.
        """
        stored = await asyncio.to_thread(self._loras.read, lora)
        folder = self._loras.folder / lora
        await self._client.load_lora(lora, folder)
        problem = await disproof(self._client, self._base, self._dtype, stored, folder)
        if problem is not None:
            await self._client.unload_lora(lora)
            raise EngineError("internal", f"vLLM has loaded {lora}, but {problem}; not served")
