"""
What a training needs to go on after its process died, and the optimizer's state that a next stage
begins with: safetensors files with a header as JSON, written whole or not at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from disk import replace_durably
from schedule import Counters

CHECKPOINT = "checkpoint.safetensors"
OPTIMIZER = "optimizer.safetensors"

#: of the lora, by PEFT's names
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class OptimizerState:
    step: int
    #: first and second moments
    m: Weights
    v: Weights


@dataclass(frozen=True)
class Checkpoint:
    counters: Counters
    weights: Weights
    optimizer: OptimizerState


def save_checkpoint(folder: Path, identity: str, checkpoint: Checkpoint) -> None:
    """
    `identity` is what makes two trainings the same.

    Raises TrainingError `store-unavailable`; an older checkpoint stays.
    """
    optimizer = checkpoint.optimizer
    header = {
        "identity": identity,
        "counters": asdict(checkpoint.counters),
        "optimizer_step": optimizer.step,
    }
    parts = {"weights": checkpoint.weights, "m": optimizer.m, "v": optimizer.v}
    write_tensors(folder / CHECKPOINT, header, parts)


def load_checkpoint(folder: Path, identity: str, names: set[str]) -> Checkpoint | None:
    """None when there is none, or none of this training."""
    read = read_tensors(folder / CHECKPOINT)
    if read is None or read[0].get("identity") != identity:
        return None
    header, parts = read
    if any(set(part) != names for part in parts.values()):
        return None
    optimizer = OptimizerState(header["optimizer_step"], parts["m"], parts["v"])
    return Checkpoint(Counters(**header["counters"]), parts["weights"], optimizer)


def save_optimizer(folder: Path, state: OptimizerState) -> None:
    """Raises TrainingError `store-unavailable`."""
    write_tensors(folder / OPTIMIZER, {"step": state.step}, {"m": state.m, "v": state.v})


def load_optimizer(folder: Path, weights: Weights) -> OptimizerState | None:
    """What training left beside a lora; None when there is nothing that fits."""
    read = read_tensors(folder / OPTIMIZER)
    if read is None or not isinstance(read[0].get("step"), int):
        return None
    header, parts = read
    shapes = {name: weight.shape for name, weight in weights.items()}
    for part in ("m", "v"):
        if {name: one.shape for name, one in parts.get(part, {}).items()} != shapes:
            return None
    return OptimizerState(header["step"], parts["m"], parts["v"])


def write_tensors(path: Path, header: dict[str, Any], parts: dict[str, Weights]) -> None:
    """Replaces a file in one step. Raises TrainingError `store-unavailable`."""
    tensors = {
        f"{part}/{name}": tensor.contiguous()
        for part, weights in parts.items()
        for name, tensor in weights.items()
    }
    replace_durably(path, save(tensors, {"header": json.dumps(header)}))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Weights]] | None:
    """Header and parts; None when the file is not there, truncated or not of this format."""
    parts: dict[str, Weights] = {}
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["header"])
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition("/")
                parts.setdefault(part, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
    return header, parts
