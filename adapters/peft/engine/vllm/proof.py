"""
The proof that a loaded lora is active: on its probe it changes what vLLM says as it did when
training ended. Its request is also the warm-up: the first one of a lora moves it to the GPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from engine.base_model import BaseModel
from engine.lora_store import StoredLora
from engine.probe import changes_nothing, contradiction, probe_rows, read_probe, tolerance_of
from engine.vllm.client import VllmClient


async def completion_nats(
    client: VllmClient, model: str, prompt: Sequence[int], completion: Sequence[int]
) -> list[float]:
    """Log-probability of every completion token. Raises as `VllmClient.score`."""
    scores = await client.score(model, [*prompt, *completion])
    return scores[len(prompt) - 1 :]


async def disproof(
    client: VllmClient, base: BaseModel, dtype: str, stored: StoredLora, folder: Path
) -> str | None:
    """Why the lora is not what was trained; None when it is."""
    probe = await asyncio.to_thread(read_probe, folder)
    if probe is None:
        return await _changes_nothing(client, base, stored)
    answers = [(probe.prompt_ids, completion) for completion in probe.completions]
    without = await _nats(client, base.name, answers)
    with_it = await _nats(client, stored.id, answers)
    return contradiction(probe, without, with_it, tolerance_of(probe.placement, dtype))


async def _changes_nothing(client: VllmClient, base: BaseModel, stored: StoredLora) -> str | None:
    """Of a lora without a probe, such as the embedded engine's, any change will do."""
    answers = [(row.prompt_ids, row.completion_ids) for row in probe_rows(base.chat)]
    names = (base.name, base.name, stored.id)
    values = [await _nats(client, name, answers) for name in names]
    return "it changes nothing there" if stored.changes and changes_nothing(*values) else None


async def _nats(
    client: VllmClient, model: str, answers: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[float]:
    # one after the other, each in a batch of its own: the proof is of the lora alone
    return [
        nats
        for prompt, completion in answers
        for nats in await completion_nats(client, model, prompt, completion)
    ]
