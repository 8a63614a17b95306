"""
Trains one lora: `python train.py task.json [report.jsonl]`. Token ids in, a PEFT folder out; the
file below is read from top to bottom. It knows no texts, no chat templates and no server. It says
how it goes in JSON lines on stdout, and ends when its stdin does, because then its parent is gone.
With a report's file, which has the same lines, it has no parent: the engine reads the file from
another machine. SIGTERM stops it after a checkpoint, from which the same task goes on. It ends by
itself where another run of the task has begun, or its folder is gone.

Lines: {"kind": "progress", …}, {"kind": "message", "level", "message"} and as the last one
{"kind": "trained", "trained_tokens", "metrics", "probe", "output_bytes"} or
{"kind": "failed", "error": {…}, "transient"}.

Exit codes: 0 trained, 1 failed for good or replaced, 75 failed for now (the disk, the GPU), 143
stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import torch

from attention import choose_attention
from checkpoint import (
    Checkpoint,
    OptimizerState,
    load_checkpoint,
    load_optimizer,
    save_optimizer,
)
from errors import TrainingError
from model import LoraModel, load_base
from report import Replaced, Report, end_with_parent
from row_outputs import LabelLogits, completion_nats
from rows import Row
from schedule import Counters
from task import Task, read_task
from teacher import rows_to_learn
from token_budget import TokenBudget
from trainer import Stopped, Trainer

#: exit status after SIGTERM, as a shell reports it
STOPPED_STATUS = 128 + signal.SIGTERM
#: EX_TEMPFAIL of sysexits.h: the same task may succeed later, or on another machine
TRANSIENT_STATUS = 75
#: serving comes first where cores are short
NICENESS = 10


def set_up_torch(task: Task) -> None:
    if task.threads is not None:
        torch.set_num_threads(task.threads)
    if ":" in task.device:
        # for what is told no device: kernels that are compiled, bitsandbytes
        torch.cuda.set_device(task.device)
    if task.memory_share < 1 and task.device != "cpu":
        torch.cuda.set_per_process_memory_fraction(task.memory_share)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # else torch writes NaN into all new memory first, to find what reads it too early
    torch.utils.deterministic.fill_uninitialized_memory = False


def load_model(task: Task, report: Report) -> LoraModel:
    """The base model with the lora that the training begins with."""
    folder = Path(task.model_path)
    dtype = getattr(torch, task.dtype)
    attention = choose_attention(task.device, dtype, head_width(folder), report)
    base = load_base(folder, task.device, task.dtype, four_bit=task.four_bit, attention=attention)
    return LoraModel(base, Path(task.start))


def head_width(folder: Path) -> int:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise TrainingError("invalid-model", f"{folder} cannot be read: {error}") from error
    width = getattr(config, "head_dim", None)
    return width or config.hidden_size // config.num_attention_heads


def begin(task: Task, model: LoraModel, report: Report) -> Checkpoint:
    """Where the task's own checkpoint stands, or its start."""
    saved = load_checkpoint(Path(task.checkpoint_dir), task.identity, set(model.weights))
    if saved is not None:
        model.set_weights(saved.weights)
        report.message("info", f"resumed from the checkpoint at step {saved.counters.step}")
        return saved
    weights = model.copy_weights()
    optimizer = load_optimizer(Path(task.start), weights)
    if optimizer is None and task.schedule_span[0] > 0:
        report.message(
            "warn",
            f"{task.start} has no readable optimizer: this stage begins with a new one, and its "
            "first steps are less sure",
        )
    return Checkpoint(Counters(), weights, optimizer or OptimizerState(0, {}, {}))


def measure_probes(task: Task, model: LoraModel) -> dict[str, Any]:
    """Log-probabilities of every token of the probes' completions, without the lora and with it."""
    rows = [Row(one["prompt_ids"], one["completion_ids"]) for one in task.probes]

    def measure(logits_of: LabelLogits) -> list[float]:
        return [-nats for row in rows for nats in completion_nats(logits_of, [row])[0].tolist()]

    return {"base": measure(model.base_label_logits), "lora": measure(model.label_logits)}


def train(task: Task, report: Report, stop: threading.Event) -> None:
    set_up_torch(task)
    model = load_model(task, report)
    budget = TokenBudget(task.max_tokens, report)

    rows = task.rows()
    if any(row.teacher_prompt_ids is not None for row in rows):
        rows = rows_to_learn(model, rows, report, budget)

    trainer = Trainer(
        task,
        rows,
        task.validation_rows(),
        model,
        begin(task, model, report),
        report,
        budget=budget,
        asked_to_stop=stop.is_set,
    )
    trainer.run()

    output = Path(task.output)
    report.check_held()
    model.save(output)
    if task.continues:
        save_optimizer(output, trainer.state.optimizer)
    report.trained(
        trained_tokens=trainer.counters.tokens,
        metrics=trainer.metrics(),
        probe=measure_probes(task, model),
        # a reader on another machine may see the report before the files
        output_bytes={file.name: file.stat().st_size for file in output.iterdir()},
    )


def failed(report: Report, code: str, message: str, *, transient: bool) -> int:
    report.failed(code, message, transient=transient)
    return TRANSIENT_STATUS if transient else 1


def main() -> int:
    # deprecations are for whoever raises the libraries' versions; stderr is for what goes wrong
    warnings.simplefilter("ignore", FutureWarning)
    task_file, *report_file = map(Path, sys.argv[1:])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    os.nice(NICENESS)
    if not report_file:
        end_with_parent()
    try:
        return told(task_file, Report(*report_file), stop)
    except Replaced:
        print("another run of this task has begun, or its job is over", file=sys.stderr)
        return 1
    except TrainingError as error:
        print(error.message, file=sys.stderr)
        return TRANSIENT_STATUS


def told(task_file: Path, report: Report, stop: threading.Event) -> int:
    """Trains, tells how it ended, and gives the exit code."""
    try:
        train(read_task(task_file), report, stop)
    except Stopped:
        return STOPPED_STATUS
    except TrainingError as error:
        transient = error.code == "store-unavailable"
        return failed(report, error.code, error.message, transient=transient)
    except OSError as error:
        message = f"the disk cannot be used: {error}"
        return failed(report, "store-unavailable", message, transient=True)
    except torch.AcceleratorError as error:
        message = f"the GPU failed: {error}"
        return failed(report, "engine-unavailable", message, transient=True)
    except Replaced:
        raise
    except Exception as error:  # whatever it is, the parent should say it
        report.failed("internal", repr(error))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
