"""A backend without a model, for tests of the HTTP side; it fails on demand."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from contract.backend import (
    ChatRequest,
    CompletionEnd,
    Message,
    Row,
    TokenDelta,
    TrainHooks,
    TrainInput,
    TrainProgress,
    TrainResult,
)
from contract.disk import replace_durably
from contract.errors import EngineError
from memory_model import Memory, count_messages, digest, tokens_of

BASE = "memory-base"
MAX_MODEL_LEN = 2048


@dataclass
class Faults:
    """Read at every step: a test may change them while the engine runs."""

    step_seconds: float = 0.0
    token_seconds: float = 0.0
    fail_at_step: int | None = None
    fails_with: str = "internal"
    """the error's code"""
    die_after_tokens: int | None = None
    ignores_cancelling: bool = False
    loss: float = 1.0


def _entry(token: str, probability: float) -> dict:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode())}


def _logprob(token: str, certainty: float, alternatives: int) -> dict:
    chosen = _entry(token, certainty)
    others = [_entry(f"o{n}", certainty * 0.1**n) for n in range(1, alternatives)]
    return {**chosen, "top_logprobs": [chosen, *others] if alternatives else []}


class MemoryBackend:
    """Keeps its loras as JSON in `loras/` of the data directory."""

    def __init__(self, data_dir: Path, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.running = 0
        """generations under way"""
        self._folder = data_dir / "loras"
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = sorted(self._folder.glob("*.json"))
        self._loras = {path.stem: Memory(json.loads(path.read_text())) for path in paths}
        self._users: Counter[str] = Counter()

    def models(self) -> list[dict]:
        shared = {
            "object": "model",
            "created": 0,
            "owned_by": "promptintern",
            "max_model_len": MAX_MODEL_LEN,
            "training_methods": ["supervised"],
        }
        base = {"id": BASE, "parameters": 1_000_000, "fingerprint": "memory-1"}
        loras = [{"id": lora, "parent": BASE} for lora in self._loras]
        return [{**model, **shared} for model in [base, *loras]]

    def fingerprint(self, model: str) -> str | None:
        return "memory-1" if model == BASE else None

    async def validate_training(self, model: str, rows: list[Row]) -> None:
        self._memory(model)
        for number, row in enumerate(rows, 1):
            self._check_length(count_messages(row.messages), f"row {number}")

    async def train(self, job: TrainInput, hooks: TrainHooks) -> TrainResult:
        memory = self._memory(job.model).learn(job.rows)
        checkpoint = job.checkpoint_dir / "step"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        total = job.hyperparameters.get("max_steps", 5)
        if done:
            hooks.on_message("info", f"Goes on from step {done}")
        for step in range(done + 1, total + 1):
            await self._step(step)
            replace_durably(checkpoint, [str(step).encode()])
            hooks.on_progress(TrainProgress(step, total, 100.0, self.faults.loss, None, 1.0))
        lora = f"lora-{digest(memory.table, job.model, job.seed, job.suffix)}"
        (self._folder / f"{lora}.json").write_text(json.dumps(memory.table))
        self._loras[lora] = memory
        metrics = {
            "steps": total,
            "seconds": 1.0,
            "tokens_per_second": 100.0,
            "train_loss": self.faults.loss,
            "valid_loss": memory.loss(job.validation_rows[0]) if job.validation_rows else None,
            "peak_memory_bytes": 1,
        }
        return TrainResult(lora, 10 * total, metrics)

    async def complete(self, request: ChatRequest) -> AsyncIterator[TokenDelta | CompletionEnd]:
        memory = self._memory(request.model)
        prompt_tokens = count_messages(request.messages)
        self._check_length(prompt_tokens + 1, "the prompt with one token of an answer")
        tokens, certainty = memory.answer(request)
        shown = tokens[: request.max_tokens or MAX_MODEL_LEN - prompt_tokens]
        self._users[request.model] += 1
        self.running += 1
        try:
            for index, token in enumerate(shown):
                if index == self.faults.die_after_tokens:
                    raise RuntimeError(f"dies after {index} tokens, as told")
                await asyncio.sleep(self.faults.token_seconds)
                yield TokenDelta(token, [_logprob(token, certainty, request.top_logprobs)])
            reason = "length" if len(shown) < len(tokens) else "stop"
            yield CompletionEnd(reason, prompt_tokens, len(shown))
        finally:
            self._users[request.model] -= 1
            self.running -= 1

    async def loss(self, model: str, rows: list[Row]) -> tuple[list[float], list[int]]:
        memory = self._memory(model)
        tokens = [len(tokens_of(row.messages[-1].content)) + 1 for row in rows]
        return [memory.loss(row) for row in rows], tokens

    async def count_tokens(self, model: str, prompt: str | list[Message]) -> int:
        self._memory(model)
        return len(tokens_of(prompt)) if isinstance(prompt, str) else count_messages(prompt)

    async def delete_model(self, model: str) -> None:
        self._memory(model)
        if self._users[model]:
            raise EngineError("conflict", f"requests use {model}")
        del self._loras[model]
        (self._folder / f"{model}.json").unlink()

    async def close(self) -> None:
        pass

    def _memory(self, model: str) -> Memory:
        if model == BASE:
            return Memory()
        if model not in self._loras:
            raise EngineError("not_found", f"no model {model}", "model")
        return self._loras[model]

    def _check_length(self, tokens: int, what: str) -> None:
        if tokens > MAX_MODEL_LEN:
            message = f"{what} has {tokens} tokens, the model reads {MAX_MODEL_LEN}"
            raise EngineError("context_length_exceeded", message)

    async def _step(self, step: int) -> None:
        if step == self.faults.fail_at_step:
            raise EngineError(self.faults.fails_with, f"fails at step {step}, as told")
        try:
            await asyncio.sleep(self.faults.step_seconds)
        except asyncio.CancelledError:
            if not self.faults.ignores_cancelling:
                raise
