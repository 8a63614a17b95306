"""The engine put together: model, loras, what serves them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from contract.log import Log
from engine.backend import PeftBackend
from engine.base_model import open_base_model
from engine.lora_model import default_placement
from engine.loras import Loras
from engine.options import Options
from engine.served_by import open_transformers_serving, open_vllm_serving
from engine.vllm.options import VllmOptions, limited


async def open_backend(
    model_path: Path, data_dir: Path, log: Log, *, vllm: VllmOptions | None = None, **options: Any
) -> PeftBackend:
    """
    Loads the model and its loras and is ready to serve when it returns, by vLLM where it has
    options, else by transformers in this process. `options` are fields of `Options`.

    Raises EngineError `invalid_model`, `store_unavailable`, `engine_unavailable`.
    """
    chosen = Options(**{"placement": default_placement(), **options})
    base = await asyncio.to_thread(open_base_model, model_path)
    if vllm is not None:
        base = limited(base, vllm)
    loras = await asyncio.to_thread(Loras, data_dir / "loras", base, log)
    if vllm is None:
        serving, sharing = await open_transformers_serving(
            base,
            chosen.placement,
            loras,
            max_loras=chosen.max_loras,
            max_running=chosen.max_running,
        )
    else:
        serving, sharing = await open_vllm_serving(base, chosen.placement, loras, vllm, log)
        chosen = replace(
            chosen, max_lora_rank=vllm.max_lora_rank, training_share=vllm.training_share
        )
    return PeftBackend(base, loras, serving, chosen, sharing)
