"""The GPU engine: environment → backend → HTTP contract. README.md has the environment."""

import os
import sys
from pathlib import Path

from contract.backend import Backend
from contract.log import Log
from contract.process import required, run_engine_process


async def create_backend(data_dir: Path, log: Log) -> Backend:
    """Raises EngineError: what is missing, and what to do."""
    model_path = Path(required(os.environ, "ENGINE_MODEL"))
    # torch takes seconds to load: a wrong environment is told before
    import torch

    from engine.backend import open_backend
    from engine.vllm.options import vllm_options

    vllm = vllm_options(os.environ, has_cuda=torch.cuda.is_available())
    return await open_backend(model_path=model_path, data_dir=data_dir, log=log, vllm=vllm)


if __name__ == "__main__":
    sys.exit(run_engine_process("peft", os.environ, create_backend))
