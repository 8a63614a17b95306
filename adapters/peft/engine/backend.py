"""
The engine behind the HTTP contract: one base model and its loras. Serves through `serve.Serving`,
trains in processes of their own. Knows nothing of HTTP, files of rows or job records.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from contract.backend import (
    ChatRequest,
    CompletionEnd,
    Message,
    Row,
    TokenDelta,
    TrainHooks,
    TrainInput,
    TrainResult,
)
from contract.errors import EngineError
from engine.base_model import BaseModel
from engine.gpu_sharing import GpuSharing
from engine.hyperparameters import DEFAULT_RANK
from engine.loras import Loras
from engine.options import Options
from engine.rendering import scored_row, student_row, teacher_row
from engine.rows import check_rows
from engine.sampler import Sampling
from engine.training_process import run_training
from serve import Generation, Serving

METHODS = ["supervised", "self-distillation"]
#: rows rendered between two turns of the event loop, so that serving goes on meanwhile
ROWS_PER_TURN = 32


class PeftBackend:
    """Implements contract.backend.Backend."""

    def __init__(
        self,
        base: BaseModel,
        loras: Loras,
        serving: Serving,
        options: Options,
        sharing: GpuSharing,
    ) -> None:
        self._base = base
        self._loras = loras
        self._serving = serving
        self._options = options
        self.sharing = sharing
        #: requests and jobs that use a lora
        self._users: Counter[str] = Counter()

    def models(self) -> list[dict]:
        base = self._base
        common = {
            "object": "model",
            "owned_by": "promptintern",
            "max_model_len": base.config.max_positions,
            "training_methods": METHODS,
            "parameters": base.config.parameters,
        }
        own = {"id": base.name, "created": 0, "fingerprint": base.system_fingerprint, **common}
        loras = [
            {"id": lora.id, "created": lora.created, "parent": base.name, **common}
            for lora in self._loras.serving()
        ]
        return [own, *loras]

    def fingerprint(self, model: str) -> str | None:
        return self._base.system_fingerprint if model == self._base.name else None

    async def validate_training(self, model: str, rows: list[Row]) -> None:
        self._lora_of(model)
        if not rows:
            raise EngineError("invalid_request", "there are no rows to train on")
        chat, taught = self._base.chat, [row for row in rows if row.teacher_messages is not None]
        max_positions = self._base.config.max_positions
        check_rows(await _in_turns(rows, lambda row: student_row(chat, row)), max_positions)
        check_rows(await _in_turns(taught, lambda row: teacher_row(chat, row)), max_positions)

    async def train(self, job: TrainInput, hooks: TrainHooks) -> TrainResult:
        lora = self._lora_of(job.model)
        # one that starts from a lora has its rank, which is served already
        if lora is None:
            self._check_rank(job.hyperparameters.get("rank") or DEFAULT_RANK)
        with self._using(lora):
            async with self.sharing.training():
                result = await run_training(
                    self._task(job, lora), job.checkpoint_dir, hooks, self._options.processes
                )
        record = await asyncio.to_thread(self._loras.examine, result.model)
        if record.problem is not None:
            raise EngineError("internal", f"the trained lora is unusable: {record.problem}")
        # nobody hears of it before it can answer
        await self._serving.load(result.model)
        self._loras.announce(record)
        return result

    async def complete(self, request: ChatRequest) -> AsyncIterator[TokenDelta | CompletionEnd]:
        lora = self._lora_of(request.model)
        with self._using(lora):
            items = self._serving.generate(self._generation(request, lora))
            try:
                async for item in items:
                    yield item
            finally:
                await items.aclose()

    async def loss(self, model: str, rows: list[Row]) -> tuple[list[float], list[int]]:
        lora = self._lora_of(model)
        if not rows:
            raise EngineError("invalid_request", "there are no rows", "rows")
        chat = self._base.chat
        read = await _in_turns(rows, lambda row: scored_row(chat, row, is_base=lora is None))
        check_rows(read, self._base.config.max_positions)
        with self._using(lora):
            losses = await self._serving.losses(lora, read)
        return losses.losses, losses.tokens

    async def count_tokens(self, model: str, prompt: str | list[Message]) -> int:
        lora = self._lora_of(model)
        if isinstance(prompt, str):
            return len(self._base.tokenizer.encode_text(prompt))
        is_open = not prompt or prompt[-1].role != "assistant"
        ids = self._base.chat.prompt_ids(
            prompt, default_system=lora is None, add_generation_prompt=is_open
        )
        return len(ids)

    async def delete_model(self, model: str) -> None:
        lora = self._lora_of(model)
        if lora is None:
            raise EngineError("invalid_request", f"{model} is the base model and stays", "model")
        if self._users[lora] > 0:
            raise EngineError("conflict", f"a job or a request uses {model}")
        # gone first, so that no request takes it up while its memory is freed
        self._loras.remove(lora)
        await self._serving.unload(lora)

    async def close(self) -> None:
        await self._serving.close()

    def _lora_of(self, model: str) -> str | None:
        """The lora's id, or None for the base model."""
        return None if model == self._base.name else self._loras.require(model).id

    def _check_rank(self, rank: int) -> None:
        """Before training, because a lora that cannot be served is trained in vain."""
        most = self._options.max_lora_rank
        if most is not None and rank > most:
            raise EngineError(
                "invalid_request",
                f"rank {rank} is more than vLLM was started for, {most}; raise "
                "ENGINE_VLLM_MAX_LORA_RANK",
                "hyperparameters.rank",
            )

    @contextmanager
    def _using(self, lora: str | None) -> Iterator[None]:
        if lora is None:
            yield
            return
        self._users[lora] += 1
        try:
            yield
        finally:
            self._users[lora] -= 1

    def _generation(self, request: ChatRequest, lora: str | None) -> Generation:
        prompt_ids = self._base.chat.prompt_ids(request.messages, default_system=lora is None)
        max_positions = self._base.config.max_positions
        if len(prompt_ids) >= max_positions:
            raise EngineError(
                "context_length_exceeded",
                f"the prompt has {len(prompt_ids)} tokens, the model takes {max_positions} "
                "with the answer",
                "messages",
            )
        if request.choice == []:
            raise EngineError(
                "invalid_request", "the list of choices is empty", "structured_outputs"
            )
        seed = secrets.randbelow(2**31) if request.seed is None else request.seed
        return Generation(
            prompt_ids=prompt_ids,
            lora=lora,
            max_tokens=request.max_tokens or max_positions,
            sampling=Sampling(request.temperature, request.top_p, seed),
            stop=request.stop,
            top_logprobs=request.top_logprobs,
            choices=request.choice,
            json_object=request.json_object,
            cache_prompt=request.cache_prompt,
        )

    def _task(self, job: TrainInput, lora: str | None) -> dict[str, Any]:
        options = self._options
        return {
            "model_path": str(self._base.folder),
            "loras_dir": str(self._loras.folder),
            "checkpoint_dir": str(job.checkpoint_dir),
            "rows": [asdict(row) for row in job.rows],
            "validation_rows": [asdict(row) for row in job.validation_rows],
            "method": job.method,
            "hyperparameters": job.hyperparameters,
            "seed": job.seed,
            "lora": lora,
            "suffix": job.suffix,
            "metadata": job.metadata,
            "device": options.placement.device,
            "dtype": options.placement.dtype,
            "four_bit": options.four_bit_training,
            "gradient_checkpointing": options.gradient_checkpointing,
            "shard_base": options.shard_base,
            "attention": options.attention,
            "max_tokens": options.max_training_tokens,
            "checkpoint_seconds": options.checkpoint_seconds,
            "early_stop_patience": options.early_stop_patience,
            "replay_share": options.replay_share,
            "threads": options.threads,
            "memory_share": options.training_share,
        }


async def _in_turns(rows: list[Row], render: Callable[[Row], Any]) -> list[Any]:
    rendered = []
    for number, row in enumerate(rows):
        if number % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
        rendered.append(render(row))
    return rendered
