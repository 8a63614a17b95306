"""
What one training is told to do: a JSON file, and its rows as JSON lines in another. Texts are
tokens already, every default is decided, and the order of the rows is given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from errors import TrainingError
from rows import Row


@dataclass(frozen=True)
class Task:
    """The file, field by field."""

    #: Hugging Face folder of the base model
    model_path: str
    #: PEFT folder of the lora to start from, with its optimizer's state where that goes on
    start: str
    #: gets the PEFT folder of the trained lora
    output: str
    checkpoint_dir: str
    #: JSON lines: `prompt_ids`, `completion_ids`, `weight`, and of a self-distillation
    #: `teacher_prompt_ids`
    rows_file: str
    validation_rows_file: str
    #: two tasks with the same one compute the same
    identity: str
    #: row numbers of each step; steps behind the last one begin again with the first
    batches: list[list[int]]
    #: optimizer steps of the whole job
    total_steps: int
    #: peak of the curve
    learning_rate: float
    max_seconds: float | None = None
    weight_decay: float = 0.0
    warmup_ratio: float = 0.05
    schedule_span: tuple[float, float] = (0.0, 1.0)
    seed: int = 0
    #: `prompt_ids` and `completion_ids` on which the trained lora is measured
    probes: list[dict[str, list[int]]] = field(default_factory=list)
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    four_bit: bool = False
    #: tokens of one forward and backward pass; larger batches are accumulated from parts
    max_tokens: int = 4096
    checkpoint_seconds: float = 60
    #: of the CPU; None is torch's choice
    threads: int | None = None
    #: of the GPU's memory; the rest belongs to serving
    memory_share: float = 1.0

    @property
    def continues(self) -> bool:
        """Whether a later stage goes on with the lora and its optimizer."""
        return self.schedule_span[1] < 1

    def rows(self) -> list[Row]:
        return read_rows(Path(self.rows_file))

    def validation_rows(self) -> list[Row]:
        return read_rows(Path(self.validation_rows_file))


def read_task(path: Path) -> Task:
    """Raises TrainingError `invalid-request` for a file that is no task."""
    try:
        return Task(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError("invalid-request", f"{path} is not a training task: {error}") from error


def read_rows(path: Path) -> list[Row]:
    """Raises TrainingError `invalid-request` for a file that has no rows."""
    try:
        with path.open(encoding="utf-8") as lines:
            return [_row(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError("invalid-request", f"{path} has no rows: {error}") from error


def _row(fields: dict[str, Any]) -> Row:
    return Row(
        prompt_ids=fields["prompt_ids"],
        completion_ids=fields["completion_ids"],
        weight=fields.get("weight", 1.0),
        teacher_prompt_ids=fields.get("teacher_prompt_ids"),
    )
