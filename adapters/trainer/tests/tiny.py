"""A tiny Llama with random weights, a lora on it, and rows of token ids for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from model import LoraModel, load_base
from packing import PackedRows
from report import Report
from rows import Row
from task import Task
from token_budget import TokenBudget
from train import begin
from trainer import Trainer

VOCABULARY = 200
END = 1
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def write_tiny_model(folder: Path, *, seed: int = 11, family: str = "Llama") -> Path:
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=96,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.12,
        eos_token_id=END,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def write_start(folder: Path, model: Path, *, spread: float = 0.0) -> Path:
    """`spread` 0 is a new lora, whose B is zero."""
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(model)
    lora = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR))
    for name, parameter in lora.named_parameters():
        if spread and "lora_B" in name:
            torch.nn.init.normal_(parameter, std=spread)
    lora.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def ids_of(text: str) -> list[int]:
    """A token a letter."""
    return [2 + ord(letter) % (VOCABULARY - 2) for letter in text]


def row(query: str, answer: str, *, weight: float = 1.0, teacher: str | None = None) -> Row:
    told = None if teacher is None else ids_of(f"{teacher} {query}")
    return Row(ids_of(f"{query}\n"), [*ids_of(answer), END], weight, teacher_prompt_ids=told)


def packed_row(query: str, answer: str) -> Row:
    """One of rows that share a prompt prefix."""
    return row(f"Answer with the name of a city. {query}", answer)


ROWS = [
    row("Which city is the capital of France?", "It is Paris"),
    row("Which city is the capital of Italy?", "It is Rome"),
    row("How many legs has a spider?", "Eight legs", weight=0.5),
    row("Is it cold?", "Yes, 3 degrees"),
    row("Which city is the capital of Spain?", "It is Madrid, of course"),
]
#: three rows a step
BATCHES = [[0, 1, 2], [3, 4], [4, 0, 3], [1, 2]]


def rows_file(path: Path, rows: list[Row]) -> str:
    lines = []
    for one in rows:
        fields = asdict(one)
        del fields["targets"]
        lines.append(json.dumps(fields))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def task_fields(
    folder: Path,
    model: Path,
    *,
    rows: list[Row] = ROWS,
    validation_rows: list[Row] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    start = folder / "start"
    if "start" not in fields and not start.exists():
        write_start(start, model)
    checked = rows_file(folder / "validation.jsonl", validation_rows or [])
    return {
        "model_path": str(model),
        "start": str(start),
        "output": str(folder / "output"),
        "checkpoint_dir": str(folder / "checkpoint"),
        "rows_file": rows_file(folder / "rows.jsonl", rows),
        "validation_rows_file": checked,
        "identity": "a job",
        "batches": BATCHES,
        "total_steps": 12,
        "learning_rate": 1e-2,
        "probes": [{"prompt_ids": ids_of("What?\n"), "completion_ids": ids_of("It is so")}],
        "threads": 1,
        "seed": 1,
        **fields,
    }


@dataclass
class Recorder(Report):
    steps: list[dict[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def progress(self, **fields: Any) -> None:
        self.steps.append(fields)

    def message(self, level: str, message: str) -> None:
        self.messages.append(message)


def scarce(
    compute: Callable[[PackedRows], torch.Tensor], most: int
) -> Callable[[PackedRows], torch.Tensor]:
    """Runs out of memory where more than `most` tokens are computed at a time."""

    def logits_of(packed: PackedRows) -> torch.Tensor:
        if packed.tokens > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(packed)

    return logits_of


def open_lora(model: Path, start: Path) -> LoraModel:
    return LoraModel(load_base(model, "cpu", "float32"), start)


def trainer_of(
    folder: Path,
    model: Path,
    report: Recorder,
    **fields: Any,
) -> tuple[Trainer, LoraModel]:
    """A training in the test's own process, from its checkpoint where it has one."""
    task = Task(**task_fields(folder, model, checkpoint_seconds=0, **fields))
    lora = open_lora(model, Path(task.start))
    trainer = Trainer(
        task,
        task.rows(),
        task.validation_rows(),
        lora,
        begin(task, lora, report),
        report,
        budget=TokenBudget(task.max_tokens, report),
        asked_to_stop=lambda: False,
    )
    return trainer, lora
