"""How the engine computes. `environment.py` reads them; server, serving and training are told."""

from __future__ import annotations

from dataclasses import dataclass

from engine.attention import Attention
from engine.lora_model import Placement


@dataclass(frozen=True)
class Options:
    """Defaults are those of a CPU."""

    placement: Placement
    four_bit_training: bool = False
    #: None: as soon as memory is too small
    gradient_checkpointing: bool | None = None
    #: of packed rows in training; None: flex on a GPU where it works
    attention: Attention | None = None
    #: seconds between two checkpoints of a training job
    checkpoint_seconds: float = 60
    #: tokens of one forward and backward pass in training
    max_training_tokens: int = 4096
    #: validations without a better loss before a last stage ends; 0 never ends early
    early_stop_patience: int = 0
    #: share of a self-distillation's rows that the teacher answers anew
    replay_share: float = 0
    #: processes that share the batches of a training job, on a GPU each
    processes: int = 1
    #: whether each of them holds a part of the base model in training, and not all of it
    shard_base: bool = False
    #: loras kept in memory, and requests that take turns
    max_loras: int = 32
    max_running: int = 8
    #: of the CPU in training; None is torch's choice
    threads: int | None = None
    #: of the GPU's memory in training
    training_share: float = 1.0
    #: that can be served; None is any
    max_lora_rank: int | None = None
