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
    from engine.environment import read_options, this_machine
    from engine.opening import open_backend
    from engine.vllm.options import vllm_options

    machine = this_machine()
    options = read_options(os.environ, machine)
    vllm = vllm_options(os.environ, on_gpu=options.placement.device != "cpu")
    return await open_backend(
        model_path=model_path, data_dir=data_dir, log=log, vllm=vllm, **vars(options)
    )


if __name__ == "__main__":
    sys.exit(run_engine_process("peft", os.environ, create_backend))
