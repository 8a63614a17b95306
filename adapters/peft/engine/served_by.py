"""Who serves, and what that means for training: vLLM where it has options, else transformers."""

from __future__ import annotations

import asyncio

from contract.log import Log
from engine.base_model import BaseModel
from engine.gpu_sharing import Apart, GpuSharing, Pause
from engine.lora_model import Placement
from engine.loras import Loras
from engine.vllm.opening import open_vllm
from engine.vllm.options import VllmOptions
from serve import Serving, TransformersServing


async def open_vllm_serving(
    base: BaseModel, placement: Placement, loras: Loras, options: VllmOptions, log: Log
) -> tuple[Serving, GpuSharing]:
    """Raises EngineError `engine_unavailable`."""
    serving = await open_vllm(base, placement, loras, options, log)
    return serving, Pause(serving) if options.sharing == "pause" else Apart()


async def open_transformers_serving(
    base: BaseModel, placement: Placement, loras: Loras, *, max_loras: int, max_running: int
) -> tuple[Serving, GpuSharing]:
    """Raises EngineError `invalid_model`."""
    serving = await asyncio.to_thread(
        lambda: TransformersServing(
            base, placement, loras.read, max_loras=max_loras, max_running=max_running
        )
    )
    return serving, Apart()
