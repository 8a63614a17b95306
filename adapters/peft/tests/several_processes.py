"""Jobs that several processes train together, on the CPU by gloo."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contract.backend import TrainResult
from engine.training_process import run_training
from in_process import Hooks
from tiny_model import ROWS, row

#: far more than any of these jobs takes
PATIENCE_SECONDS = 300
TAUGHT = [
    row(one.messages[0].content, one.messages[1].content, teacher="Answer like a pirate.")
    for one in ROWS
]


def task_of(folder: Path, model: Path, max_steps: int = 8, **fields: Any) -> dict[str, Any]:
    return {
        "model_path": str(model),
        "loras_dir": str(folder / "loras"),
        "checkpoint_dir": str(folder / "job"),
        "rows": [asdict(one) for one in ROWS],
        "validation_rows": [asdict(one) for one in ROWS[:3]],
        "hyperparameters": {"rank": 4, "batch_size": 3, "max_steps": max_steps},
        "threads": 1,
        **fields,
    }


def run_in_time(task: dict[str, Any], folder: Path, hooks: Hooks, processes: int) -> TrainResult:
    """Processes that wait for each other do so for an hour, a test does not."""
    training = run_training(task, folder / "job", hooks, processes)
    return asyncio.run(asyncio.wait_for(training, PATIENCE_SECONDS))


def trained(folder: Path, model: Path, processes: int, **fields: Any) -> tuple[Hooks, dict]:
    hooks = Hooks()
    task = task_of(folder, model, **fields)
    result = run_in_time(task, folder, hooks, processes)
    assert (folder / "loras" / result.model).is_dir()
    return hooks, result.metrics


class KillsOnce(Hooks):
    """Kills a process that does not lead when training has got somewhere."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._task_file = str(folder / "job" / "task.json")
        self.killed = 0

    def on_progress(self, progress: Any) -> None:
        super().on_progress(progress)
        if progress.step >= 3 and not self.killed:
            self.killed = follower_of(self._task_file)
            os.kill(self.killed, signal.SIGKILL)


def follower_of(task_file: str) -> int:
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode().split("\0")
            environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            continue
        if task_file in command and "RANK=1" in environment:
            return int(entry.name)
    raise AssertionError("no second process")
