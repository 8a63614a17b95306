"""The GPU engine: environment → backend → HTTP contract. README.md has the environment."""

import asyncio
import os
import sys
from pathlib import Path

from contract.backend import Backend
from contract.log import Log
from contract.process import required, run_engine_process
from mirror.mirrored_backend import MirroredBackend
from mirror.mirroring import Mirroring
from mirror.object_store import open_object_store
from mirror.restore import prepare_mirror


def open_mirror(url: str, data_dir: Path, log: Log) -> Mirroring:
    """Brings what the store has. Raises EngineError `invalid_config`, `store_unavailable`."""
    return Mirroring(prepare_mirror(open_object_store(url), data_dir, log), log)


async def open_local_backend(data_dir: Path, log: Log) -> Backend:
    """Raises EngineError: what is missing, and what to do."""
    model_path = Path(required(os.environ, "ENGINE_MODEL"))
    # torch takes seconds to load: a wrong environment is told before
    from engine.backend import open_backend
    from engine.environment import read_options, this_machine

    options = read_options(os.environ, this_machine())
    return await open_backend(model_path=model_path, data_dir=data_dir, log=log, **vars(options))


async def create_backend(data_dir: Path, log: Log) -> Backend:
    url = os.environ.get("ENGINE_CHECKPOINT_URL")
    if not url:
        return await open_local_backend(data_dir, log)
    mirroring = await asyncio.to_thread(open_mirror, url, data_dir, log)
    return MirroredBackend(await open_local_backend(data_dir, log), mirroring)


if __name__ == "__main__":
    sys.exit(run_engine_process("peft", os.environ, create_backend))
