"""Where each lora matrix lies in one flat vector. Knows nothing of files or of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.model_config import LINEAR_LAYERS, ModelConfig
from engine.seeded_random import Random


@dataclass(frozen=True)
class LoraEntry:
    #: `model.layers.3.mlp.up_proj`
    module: str
    matrix: Literal["A", "B"]
    #: A [rank, in], B [out, rank]
    shape: tuple[int, int]
    #: in elements of the flat vector
    offset: int

    @property
    def length(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def tensor_name(self) -> str:
        """PEFT's name of the tensor in a file."""
        return f"base_model.model.{self.module}.lora_{self.matrix}.weight"


@dataclass(frozen=True)
class LoraLayout:
    rank: int
    alpha: float
    entries: list[LoraEntry]

    @property
    def length(self) -> int:
        return self.entries[-1].offset + self.entries[-1].length


def create_lora_layout(config: ModelConfig, rank: int, alpha: float) -> LoraLayout:
    """A and B of all seven linear layers of every decoder layer, in the embedded engine's order."""
    entries: list[LoraEntry] = []
    offset = 0
    for layer in range(config.layers):
        for linear in LINEAR_LAYERS:
            rows, columns = config.linear_shape(linear)
            module = f"model.layers.{layer}.{linear}"
            entries.append(LoraEntry(module, "A", (rank, columns), offset))
            offset += rank * columns
            entries.append(LoraEntry(module, "B", (rows, rank), offset))
            offset += rows * rank
    return LoraLayout(rank, alpha, entries)


def init_lora(layout: LoraLayout, random: Random) -> np.ndarray:
    """
    The flat vector of a new lora, float32: A uniform in ±1/√in (Kaiming with a = √5, PEFT's
    default), B zero, so that it changes nothing.
    """
    theta = np.zeros(layout.length, dtype=np.float32)
    for entry in layout.entries:
        if entry.matrix == "A":
            bound = 1 / math.sqrt(entry.shape[1])
            values = [(2 * random() - 1) * bound for _ in range(entry.length)]
            theta[entry.offset : entry.offset + entry.length] = values
    return theta
