"""Training processes that die or find their disk full, as the server sees them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import engine.training_process as training_process
from contract.errors import EngineError
from engine.training_process import run_training
from full_disk import full_disk
from in_process import HYPERPARAMETERS, Hooks
from test_engine_training import start, task_file
from tiny_model import write_tiny_model

STEP = {
    "kind": "progress",
    "step": 1,
    "total_steps": 3,
    "tokens_per_second": 1.0,
    "train_loss": 1.0,
    "valid_loss": None,
    "eta_seconds": 0.0,
}
TRAINED = {"kind": "trained", "model": "lora-1", "trained_tokens": 3, "metrics": {}}


def use_script(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    script = folder / "script.py"
    script.write_text(text)
    monkeypatch.setattr(training_process, "SCRIPT", script)


async def test_neither_half_a_line_nor_what_a_library_prints_is_a_report(tmp_path, monkeypatch):
    """The first start is killed in the middle of a line, the second one trains."""
    use_script(
        monkeypatch,
        tmp_path,
        f"""
import json, os, pathlib, signal
mark = pathlib.Path({str(tmp_path / "mark")!r})
line = json.dumps({STEP!r})
if not mark.exists():
    mark.touch()
    print("a library says 100 %")
    print(100)
    print(line)
    print(line[:20], end="", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
print(json.dumps({TRAINED!r}))
""",
    )
    hooks = Hooks()
    result = await run_training({}, tmp_path, hooks)
    assert result.model == "lora-1" and [progress.step for progress in hooks.progress] == [1]
    assert "died (status -9) after step 1" in hooks.messages[0]


async def test_a_process_that_keeps_dying_fails_the_job_with_what_to_do(tmp_path, monkeypatch):
    use_script(monkeypatch, tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    hooks = Hooks()
    with pytest.raises(EngineError, match="want of memory.*ENGINE_MAX_TRAINING_TOKENS") as caught:
        await run_training({}, tmp_path, hooks)
    assert caught.value.code == "engine_unavailable"
    assert len(hooks.messages) == training_process.MAX_RESTARTS


async def test_a_full_disk_before_the_first_step_is_told(tmp_path):
    with full_disk(), pytest.raises(EngineError, match="make room") as caught:
        await run_training({}, tmp_path, Hooks())
    assert caught.value.code == "store_unavailable"


def test_ends_without_a_word_when_nobody_reads_it_any_more(tmp_path):
    model = write_tiny_model(tmp_path / "tiny")
    many = {**HYPERPARAMETERS, "max_steps": 100_000}
    path = task_file(tmp_path / "job", model, hyperparameters=many)
    with start(path, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_disk_that_gets_full_fails_the_job_and_keeps_its_last_checkpoint(tmp_path):
    model = write_tiny_model(tmp_path / "tiny")
    steps = {**HYPERPARAMETERS, "max_steps": 60}
    path = task_file(tmp_path / "job", model, hyperparameters=steps, checkpoint_seconds=0)
    process = start(path)
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("step") == 3:
            break
    with process, full_disk(process.pid):
        lines += [json.loads(line) for line in process.stdout]
    assert lines[-1]["error"]["code"] == "store_unavailable"
    assert "make room" in lines[-1]["error"]["message"]
    assert [file.name for file in (tmp_path / "job" / "checkpoint").iterdir()] == ["checkpoint.bin"]
    with start(path) as again:
        lines = [json.loads(line) for line in again.stdout]
    assert any("resumed" in line.get("message", "") for line in lines)
    assert lines[-1]["kind"] == "trained"
