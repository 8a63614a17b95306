"""
Runs training jobs in processes of their own: one that dies is started again from its checkpoint.
Knows nothing of models or of HTTP.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.backend import TrainHooks, TrainProgress, TrainResult
from contract.disk import replace_durably
from contract.errors import EngineError

SCRIPT = Path(__file__).resolve().parent.parent / "train.py"
#: restarts without getting any further before a job counts as failed
MAX_RESTARTS = 2
CAUSES = (
    "status -9 is mostly the system's, for want of memory: give it more, set "
    "ENGINE_MAX_TRAINING_TOKENS lower, or use a smaller model"
)
#: seconds; a step may take some, and the checkpoint follows it
STOP_GRACE = 15.0
#: bytes of one line of a training process
MAX_LINE = 16 * 2**20


@dataclass
class _Outcome:
    """What one process reported until it ended."""

    step: int = 0
    result: TrainResult | None = None
    error: EngineError | None = None

    def read(self, line: bytes, hooks: TrainHooks) -> None:
        report = _report_of(line)
        kind = report.pop("kind", None)
        if kind == "progress":
            progress = TrainProgress(**report)
            self.step = progress.step
            hooks.on_progress(progress)
        elif kind == "message":
            hooks.on_message(report["level"], report["message"])
        elif kind == "trained":
            self.result = TrainResult(**report)
        elif kind == "failed":
            self.error = EngineError(**report["error"])


def _report_of(line: bytes) -> dict[str, Any]:
    """Empty for what is none: half a line of a process that was killed, a library's own words."""
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def training_command(task_file: Path, processes: int) -> list[str]:
    """What trains a task: one process, or torchrun with several that share its batches."""
    if processes == 1:
        return [sys.executable, str(SCRIPT), str(task_file)]
    # --standalone: on this machine, at a free port
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, "-m", *launcher, str(SCRIPT), str(task_file)]


async def run_training(
    task: Mapping[str, Any], folder: Path, hooks: TrainHooks, processes: int = 1
) -> TrainResult:
    """
    `task` has the fields of `task.Task`, `folder` keeps its file and its checkpoints.

    Raises what training raises; EngineError `engine_unavailable` when its process keeps dying,
    `store_unavailable`. Cancelling stops it after a checkpoint.
    """
    task_file = folder / "task.json"
    replace_durably(task_file, [json.dumps(task).encode()])
    command = training_command(task_file, processes)
    best_step, restarts = 0, 0
    while True:
        outcome, status = await _run_once(command, hooks)
        if outcome.result is not None:
            return outcome.result
        if outcome.error is not None:
            raise outcome.error
        if outcome.step > best_step:
            best_step, restarts = outcome.step, 0
        what = f"the training process died (status {status}) after step {outcome.step}"
        if restarts == MAX_RESTARTS:
            message = f"{what}, {restarts + 1} times without getting further; {CAUSES}"
            raise EngineError("engine_unavailable", message)
        restarts += 1
        hooks.on_message("warn", f"{what}; it goes on from its checkpoint")


async def _run_once(command: Sequence[str], hooks: TrainHooks) -> tuple[_Outcome, int]:
    # its stdin ends with this process, and it with its stdin; its stderr is this process's
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, limit=MAX_LINE
    )
    outcome = _Outcome()
    try:
        if process.stdout is not None:
            async for line in process.stdout:
                outcome.read(line, hooks)
        return outcome, await process.wait()
    finally:
        await asyncio.shield(_stop(process))


async def _stop(process: Process) -> None:
    """Returns when the process has ended."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_GRACE)
    except asyncio.TimeoutError:
        process.kill()
        if process.stdin is not None:
            # what a launcher has started outlives it, but not this
            process.stdin.close()
        await process.wait()
