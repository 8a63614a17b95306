"""Training as a whole, in processes of its own."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from checkpoint import CHECKPOINT, OPTIMIZER, load_optimizer
from tiny import ROWS, ids_of, row, task_fields, write_tiny_model

SCRIPT = Path(__file__).parent.parent / "train.py"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def task_file(folder: Path, model: Path, **fields) -> Path:
    path = folder / "task.json"
    task = task_fields(folder, model, **fields)
    path.write_text(json.dumps(task), "utf-8")
    return path


def start(path: Path, **streams: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **streams,
    )


def reports(process: subprocess.Popen) -> list[dict]:
    with process:
        return [json.loads(line) for line in process.stdout]


def run_managed(path: Path) -> tuple[subprocess.Popen, list[dict]]:
    """Runs without a parent, and reads its report."""
    report = path.with_name("report.jsonl")
    command = [sys.executable, str(SCRIPT), str(path), str(report)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    with process:
        process.stdout.read()
    return process, [json.loads(line) for line in report.read_text().splitlines()]


def trained(path: Path) -> tuple[list[dict], bytes]:
    """What it reported, and the bytes of the lora."""
    lines = reports(start(path))
    assert lines[-1]["kind"] == "trained", lines[-1]
    return lines, (path.parent / "output" / WEIGHTS).read_bytes()


def kill_after(path: Path, steps: int, how: signal.Signals) -> int:
    process = start(path)
    for line in process.stdout:
        report = json.loads(line)
        if report["kind"] == "progress" and report["step"] >= steps:
            process.send_signal(how)
            break
    with process:
        process.stdout.read()
    return process.returncode


def test_the_same_task_gives_the_same_lora_and_lowers_the_loss(tmp_path, model):
    lines, weights = trained(task_file(tmp_path / "a", model, validation_rows=ROWS[:2]))
    steps = [line for line in lines if line["kind"] == "progress"]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert steps[-1]["train_loss"] < steps[0]["train_loss"]
    assert lines[-1]["metrics"]["valid_loss"] > 0 and lines[-1]["trained_tokens"] > 0
    # it shows what the lora changed
    probe = lines[-1]["probe"]
    assert len(probe["base"]) == len(probe["lora"]) == len(ids_of("It is so"))
    assert abs(sum(probe["lora"]) - sum(probe["base"])) > 0.1
    assert trained(task_file(tmp_path / "b", model, validation_rows=ROWS[:2]))[1] == weights
    config = json.loads((tmp_path / "a" / "output" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 8)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_that_was_ended_goes_on_and_gives_the_same_lora(tmp_path, model, how):
    _, whole = trained(task_file(tmp_path / "a", model, total_steps=60))
    # SIGTERM leaves a checkpoint by itself, SIGKILL only what is there
    seconds = 0 if how == signal.SIGKILL else 60
    cut = task_file(tmp_path / "b", model, total_steps=60, checkpoint_seconds=seconds)
    assert kill_after(cut, 5, how) in (-signal.SIGKILL, 128 + signal.SIGTERM)
    lines, weights = trained(cut)
    assert any("resumed" in line.get("message", "") for line in lines)
    assert weights == whole


def test_it_ends_with_its_parent(tmp_path, model):
    process = start(task_file(tmp_path, model, total_steps=100_000))
    process.stdout.readline()
    process.stdin.close()
    process.stdout.read()
    assert process.wait(30) == 1
    assert not (tmp_path / "output").exists()


def test_it_ends_without_a_word_when_its_reader_is_gone(tmp_path, model):
    path = task_file(tmp_path, model, total_steps=100_000)
    with start(path, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_stage_goes_on_with_its_optimizer(tmp_path, model):
    trained(task_file(tmp_path / "a", model, schedule_span=[0, 0.5]))
    first = tmp_path / "a" / "output"
    optimizer = load_optimizer(first, load_file(first / WEIGHTS))
    assert optimizer is not None and optimizer.step == 12
    assert any(moment.any() for moment in optimizer.v.values())
    later = {"start": str(first), "schedule_span": [0.5, 1], "total_steps": 3}
    lines, weights = trained(task_file(tmp_path / "b", model, **later))
    assert not any(line["kind"] == "message" for line in lines)
    assert not (tmp_path / "b" / "output" / OPTIMIZER).exists()
    (first / OPTIMIZER).write_bytes(b"cut off")
    lines, others = trained(task_file(tmp_path / "c", model, **later))
    assert others != weights
    assert any("no readable optimizer" in line.get("message", "") for line in lines)


def test_a_lora_learns_what_its_teacher_says(tmp_path, model):
    taught = [
        row("Is it cold?", "Yes", teacher="Answer like a pirate."),
        row("Hm?", "No", teacher=""),
    ]
    fields = {"rows": taught, "batches": [[0, 1]]}
    lines, weights = trained(task_file(tmp_path / "a", model, **fields))
    said = [line["message"] for line in lines if line["kind"] == "message"]
    assert any("the teacher has read" in message for message in said)
    supervised = [row("Is it cold?", "Yes"), row("Hm?", "No")]
    plain = task_file(tmp_path / "b", model, **{**fields, "rows": supervised})
    assert trained(plain)[1] != weights


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"model_path": "/nowhere"}, "invalid-model", "/nowhere"),
        ({"start": "/nowhere"}, "invalid-model", "/nowhere"),
        ({"rows_file": "/nowhere"}, "invalid-request", "no rows"),
        ({"unknown": 1}, "invalid-request", "unknown"),
        ({"four_bit": True}, "invalid-request", "bitsandbytes"),
        ({"checkpoint_dir": "/dev/full/checkpoint"}, "store-unavailable", "cannot be written"),
    ],
)
def test_a_bad_task_fails_with_what_to_do(tmp_path, model, fields, code, says):
    lines = reports(start(task_file(tmp_path, model, **fields)))
    assert lines[-1]["error"]["code"] == code and says in lines[-1]["error"]["message"]


def test_a_disk_that_gets_full_fails_the_job_and_keeps_its_last_checkpoint(tmp_path, model):
    path = task_file(tmp_path, model, total_steps=60, checkpoint_seconds=0)
    process = start(path)
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("step") == 3:
            break
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    # the system says EFBIG in place of ENOSPC
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    lines += reports(process)
    assert lines[-1]["error"]["code"] == "store-unavailable"
    assert "make room" in lines[-1]["error"]["message"]
    assert [file.name for file in (tmp_path / "checkpoint").iterdir()] == [CHECKPOINT]
    lines, _ = trained(path)
    assert any("resumed" in line.get("message", "") for line in lines)


def test_without_a_parent_it_writes_a_report_and_an_exit_code(tmp_path, model):
    path = task_file(tmp_path, model)
    process, lines = run_managed(path)
    assert process.returncode == 0
    numbers = [line["number"] for line in lines]
    assert numbers == sorted(numbers)
    # the last one only
    assert [line["step"] for line in lines if line["kind"] == "progress"] == [12]
    end = lines[-1]
    assert end["kind"] == "trained"
    weights = tmp_path / "output" / WEIGHTS
    assert end["output_bytes"][WEIGHTS] == weights.stat().st_size
    # again, as after its machine was lost: numbers go on, and the end before is no end any more
    process, again = run_managed(path)
    assert again[-1]["number"] > end["number"] and again[-1]["kind"] == "trained"
    assert [line["kind"] for line in again].count("trained") == 1
    assert any("started again" in line.get("message", "") for line in again)


@pytest.mark.parametrize("is_over", [True, False])
def test_a_run_whose_task_another_one_holds_ends_and_writes_nothing(tmp_path, model, is_over):
    path = task_file(tmp_path, model, total_steps=100_000, checkpoint_seconds=0)
    report = tmp_path / "report.jsonl"
    command = [sys.executable, str(SCRIPT), str(path), str(report)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        # behind the second line the first one is in the report
        process.stdout.readline()
        process.stdout.readline()
        if is_over:
            (tmp_path / "holder").unlink()
        else:
            (tmp_path / "holder").write_text("another run")
        before = report.read_bytes()
        process.stdout.read()
    assert process.returncode == 1
    assert report.read_bytes() == before and not (tmp_path / "output").exists()


def test_its_exit_code_says_whether_another_try_may_succeed(tmp_path, model):
    process, lines = run_managed(task_file(tmp_path / "a", model, start="/nowhere"))
    assert process.returncode == 1 and not lines[-1]["transient"]
    nowhere = task_file(tmp_path / "b", model, checkpoint_dir="/dev/full/checkpoint")
    process, lines = run_managed(nowhere)
    assert process.returncode == 75 and lines[-1]["transient"]
    # a report that was cut off is begun anew
    (tmp_path / "b" / "report.jsonl").write_text('{"kind": "mess')
    process, lines = run_managed(nowhere)
    assert lines[-1]["error"]["code"] == "store-unavailable"
