"""The arms of the training comparison, each a process of its own: its steps' time, its memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from contract.backend import Row
from engine.base_model import BaseModel
from engine.hyperparameters import default_learning_rate
from engine.rows import TokenizedRow
from engine.training_process import SCRIPT
from gpu.flops import packed_work, separate_work
from gpu.workload import tokenized

LOG = "stderr.txt"


class ArmFailed(Exception):
    """With the reason."""


@dataclass(frozen=True)
class Arm:
    side: Literal["engine", "trl"]
    #: TRL has no shared-prefix packing
    rows: Literal["packed", "separate"]
    checkpointing: bool

    @property
    def name(self) -> str:
        side = "trl" if self.side == "trl" else self.rows
        return f"{side}_{'checkpointed' if self.checkpointing else 'plain'}"


ARMS = tuple(
    Arm(side, rows, checkpointing)
    for checkpointing in (False, True)
    for side, rows in (("engine", "packed"), ("engine", "separate"), ("trl", "separate"))
)


@dataclass(frozen=True)
class Training:
    """The same for all arms."""

    device: str
    dtype: str
    rank: int = 16
    #: optimizer steps before those that count
    warmup: int = 3
    steps: int = 10
    #: of one forward and backward pass
    max_tokens: int = 4096

    @property
    def alpha(self) -> int:
        return 2 * self.rank


@dataclass(frozen=True)
class Sample:
    #: median of the steps that count
    step_seconds: float
    peak_memory_bytes: int
    #: what the process warned of
    warnings: tuple[str, ...] = ()


def run_arm(arm: Arm, base: BaseModel, rows: list[Row], training: Training) -> Sample:
    """All rows are one batch. Raises ArmFailed."""
    with tempfile.TemporaryDirectory() as folder:
        run = _run_engine if arm.side == "engine" else _run_trl
        return run(arm, base, rows, training, Path(folder))


def _sample(ends: Sequence[float], memory: int, warmup: int, warnings: Sequence[str]) -> Sample:
    """`ends`: when each step ended; the first ones only warm up."""
    counted = ends[warmup - 1 :]
    seconds = [after - before for before, after in zip(counted, counted[1:], strict=False)]
    return Sample(statistics.median(seconds), memory, tuple(warnings))


def _run_engine(
    arm: Arm, base: BaseModel, rows: list[Row], training: Training, folder: Path
) -> Sample:
    task = {
        "model_path": str(base.folder),
        "loras_dir": str(folder / "loras"),
        "checkpoint_dir": str(folder / "checkpoint"),
        "rows": [asdict(row) for row in rows],
        "hyperparameters": {
            "rank": training.rank,
            "alpha": training.alpha,
            "batch_size": len(rows),
            "max_steps": training.warmup + training.steps,
        },
        "device": training.device,
        "dtype": training.dtype,
        "gradient_checkpointing": arm.checkpointing,
        "max_tokens": training.max_tokens,
        # no prefix is that long, so rows stand below each other
        **({} if arm.rows == "packed" else {"min_prefix_tokens": sys.maxsize}),
        # none while steps are timed
        "checkpoint_seconds": 1e9,
    }
    ends, warnings, last = [], [], {}
    with _process([str(SCRIPT)], folder, task) as process:
        # a step's line is written when the step is over
        for line in process.stdout:
            last = json.loads(line)
            if last["kind"] == "progress":
                ends.append(time.perf_counter())
            elif last["kind"] == "message" and last["level"] == "warn":
                warnings.append(last["message"])
    if last.get("kind") == "failed":
        raise ArmFailed(last["error"]["message"])
    if last.get("kind") != "trained":
        raise ArmFailed(_last_words(folder))
    warnings += _other_work(arm, base, rows, last["trained_tokens"] / len(ends))
    memory = last["metrics"]["peak_memory_bytes"]
    return _sample(ends, memory, training.warmup, warnings)


def _other_work(arm: Arm, base: BaseModel, rows: list[Row], tokens: float) -> list[str]:
    """Where a step computes other tokens than its figures count: a prefix in every part of it."""
    work = packed_work if arm.rows == "packed" else separate_work
    needed = work(tokenized(base, rows)).tokens
    return [] if tokens == needed else [f"computes {tokens:g} tokens a step, needs {needed}"]


def _run_trl(
    arm: Arm, base: BaseModel, rows: list[Row], training: Training, folder: Path
) -> Sample:
    given = {
        "model_path": str(base.folder),
        "rows": [_masked(row) for row in tokenized(base, rows)],
        "rank": training.rank,
        "alpha": training.alpha,
        "batch": len(rows),
        "steps": training.warmup + training.steps,
        "learning_rate": default_learning_rate(base.config.parameters),
        "device": training.device,
        "dtype": training.dtype,
        "gradient_checkpointing": arm.checkpointing,
    }
    warnings: list[str] = []
    for micro in micro_batches(tokenized(base, rows), training.max_tokens):
        with _process(["-m", "gpu.trl_arm"], folder, {**given, "micro_batch": micro}) as process:
            output = process.stdout.read()
        if process.returncode == 0:
            result = json.loads(output.splitlines()[-1])
            memory = result["peak_memory_bytes"]
            return _sample(result["step_ends"], memory, training.warmup, warnings)
        reason = _last_words(folder)
        if "out of memory" not in reason:
            break
        # smaller parts, as the engine does by itself
        warnings = [f"out of memory with {micro} rows at a time"]
    raise ArmFailed(reason)


def _masked(row: TokenizedRow) -> dict[str, list[int]]:
    mask = [0] * len(row.prompt_ids) + [1] * len(row.completion_ids)
    return {"input_ids": [*row.prompt_ids, *row.completion_ids], "completion_mask": mask}


def micro_batches(rows: Sequence[TokenizedRow], max_tokens: int) -> list[int]:
    """
    Rows at a time that share a batch evenly, the most first: so many that they have at most
    `max_tokens` together, but at least one.
    """
    fitting = max(1, max_tokens // max(row.length for row in rows))
    return [n for n in range(len(rows), 0, -1) if len(rows) % n == 0 and n <= fitting]


@contextmanager
def _process(script: Sequence[str], folder: Path, given: dict) -> Iterator[subprocess.Popen]:
    """
    Python's arguments and a file with what is given. Has ended when the block has; what it logs is
    in the folder.
    """
    path = folder / "given.json"
    path.write_text(json.dumps(given), "utf-8")
    with (
        (folder / LOG).open("w") as log,
        subprocess.Popen(
            [sys.executable, *script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _last_words(folder: Path) -> str:
    lines = (folder / LOG).read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"
