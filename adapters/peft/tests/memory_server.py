"""The engine's process around the memory backend: the HTTP side without a model."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contract.log import Log
from contract.process import run_engine_process
from memory_backend import Faults, MemoryBackend


async def create_backend(data_dir: Path, _: Log) -> MemoryBackend:
    return MemoryBackend(data_dir, Faults(step_seconds=0.002, token_seconds=0.004))


if __name__ == "__main__":
    sys.exit(run_engine_process("memory", os.environ, create_backend))
