"""What one training process is told to do: a JSON file. Knows nothing of torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from contract.backend import Message, Row
from contract.errors import EngineError
from engine.rows import MIN_PREFIX_TOKENS


@dataclass(frozen=True)
class Task:
    """The file, field by field."""

    model_path: str
    loras_dir: str
    checkpoint_dir: str
    rows: list[Row]
    validation_rows: list[Row] = field(default_factory=list)
    method: Literal["supervised", "self-distillation"] = "supervised"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    #: id of the lora to start from; None starts a new one
    lora: str | None = None
    suffix: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    four_bit: bool = False
    #: None: as soon as memory is too small
    gradient_checkpointing: bool | None = None
    #: over the processes that train together; else each holds all of it
    shard_base: bool = False
    #: of packed rows; None: flex on a GPU where it works
    attention: Literal["sdpa", "flex"] | None = None
    #: tokens of one forward and backward pass; larger batches are accumulated from parts
    max_tokens: int = 4096
    #: a prefix that rows of a step share is computed once when it has so many
    min_prefix_tokens: int = MIN_PREFIX_TOKENS
    checkpoint_seconds: float = 60
    #: validations without a better loss before a last stage ends; 0 never ends early
    early_stop_patience: int = 0
    #: share of a self-distillation's rows that the teacher answers anew
    replay_share: float = 0
    #: of the CPU; None is torch's choice
    threads: int | None = None
    #: of the GPU's memory; the rest belongs to serving
    memory_share: float = 1.0


def read_task(path: Path) -> Task:
    """Raises EngineError `invalid_request` for a file that is no task."""
    try:
        fields = json.loads(path.read_text("utf-8"))
        for name in ("rows", "validation_rows"):
            fields[name] = [_read_row(row) for row in fields.get(name, [])]
        return Task(**fields)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineError("invalid_request", f"{path} is not a training task: {error}") from error


def _read_row(row: dict[str, Any]) -> Row:
    teacher = row.get("teacher_messages")
    return Row(
        messages=[Message(**message) for message in row["messages"]],
        weight=row.get("weight", 1.0),
        teacher_messages=None if teacher is None else [Message(**item) for item in teacher],
    )
