"""A training job in the test's own process, on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from contract.backend import Row, TrainProgress
from engine.base_model import BaseModel
from engine.lora_model import LoraModel, Placement, load_weights
from engine.packing import PackedRows
from engine.rendering import student_row
from engine.token_budget import TokenBudget
from engine.trainer import Trainer
from engine.training_job import initial_state, prepare_job
from tiny_model import ROWS

HYPERPARAMETERS = {"rank": 4, "learning_rate": 1e-2, "batch_size": 3, "max_steps": 12}
CPU = Placement("cpu", "float32")


@dataclass
class Hooks:
    progress: list[TrainProgress] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def on_progress(self, progress: TrainProgress) -> None:
        self.progress.append(progress)

    def on_message(self, _: str, message: str) -> None:
        self.messages.append(message)


def scarce(
    compute: Callable[[PackedRows], torch.Tensor], most: int
) -> Callable[[PackedRows], torch.Tensor]:
    """Runs out of memory where more than `most` tokens are computed at a time."""

    def logits_of(packed: PackedRows) -> torch.Tensor:
        if packed.tokens > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return compute(packed)

    return logits_of


def trainer_of(
    base: BaseModel,
    folder: Path,
    hooks: Hooks,
    *,
    validation_rows: list[Row] | None = None,
    patience: int = 0,
    max_tokens: int = 4096,
    checkpointing: bool | None = False,
    asked_to_stop: Callable[[], bool] = lambda: False,
    **hyperparameters: Any,
) -> tuple[Trainer, LoraModel]:
    job = prepare_job(
        base,
        [student_row(base.chat, row) for row in ROWS],
        [student_row(base.chat, row) for row in validation_rows or []],
        given={**HYPERPARAMETERS, **hyperparameters},
        seed=1,
        start=None,
        checkpoint_dir=folder,
        placement="float32",
        source="",
        patience=patience,
    )
    state, _ = initial_state(job)
    weights = load_weights(base, CPU)
    model = LoraModel(weights, job.layout, state.theta, checkpointing=checkpointing)
    trainer = Trainer(
        job,
        model,
        state,
        hooks,
        budget=TokenBudget(max_tokens, hooks),
        checkpoint_seconds=0,
        asked_to_stop=asked_to_stop,
    )
    return trainer, model
