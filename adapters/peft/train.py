"""
Trains one lora: `python train.py task.json`. Text in, weights out; the file below is read from top
to bottom. It says how it goes in JSON lines on stdout, and ends when its stdin does, because then
its parent is gone. SIGTERM stops it after a checkpoint, from which the same task goes on. Several
processes that torchrun starts share the work of one task.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from contract.backend import TrainProgress
from contract.errors import EngineError
from engine.attention import choose_attention
from engine.base_model import BaseModel, open_base_model
from engine.distillation import Distillation
from engine.lora_model import LoraModel, Placement, load_weights
from engine.lora_store import LoraManifest, read_lora, read_optimizer, write_lora
from engine.probe import Probe, measure_probe, probe_rows
from engine.ranks import PeerLost, Ranks, is_of_a_lost_peer, join_ranks
from engine.rendering import student_row, teacher_row
from engine.row_outputs import completion_nats
from engine.rows import TokenizedRow, hash_rows
from engine.task import Task, read_task
from engine.token_budget import TokenBudget
from engine.trainer import Stopped, Trainer
from engine.training_job import Job, Start, initial_state, prepare_job

#: exit status after SIGTERM, as a shell reports it
STOPPED_STATUS = 128 + signal.SIGTERM
#: serving comes first where cores are short
NICENESS = 10


class Reporter:
    """JSON lines on stdout; of several processes only the leader speaks of how it goes."""

    def __init__(self) -> None:
        self.speaks = True

    def on_progress(self, progress: TrainProgress) -> None:
        self.say("progress", **asdict(progress))

    def on_message(self, level: Literal["info", "warn"], message: str) -> None:
        self.say("message", level=level, message=message)

    def say(self, kind: str, **fields: Any) -> None:
        if not self.speaks:
            return
        try:
            print(json.dumps({"kind": kind, **fields}), flush=True)
        except BrokenPipeError:
            # the parent is gone, and nobody is left to tell it to, also not when Python ends
            os._exit(1)

    def fail(self, code: str, message: str, param: str | None) -> None:
        """Every process tells its own fault: the others do not know of it."""
        self.speaks = True
        self.say("failed", error={"code": code, "message": message, "param": param})


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
        source=source_of(task, base),
        patience=task.early_stop_patience,
    )


def source_of(task: Task, base: BaseModel) -> str:
    """What the rows are made of. A teacher's targets differ in their last bits between machines."""
    facts: list[Any] = [hash_rows([student_row(base.chat, row) for row in task.rows])]
    if task.method == "self-distillation":
        facts.append(hash_rows([teacher_row(base.chat, row) for row in task.rows]))
        facts.append(task.replay_share)
    return json.dumps(facts)


def lacks_optimizer(job: Job) -> bool:
    """Whether a later stage misses what the stage before should have left beside its lora."""
    goes_on = job.hyperparameters.schedule_span[0] > 0
    return goes_on and job.start is not None and job.start.optimizer is None


def store(task: Task, base: BaseModel, job: Job, trainer: Trainer, probe: Probe) -> str:
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
    return write_lora(Path(task.loras_dir), job.layout, state.theta, manifest, optimizer, probe)


def train(task: Task, ranks: Ranks, reporter: Reporter, stop: threading.Event) -> None:
    if task.threads is not None:
        torch.set_num_threads(task.threads)
    if task.memory_share < 1 and task.device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(task.memory_share)
    torch.use_deterministic_algorithms(True, warn_only=True)
    base = open_base_model(Path(task.model_path))
    attention = choose_attention(
        task.attention, ranks.device, getattr(torch, task.dtype), base.config.head_dim, reporter
    )
    exactness = Placement(ranks.device, task.dtype, task.four_bit)
    weights = load_weights(base, exactness, attention, ranks)
    budget = TokenBudget(task.max_tokens, reporter, shrinks=not ranks.in_step)
    if task.method == "supervised":
        rows = [student_row(base.chat, row) for row in task.rows]
    else:
        # the teacher is the model before it carries a lora
        rows = Distillation(base, weights, reporter, budget=budget, ranks=ranks).rows_to_learn(
            task.rows,
            replay_share=task.replay_share,
            seed=task.seed,
            folder=Path(task.checkpoint_dir),
        )
    job = prepare(task, base, rows)
    state, resumed = initial_state(job)
    if resumed:
        step = state.counters.step
        reporter.on_message("info", f"resumed from the checkpoint at step {step}")
    elif lacks_optimizer(job):
        reporter.on_message(
            "warn",
            f"{task.lora} has no readable optimizer.bin: this stage begins with a new optimizer, "
            "and its first steps are less sure",
        )
    checkpointing = task.gradient_checkpointing
    if checkpointing is None and ranks.in_step:
        # a pass that all GPUs make together cannot be begun again when memory is too small
        checkpointing = True
    model = LoraModel(weights, job.layout, state.theta, checkpointing=checkpointing)
    trainer = Trainer(
        job,
        model,
        state,
        reporter,
        budget=budget,
        checkpoint_seconds=task.checkpoint_seconds,
        asked_to_stop=stop.is_set,
        ranks=ranks,
        min_prefix_tokens=task.min_prefix_tokens,
    )
    trainer.run()
    # not by the leader alone: where the base is shared out, a pass takes all ranks
    probe = measure_probe(
        probe_rows(base.chat),
        lambda row: completion_nats(model.base_label_logits, row),
        lambda row: completion_nats(model.label_logits, row),
        placement(task),
    )
    if ranks.leads:
        reporter.say(
            "trained",
            model=store(task, base, job, trainer, probe),
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
        task = read_task(Path(sys.argv[1]))
        ranks = join_ranks(task.device, shards_base=task.shard_base)
        reporter.speaks = ranks.leads
        train(task, ranks, reporter, stop)
        ranks.leave()
    except Stopped:
        return STOPPED_STATUS
    except PeerLost:
        # without a word, as if this one had died too: the parent starts all of them again
        return 1
    except EngineError as error:
        reporter.fail(error.code, error.message, error.param)
        return 1
    except Exception as error:  # whatever it is, the parent should say it
        if is_of_a_lost_peer(error):
            return 1
        reporter.fail("internal", repr(error), None)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
