"""
Trains one lora: `python train.py task.json`. Text in, weights out; the file below is read from top
to bottom. It says how it goes in JSON lines on stdout, and ends when its stdin does, because then
its parent is gone. SIGTERM stops it after a checkpoint, from which the same task goes on.

Lines: {"kind": "progress", …}, {"kind": "message", "level", "message"} and as the last one
{"kind": "trained", "model", "trained_tokens", "metrics"} or {"kind": "failed", "error": {…}}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PreTrainedModel

from contract.backend import Message, Row, TrainProgress
from contract.errors import EngineError
from engine.base_model import BaseModel, open_base_model
from engine.lora_model import LoraModel, Placement, label_logits, load_weights
from engine.lora_store import LoraManifest, read_lora, read_optimizer, write_lora
from engine.probe import measure_probe, probe_rows
from engine.rendering import student_row, teacher_row
from engine.row_outputs import completion_nats, targets_of_rows
from engine.rows import TokenizedRow, check_rows, trusted_targets
from engine.trainer import Stopped, Trainer
from engine.training_job import Job, Start, initial_state, prepare_job

#: tokens a teacher names at each place of an answer
TEACHER_TOKENS = 20
#: rows between two messages about the teacher's progress
TEACHER_ROWS = 128
#: exit status after SIGTERM, as a shell reports it
STOPPED_STATUS = 128 + signal.SIGTERM
#: serving comes first where cores are short
NICENESS = 10


@dataclass(frozen=True)
class Task:
    """The task file, field by field."""

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
    gradient_checkpointing: bool = False
    #: tokens of one forward and backward pass; larger batches are accumulated from parts
    max_tokens: int = 4096
    checkpoint_seconds: float = 60
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


class Reporter:
    """JSON lines on stdout."""

    def on_progress(self, progress: TrainProgress) -> None:
        self.say("progress", **asdict(progress))

    def on_message(self, level: Literal["info", "warn"], message: str) -> None:
        self.say("message", level=level, message=message)

    def say(self, kind: str, **fields: Any) -> None:
        print(json.dumps({"kind": kind, **fields}), flush=True)


def end_with_parent() -> None:
    """Ends this process as soon as stdin is closed."""

    def wait() -> None:
        # not through sys.stdin, whose lock this thread would hold when the process exits
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def placement(task: Task) -> str:
    """How exactly the task computes."""
    return f"{task.dtype}{' 4-bit' if task.four_bit else ''}"


def prepare(task: Task, base: BaseModel, rows: list[TokenizedRow]) -> Job:
    start = None
    if task.lora is not None:
        folder = Path(task.loras_dir) / task.lora
        lora = read_lora(folder, base)
        start = Start(lora, read_optimizer(folder, lora.layout))
    return prepare_job(
        base,
        rows,
        [student_row(base.chat, row) for row in task.validation_rows],
        given=task.hyperparameters,
        seed=task.seed,
        start=start,
        checkpoint_dir=Path(task.checkpoint_dir),
        placement=placement(task),
    )


def rows_to_learn(
    task: Task, base: BaseModel, weights: PreTrainedModel, reporter: Reporter
) -> list[TokenizedRow]:
    rows = [student_row(base.chat, row) for row in task.rows]
    if task.method == "supervised":
        return rows
    read = [teacher_row(base.chat, row) for row in task.rows]
    check_rows(read, base.config.max_positions)
    answers = targets_of_rows(
        lambda packed: label_logits(weights, packed),
        read,
        width=min(TEACHER_TOKENS, base.config.vocab_size),
        max_tokens=task.max_tokens,
    )
    for count, (number, targets) in enumerate(answers, 1):
        trusted = trusted_targets(targets, read[number].completion_ids)
        rows[number] = replace(rows[number], targets=trusted)
        if count % TEACHER_ROWS == 0 or count == len(rows):
            reporter.on_message("info", f"the teacher has read {count} of {len(rows)} rows")
    return rows


def store(task: Task, base: BaseModel, job: Job, trainer: Trainer, model: LoraModel) -> str:
    """Writes the lora with its probe, and the optimizer's state while the curve goes on."""
    manifest = LoraManifest(
        base_model=base.name,
        base_fingerprint=base.fingerprint,
        tokenizer_hash=base.tokenizer_hash,
        chat_template_hash=base.chat.template_hash,
        data_hash=job.data_hash,
        parent=task.lora,
        seed=task.seed,
        hyperparameters=job.hyperparameters.as_dict(),
        rendering={"default_system_message": False},
        suffix=task.suffix,
        metadata=task.metadata,
    )
    state = trainer.state
    continues = job.hyperparameters.schedule_span[1] < 1
    optimizer = state.optimizer if continues else None
    probe = measure_probe(
        probe_rows(base.chat),
        lambda row: completion_nats(model.base_label_logits, row),
        lambda row: completion_nats(model.label_logits, row),
        placement(task),
    )
    return write_lora(Path(task.loras_dir), job.layout, state.theta, manifest, optimizer, probe)


def train(task: Task, reporter: Reporter, stop: threading.Event) -> None:
    if task.threads is not None:
        torch.set_num_threads(task.threads)
    if task.memory_share < 1 and task.device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(task.memory_share)
    torch.use_deterministic_algorithms(True, warn_only=True)
    base = open_base_model(Path(task.model_path))
    weights = load_weights(base, Placement(task.device, task.dtype, task.four_bit))
    # the teacher is the model before it carries a lora
    job = prepare(task, base, rows_to_learn(task, base, weights, reporter))
    state, resumed = initial_state(job)
    if resumed:
        step = state.counters.step
        reporter.on_message("info", f"resumed from the checkpoint at step {step}")
    model = LoraModel(weights, job.layout, state.theta, checkpointing=task.gradient_checkpointing)
    trainer = Trainer(
        job,
        model,
        state,
        reporter,
        max_tokens=task.max_tokens,
        checkpoint_seconds=task.checkpoint_seconds,
        asked_to_stop=stop.is_set,
    )
    trainer.run()
    reporter.say(
        "trained",
        model=store(task, base, job, trainer, model),
        trained_tokens=trainer.counters.tokens,
        metrics=trainer.metrics(),
    )


def main() -> int:
    # deprecations are for whoever raises the libraries' versions; stderr is for what goes wrong
    warnings.simplefilter("ignore", FutureWarning)
    reporter, stop = Reporter(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    os.nice(NICENESS)
    end_with_parent()
    try:
        train(read_task(Path(sys.argv[1])), reporter, stop)
    except Stopped:
        return STOPPED_STATUS
    except EngineError as error:
        fault = {"code": error.code, "message": error.message, "param": error.param}
        reporter.say("failed", error=fault)
        return 1
    except Exception as error:  # whatever it is, the parent should say it
        reporter.say("failed", error={"code": "internal", "message": repr(error), "param": None})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
