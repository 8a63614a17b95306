"""
SkyRL's server of the Tinker API on the CPU: `python skyrl_server.py PORT MODEL_FOLDER DATA_FOLDER`.
SkyRL 0.3.0 starts its engine by `uv run`, which would install it anew: here it is this Python's. On
Python 3.11 pydantic takes no TypedDict of `typing`, which SkyRL uses.
"""

from __future__ import annotations

import os
import runpy
import sys
import typing
from pathlib import Path

import typing_extensions

typing.TypedDict = typing_extensions.TypedDict
os.environ.setdefault("JAX_PLATFORMS", "cpu")

if sys.argv[1] == "engine":
    del sys.argv[1]
    runpy.run_module("skyrl.tinker.engine", run_name="__main__", alter_sys=True)
    sys.exit()

import uvicorn  # noqa: E402
from skyrl.tinker import api  # noqa: E402
from skyrl.tinker.config import EngineConfig, config_to_argv  # noqa: E402

port, model, data = sys.argv[1:]


def engine_command(_: list[str], config: EngineConfig) -> list[str]:
    return [sys.executable, __file__, "engine", *config_to_argv(config)]


api._build_uv_run_cmd_engine = engine_command
api.app.state.engine_config = EngineConfig(
    base_model=model,
    backend="jax",
    backend_config={"max_lora_adapters": 12, "max_lora_rank": 8},
    checkpoints_base=str(Path(data) / "checkpoints"),
    database_url=f"sqlite:///{Path(data) / 'tinker.db'}",
)
uvicorn.run(api.app, host="127.0.0.1", port=int(port), log_level="info")
