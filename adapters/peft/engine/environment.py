"""
Environment variables → Options. All mistakes are told at once, each with its variable. Pure:
what the machine has comes in as an argument.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import EngineError
from engine.attention import Attention
from engine.lora_model import NO_FOUR_BIT_PARTS, Placement
from engine.options import Options

#: tokens of one forward and backward pass; a GPU is busy with no fewer, a CPU with 4096
GPU_TRAINING_TOKENS = 16_384

#: variables that the device decides with
OF_DEVICE = {"device", "dtype", "max_training_tokens"}

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Machine:
    gpus: int
    has_bitsandbytes: bool


def this_machine() -> Machine:
    return Machine(
        gpus=torch.cuda.device_count() if torch.cuda.is_available() else 0,
        has_bitsandbytes=importlib.util.find_spec("bitsandbytes") is not None,
    )


class _Variables(BaseModel):
    """Names without `ENGINE_`; None is the default of the device or of the model's size."""

    model_config = ConfigDict(alias_generator=lambda name: f"ENGINE_{name.upper()}")

    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] | None = None
    dtype: Literal["float32", "bfloat16"] | None = None
    four_bit_training: Annotated[bool, Field(alias="ENGINE_FOUR_BIT")] = Options.four_bit_training
    gradient_checkpointing: bool | None = Options.gradient_checkpointing
    attention: Attention | None = Options.attention
    max_training_tokens: Count | None = None
    checkpoint_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = (
        Options.checkpoint_seconds
    )
    early_stop_patience: Annotated[int, Field(ge=0)] = Options.early_stop_patience
    replay_share: Annotated[float, Field(ge=0, le=1)] = Options.replay_share
    processes: Count = Options.processes
    shard_base: bool = Options.shard_base
    max_loras: Count = Options.max_loras
    max_running: Count = Options.max_running
    threads: Count | None = Options.threads


def read_options(env: Mapping[str, str], machine: Machine) -> Options:
    """
    The variables are in README.md; an empty one is as one that is not set.

    Raises EngineError `invalid_config`.
    """
    given = {name: value for name, value in env.items() if value != ""}
    try:
        read = _Variables.model_validate(given)
    except ValidationError as error:
        raise _config_error([_told(finding) for finding in error.errors()]) from error
    device = read.device or ("cuda" if machine.gpus else "cpu")
    is_gpu = device != "cpu"
    faults = _faults(read, device, machine)
    if faults:
        raise _config_error(faults)
    training_tokens = GPU_TRAINING_TOKENS if is_gpu else Options.max_training_tokens
    return Options(
        placement=Placement(device, read.dtype or ("bfloat16" if is_gpu else "float32")),
        max_training_tokens=read.max_training_tokens or training_tokens,
        **read.model_dump(exclude=OF_DEVICE),
    )


def _faults(read: _Variables, device: str, machine: Machine) -> list[str]:
    """What this machine cannot do."""
    faults = []
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= machine.gpus:
        faults.append(
            f"ENGINE_DEVICE is {device}, but torch sees {machine.gpus} GPUs: "
            "install torch for CUDA and a driver, or set ENGINE_DEVICE=cpu"
        )
    if device == "cpu" and read.attention == "flex":
        faults.append("ENGINE_ATTENTION=flex trains on a GPU only: set ENGINE_ATTENTION=sdpa")
    if read.four_bit_training and not machine.has_bitsandbytes:
        faults.append(
            "ENGINE_FOUR_BIT needs bitsandbytes: install it (pip install bitsandbytes), "
            "or unset ENGINE_FOUR_BIT"
        )
    if device.startswith("cuda:") and read.processes > 1:
        faults.append("ENGINE_PROCESSES takes one GPU each: set ENGINE_DEVICE=cuda")
    if device == "cuda" and read.processes > max(1, machine.gpus):
        faults.append(f"ENGINE_PROCESSES is {read.processes}, but there are {machine.gpus} GPUs")
    if read.shard_base and read.processes == 1:
        faults.append(
            "ENGINE_SHARD_BASE shares the base model out over several processes: set "
            "ENGINE_PROCESSES to 2 or more, or unset ENGINE_SHARD_BASE"
        )
    if read.shard_base and read.four_bit_training:
        faults.append(NO_FOUR_BIT_PARTS)
    return faults


def _told(finding: Any) -> str:
    name = finding["loc"][0]
    return f"{name} is {finding['input']!r}: {finding['msg']}"


def _config_error(faults: list[str]) -> EngineError:
    return EngineError("invalid_config", "; ".join(faults))
