"""
Generation and losses with loras. `Serving` is what the engine needs of whatever serves a model;
`TransformersServing` computes in this process, one token of one request at a time. Knows nothing of
HTTP, chat templates or training.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from transformers import DynamicCache

from contract.backend import CompletionEnd, TokenDelta
from engine.base_model import BaseModel
from engine.constraint import Choices, Constraint, JsonObject
from engine.lora_model import Placement, autocast_of, label_logits, load_weights
from engine.lora_slots import LoraSlots, ReadLora
from engine.model_thread import ModelThread
from engine.row_outputs import RowLosses, part_losses, parts_of
from engine.rows import TokenizedRow
from engine.sampler import Sampler, Sampling
from engine.text import TextAssembler

#: prompt tokens computed before another request has its turn
CHUNK_TOKENS = 512
#: tokens of one pass that computes losses
LOSS_TOKENS = 4096


@dataclass(frozen=True)
class Generation:
    """A request as tokens."""

    prompt_ids: Sequence[int]
    #: None is the base model
    lora: str | None
    #: 1 or more
    max_tokens: int
    sampling: Sampling
    stop: Sequence[str]
    top_logprobs: int
    #: the only answers allowed
    choices: Sequence[str] | None
    json_object: bool
    #: what is computed of the prompt may be found and kept
    cache_prompt: bool = True


class Serving(Protocol):
    """Errors are EngineErrors: `overloaded`, `engine_unavailable`, what reading a lora raises."""

    def generate(self, request: Generation) -> AsyncGenerator[TokenDelta | CompletionEnd, None]:
        """The last item is the CompletionEnd. Leaving the loop stops the generation."""

    async def losses(self, lora: str | None, rows: Sequence[TokenizedRow]) -> RowLosses:
        """`rows` is not empty and was checked."""

    async def load(self, lora: str) -> None:
        """Takes a lora into memory and proves that it is active."""

    async def unload(self, lora: str) -> None:
        """Forgets a lora that no request uses."""

    async def close(self) -> None: ...


class TransformersServing:
    """`max_loras` are kept in memory; `read_lora` is called when one is needed that is not."""

    def __init__(
        self,
        base: BaseModel,
        placement: Placement,
        read_lora: ReadLora,
        *,
        max_loras: int,
        max_running: int,
    ) -> None:
        self._base = base
        self._model = load_weights(base, placement)
        # transformers 5.24 renamed it, 5.40 forgets the old name
        known = inspect.signature(self._model.forward).parameters
        self._cache_argument = "cache" if "cache" in known else "past_key_values"
        self._slots = LoraSlots(
            self._model,
            read_lora,
            probe_ids=base.tokenizer.encode_text("A probe of 1 lora."),
            max_loaded=max_loras,
        )
        self._thread: ModelThread = ModelThread(max_running=max_running)

    def generate(self, request: Generation) -> AsyncGenerator[TokenDelta | CompletionEnd, None]:
        return self._thread.run(self._tokens(request))

    async def losses(self, lora: str | None, rows: Sequence[TokenizedRow]) -> RowLosses:
        return await self._thread.result(self._losses(lora, rows))

    async def load(self, lora: str) -> None:
        await self._thread.result(self._loaded(lora))

    async def unload(self, lora: str) -> None:
        await self._thread.result(self._unloaded(lora))

    async def close(self) -> None:
        await self._thread.close()

    def _loaded(self, lora: str) -> Iterator[bool]:
        self._slots.activate(lora)
        yield True

    def _unloaded(self, lora: str) -> Iterator[bool]:
        self._slots.unload(lora)
        yield True

    def _losses(self, lora: str | None, rows: Sequence[TokenizedRow]) -> Iterator[RowLosses | None]:
        losses = [0.0] * len(rows)
        for part in parts_of(rows, LOSS_TOKENS):
            # another request may have had its turn since the last part
            self._slots.activate(lora)
            values = part_losses(
                lambda packed: label_logits(self._model, packed), [rows[row] for row in part]
            )
            for row, value in zip(part, values, strict=True):
                losses[row] = value
            yield None
        yield RowLosses(losses, [len(row.completion_ids) for row in rows])

    def _tokens(self, request: Generation) -> Iterator[TokenDelta | CompletionEnd | None]:
        tokenizer, end_ids = self._base.tokenizer, self._base.eos_ids
        context = self._base.config.max_positions - len(request.prompt_ids)
        max_tokens = min(request.max_tokens, context)
        constraint = self._constraint(request, max_tokens)
        sampler = Sampler(request.sampling, request.top_logprobs)
        text = TextAssembler(
            tokenizer.decode_bytes,
            end_ids,
            stop=request.stop,
            shows_end=request.choices is not None,
        )
        cache = DynamicCache(config=self._model.config)
        logprobs = yield from self._read_prompt(request, cache)
        count, reason = 0, None
        while reason is None:
            token = sampler.choose(logprobs, constraint)
            if token is None:
                # nothing may be said any more
                reason = "stop"
                break
            count += 1
            ended = text.push(token)
            if constraint is not None:
                constraint.advance(token.token_id)
                ended = ended or constraint.finished
            if ended:
                reason = "stop"
            elif count >= max_tokens:
                reason = "length"
            else:
                yield from text.take()
                logprobs = self._forward([token.token_id], request.lora, cache)
                yield None
        text.end()
        yield from text.take()
        yield CompletionEnd(reason, len(request.prompt_ids), count)

    def _constraint(self, request: Generation, max_tokens: int) -> Constraint | None:
        tokenizer = self._base.tokenizer
        if request.choices is not None:
            encodings = [tokenizer.encode_text(text, continues=True) for text in request.choices]
            return Choices(encodings, self._base.eos_ids[0])
        return JsonObject(tokenizer.decode_bytes, max_tokens) if request.json_object else None

    def _read_prompt(
        self, request: Generation, cache: DynamicCache
    ) -> Generator[None, None, np.ndarray]:
        ids = list(request.prompt_ids)
        logprobs = np.empty(0)
        for start in range(0, len(ids), CHUNK_TOKENS):
            logprobs = self._forward(ids[start : start + CHUNK_TOKENS], request.lora, cache)
            yield None
        return logprobs

    def _forward(self, ids: list[int], lora: str | None, cache: DynamicCache) -> np.ndarray:
        """Log-probabilities of what follows these tokens, [vocabulary]; the cache grows by them."""
        # another request may have had its turn since the last step
        self._slots.activate(lora)
        model = self._model
        with torch.inference_mode(), autocast_of(model):
            output = model(
                input_ids=torch.tensor([ids], device=model.device),
                **{self._cache_argument: cache},
                use_cache=True,
                logits_to_keep=1,
            )
            logprobs = torch.log_softmax(output.logits[0, -1].float(), dim=-1)
        return logprobs.cpu().numpy()
