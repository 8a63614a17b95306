"""Training as a whole, in processes of its own, and the exactness of packing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract.errors import EngineError
from engine.base_model import open_base_model
from engine.lora_layout import create_lora_layout, init_lora
from engine.lora_model import LoraModel, Placement, load_weights
from engine.lora_store import WEIGHTS, read_lora, read_optimizer
from engine.losses import label_losses, label_weights
from engine.packing import pack_rows
from engine.probe import read_probe
from engine.rendering import student_row
from engine.rows import TokenizedRow, total_label_weight
from engine.seeded_random import seeded_random
from engine.token_budget import TokenBudget
from in_process import HYPERPARAMETERS, Hooks, scarce, trainer_of
from peft.tuners.tuners_utils import BaseTunerLayer

from tiny_model import ROWS, packed_row, row, tiny_base, write_tiny_model

SCRIPT = Path(__file__).parent.parent / "train.py"


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def task_file(folder: Path, model: Path, **fields) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    task = {
        "model_path": str(model),
        "loras_dir": str(folder / "loras"),
        "checkpoint_dir": str(folder / "checkpoint"),
        "rows": [asdict(one) for one in ROWS],
        "hyperparameters": HYPERPARAMETERS,
        "threads": 1,
        **fields,
    }
    path = folder / "task.json"
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


def trained(path: Path) -> dict:
    lines = reports(start(path))
    assert lines[-1]["kind"] == "trained", lines[-1]
    return lines[-1]


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


def test_the_same_job_gives_the_same_lora_and_lowers_the_loss(tmp_path, model_path):
    fields = {"validation_rows": [asdict(one) for one in ROWS[:2]], "suffix": "cards"}
    lines = reports(start(task_file(tmp_path / "a", model_path, **fields)))
    steps = [line for line in lines if line["kind"] == "progress"]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert steps[-1]["train_loss"] < steps[0]["train_loss"]
    assert lines[-1]["metrics"]["valid_loss"] > 0
    probe = read_probe(tmp_path / "a" / "loras" / lines[-1]["model"])
    # it shows what the lora changed
    assert probe is not None and abs(sum(probe.lora) - sum(probe.base)) > 0.1
    again = trained(task_file(tmp_path / "b", model_path, **fields))
    assert lines[-1]["model"] == again["model"] and again["model"].startswith("lora-cards-")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_was_ended_goes_on_and_gives_the_same_lora(tmp_path, model_path, how):
    hyperparameters = {**HYPERPARAMETERS, "max_steps": 60}
    whole = trained(task_file(tmp_path / "a", model_path, hyperparameters=hyperparameters))
    # SIGTERM leaves a checkpoint by itself, SIGKILL only what is there
    seconds = 0 if how == signal.SIGKILL else 60
    cut = task_file(
        tmp_path / "b", model_path, hyperparameters=hyperparameters, checkpoint_seconds=seconds
    )
    assert kill_after(cut, 5, how) in (-signal.SIGKILL, 128 + signal.SIGTERM)
    lines = reports(start(cut))
    assert any("resumed" in line.get("message", "") for line in lines)
    assert lines[-1]["model"] == whole["model"]


def test_it_ends_with_its_parent(tmp_path, model_path):
    hyperparameters = {**HYPERPARAMETERS, "max_steps": 100_000}
    process = start(task_file(tmp_path, model_path, hyperparameters=hyperparameters))
    process.stdout.readline()
    process.stdin.close()
    process.stdout.read()
    assert process.wait(30) == 1
    assert not any((tmp_path / "loras").glob("*"))


def test_a_stage_goes_on_with_its_optimizer(tmp_path, model_path):
    first = task_file(
        tmp_path, model_path, hyperparameters={**HYPERPARAMETERS, "schedule_span": [0, 0.5]}
    )
    lora = trained(first)["model"]
    base = open_base_model(model_path)
    folder = tmp_path / "loras" / lora
    stored = read_lora(folder, base)
    optimizer = read_optimizer(folder, stored.layout)
    assert optimizer is not None and optimizer.step == 12 and optimizer.v.any()
    second = task_file(
        tmp_path,
        model_path,
        lora=lora,
        hyperparameters={"max_steps": 3, "schedule_span": [0.5, 1]},
    )
    result = trained(second)
    manifest = json.loads((tmp_path / "loras" / result["model"] / "manifest.json").read_text())
    assert manifest["parent"] == lora and manifest["hyperparameters"]["rank"] == 4
    assert not (tmp_path / "loras" / result["model"] / "optimizer.bin").exists()
    (folder / "optimizer.bin").write_bytes(b"cut off")
    lines = reports(start(second))
    assert lines[-1]["kind"] == "trained" and lines[-1]["model"] != result["model"]
    assert any("no readable optimizer.bin" in line.get("message", "") for line in lines)


def test_a_lora_learns_what_its_teacher_says(tmp_path, model_path):
    rows = [
        row(one.messages[0].content, one.messages[1].content, teacher="Answer like a pirate.")
        for one in ROWS
    ]
    path = task_file(
        tmp_path, model_path, rows=[asdict(one) for one in rows], method="self-distillation"
    )
    lines = reports(start(path))
    assert any("teacher has read 5 of 5" in line.get("message", "") for line in lines)
    supervised = trained(task_file(tmp_path, model_path))
    assert lines[-1]["kind"] == "trained" and lines[-1]["model"] != supervised["model"]


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"model_path": "/nowhere"}, "invalid_model", "no model folder"),
        ({"rows": []}, "invalid_request", "no rows"),
        ({"rows": [asdict(row("word " * 300, "Yes"))]}, "context_length_exceeded", "row 1"),
        ({"rows": [asdict(row("a", "b", weight=0))]}, "invalid_request", "weight 0"),
        ({"hyperparameters": {"rank": 0}}, "invalid_request", "rank"),
        ({"method": "self-distillation"}, "invalid_request", "teacher_messages"),
        ({"attention": "flex"}, "invalid_request", "GPU only"),
        ({"four_bit": True}, "invalid_request", "bitsandbytes"),
    ],
)
def test_a_bad_task_fails_with_what_to_do(tmp_path, model_path, fields, code, says):
    lines = reports(start(task_file(tmp_path, model_path, **fields)))
    assert lines[-1]["error"]["code"] == code and says in lines[-1]["error"]["message"]


@pytest.mark.parametrize("part", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_broken_model_folder_is_refused_with_its_file(tmp_path, part):
    folder = write_tiny_model(tmp_path / "tiny")
    file = folder / part
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(EngineError, match=part) as caught:
        open_base_model(folder)
    assert caught.value.code == "invalid_model"
    file.unlink()
    with pytest.raises(EngineError, match=part):
        open_base_model(folder)


def test_other_architectures_and_missing_templates_are_refused(tmp_path):
    folder = write_tiny_model(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}))
    with pytest.raises(EngineError, match="mamba"):
        open_base_model(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(EngineError, match="no chat template"):
        open_base_model(folder)


def test_a_damaged_lora_is_refused(tmp_path, model_path):
    lora = trained(task_file(tmp_path, model_path))["model"]
    base = open_base_model(model_path)
    folder = tmp_path / "loras" / lora
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-8])
    with pytest.raises(EngineError, match="truncated"):
        read_lora(folder, base)
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(EngineError, match="does not match its name"):
        read_lora(folder, base)
    (folder / WEIGHTS).write_bytes(weights)
    assert read_lora(folder, base).id == lora
    other = open_base_model(write_tiny_model(tmp_path / "other", seed=2))
    with pytest.raises(EngineError, match="another base model"):
        read_lora(folder, other)


def gradient_of(model: LoraModel, parts: list[list[TokenizedRow]]) -> torch.Tensor:
    rows = [one for part in parts for one in part]
    model.gradient.zero_()
    for part in parts:
        nats = label_losses(model.label_logits(pack_rows(part)), part)
        weights = label_weights(part, total_label_weight(rows), model.device)
        (nats * weights).sum().backward()
    return model.gradient.clone()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_packing_gives_the_gradient_of_separate_rows(tmp_path, checkpointing):
    base = tiny_base(tmp_path)
    layout = create_lora_layout(base.config, 4, 8)
    random = seeded_random(3)
    theta = init_lora(layout, random)
    theta = np.array([value or (random() - 0.5) * 0.4 for value in theta], dtype=np.float32)
    weights = load_weights(base, Placement("cpu", "float32"))
    model = LoraModel(weights, layout, theta, checkpointing=checkpointing)
    rows = [
        student_row(base.chat, packed_row(one.messages[0].content, one.messages[-1].content))
        for one in ROWS
    ]
    assert pack_rows(rows).mask is not None
    # unless their prefix is told to be too short
    assert pack_rows(rows, min_prefix_tokens=1000).mask is None
    separate = gradient_of(model, [[one] for one in rows])
    packed = gradient_of(model, [rows])
    assert float((packed - separate).norm() / separate.norm()) <= 1e-5
    # rows with nothing in common are padded
    short = [
        TokenizedRow(one.prompt_ids[number + 1 :], one.completion_ids, one.weight)
        for number, one in enumerate(rows)
    ]
    assert pack_rows(short).mask is None
    separate = gradient_of(model, [[one] for one in short])
    assert float((gradient_of(model, [short]) - separate).norm() / separate.norm()) <= 1e-5


def hooks_of_training(folder: Path, run_out_at: int, **options: Any) -> Hooks:
    """Trains in this process; a batch of more tokens than `run_out_at` runs out of memory."""
    hooks = Hooks()
    trainer, model = trainer_of(
        tiny_base(folder), folder / "checkpoint", hooks, max_tokens=400, **options
    )
    model.label_logits = scarce(model.label_logits, run_out_at)
    trainer.run()
    return hooks


def test_out_of_memory_makes_parts_smaller_and_says_so(tmp_path):
    plenty = hooks_of_training(tmp_path / "a", 4096)
    scant = hooks_of_training(tmp_path / "b", 120)
    assert plenty.messages == [] and "out of memory" in scant.messages[0]
    losses = [[progress.train_loss for progress in one.progress] for one in (scant, plenty)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    with pytest.raises(EngineError, match="too small for a row"):
        hooks_of_training(tmp_path / "c", 10)


def test_activations_are_computed_twice_only_after_memory_was_too_small(tmp_path):
    plenty = hooks_of_training(tmp_path / "a", 4096, checkpointing=None)
    scant = hooks_of_training(tmp_path / "b", 120, checkpointing=None)
    assert plenty.messages == []
    assert "computed twice" in scant.messages[0] and "at most 200" in scant.messages[1]
    losses = [[progress.train_loss for progress in one.progress] for one in (scant, plenty)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


@pytest.mark.parametrize(
    ("tokens", "longest", "fits", "tried"),
    [
        # halved while a GPU stays busy, then freed, then halved again
        (16_384, 100, 1_000, [16_384, 8_192, 4_096, "freed", 4_096, 2_048, 1_024, 512]),
        # a row that is longer than all of it must be computed whole
        (16_384, 20_000, 20_000, [16_384, "freed", 16_384]),
    ],
)
def test_memory_is_freed_before_parts_are_too_small_to_keep_a_gpu_busy(
    tokens, longest, fits, tried
):
    calls: list[Any] = []

    def compute(most: int) -> None:
        calls.append(most)
        # half of it is enough once activations are not kept
        needed = max(most, longest) / (2 if "freed" in calls else 1)
        if needed > fits / 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def free_memory() -> bool:
        is_first = "freed" not in calls
        if is_first:
            calls.append("freed")
        return is_first

    row = TokenizedRow([1] * (longest - 1), [2], 1.0)
    TokenBudget(tokens, Hooks()).within([row], compute, free_memory)
    assert calls == tried


def test_a_lora_reads_bfloat16_and_gives_what_peft_gives_by_float32(tmp_path):
    base = tiny_base(tmp_path)
    packed = pack_rows([student_row(base.chat, row) for row in ROWS])
    layout = create_lora_layout(base.config, 4, 8)
    random = np.random.default_rng(3)
    theta = random.normal(0, 0.05, layout.length).astype(np.float32)
    weights = load_weights(base, Placement("cpu", "bfloat16"))
    model = LoraModel(weights, layout, theta, checkpointing=False)
    read: list[torch.dtype] = []
    layers = [layer for layer in weights.modules() if isinstance(layer, BaseTunerLayer)]
    for layer in layers:
        layer.lora_A["default"].register_forward_pre_hook(
            lambda _, inputs: read.append(inputs[0].dtype)
        )

    def computed(*, converts: bool) -> list[torch.Tensor]:
        for layer in layers:
            layer.cast_input_dtype_enabled = converts
        model.gradient.zero_()
        logits = model.label_logits(packed)
        logits.float().square().mean().backward()
        return [logits.detach().clone(), model.gradient.clone()]

    kept = computed(converts=layers[0].cast_input_dtype_enabled)
    assert set(read) == {torch.bfloat16} and len(read) == 14
    converted = computed(converts=True)
    assert torch.equal(kept[0], converted[0]) and kept[1].abs().sum() > 0
    assert float((kept[1] - converted[1]).norm() / converted[1].norm()) <= 1e-2


def test_a_full_disk_is_told(tmp_path, model_path):
    path = task_file(tmp_path, model_path, checkpoint_dir="/dev/full/checkpoint")
    lines = reports(start(path))
    assert lines[-1]["error"]["code"] == "store_unavailable"


def test_no_process_is_left_behind(tmp_path, model_path):
    process = start(task_file(tmp_path, model_path))
    assert reports(process)[-1]["kind"] == "trained"
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
