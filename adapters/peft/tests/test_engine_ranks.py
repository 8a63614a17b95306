"""Several processes train one job: on the CPU, by gloo."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.ranks import Ranks, join_ranks
from engine.training_process import run_training, training_command
from in_process import Hooks
from tiny_model import ROWS, row, write_tiny_model

TAUGHT = [
    row(one.messages[0].content, one.messages[1].content, teacher="Answer like a pirate.")
    for one in ROWS
]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


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


def trained(folder: Path, model: Path, processes: int, **fields: Any) -> tuple[Hooks, dict]:
    hooks = Hooks()
    task = task_of(folder, model, **fields)
    result = asyncio.run(run_training(task, folder / "job", hooks, processes))
    assert (folder / "loras" / result.model).is_dir()
    return hooks, result.metrics


def test_one_process_needs_no_launcher(tmp_path):
    assert training_command(tmp_path, 1)[1].endswith("train.py")
    assert "torch.distributed.run" in training_command(tmp_path, 2)
    alone = join_ranks("cpu", {})
    assert (alone.rank, alone.size, alone.leads) == (0, 1, True)
    assert alone.share([1, 2, 3]) == [1, 2, 3] and alone.gather([1, 2]) == [1, 2]
    assert alone.any(True) and not alone.any(False) and alone.of_leader("own") == "own"


def test_items_are_dealt_out():
    shares = [Ranks(rank, 3).share(range(7)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "rows": [asdict(one) for one in TAUGHT],
            "method": "self-distillation",
            "replay_share": 0.6,
        },
    ],
    ids=["supervised", "self-distillation"],
)
def test_two_processes_train_as_one_does(tmp_path, model_path, fields):
    alone, expected = trained(tmp_path / "1", model_path, 1, **fields)
    together, metrics = trained(tmp_path / "2", model_path, 2, **fields)
    losses = [progress.train_loss for progress in alone.progress]
    assert len(losses) == 8
    assert [progress.step for progress in together.progress] == list(range(1, 9))
    assert [progress.train_loss for progress in together.progress] == pytest.approx(
        losses, abs=1e-4
    )
    assert metrics["valid_loss"] == pytest.approx(expected["valid_loss"], abs=1e-4)
    # a prompt that is shared is computed by each of them
    assert metrics["steps"] == 8
    if fields:
        answers = [(tmp_path / n / "job/replay.json").read_text() for n in "12"]
        assert answers[0] == answers[1]


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


def test_when_one_dies_all_go_on_from_the_checkpoint(tmp_path, model_path):
    hooks = KillsOnce(tmp_path)
    task = task_of(tmp_path, model_path, max_steps=100, checkpoint_seconds=0)
    result = asyncio.run(run_training(task, tmp_path / "job", hooks, 2))
    assert hooks.killed and result.metrics["steps"] == 100
    assert any("goes on from its checkpoint" in message for message in hooks.messages)
    assert any("resumed from the checkpoint" in message for message in hooks.messages)


def test_all_stop_together_after_a_checkpoint(tmp_path, model_path):
    async def stopped() -> Hooks:
        hooks = Hooks()
        task = task_of(tmp_path, model_path, max_steps=100_000)
        training = asyncio.create_task(run_training(task, tmp_path / "job", hooks, 2))
        while not hooks.progress:
            await asyncio.sleep(0.05)
        training.cancel()
        with pytest.raises(asyncio.CancelledError):
            await training
        return hooks

    asyncio.run(stopped())
    assert (tmp_path / "job" / "checkpoint.bin").exists()
    with pytest.raises(AssertionError, match="no second process"):
        follower_of(str(tmp_path / "job" / "task.json"))


def test_a_fault_is_told_by_whoever_has_it(tmp_path, model_path):
    task = task_of(tmp_path, model_path, rows=[])
    with pytest.raises(Exception, match="no rows"):
        asyncio.run(run_training(task, tmp_path / "job", Hooks(), 2))
    assert json.loads((tmp_path / "job" / "task.json").read_text())["rows"] == []
