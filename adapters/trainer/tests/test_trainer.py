"""Memory that runs out, and packing, in the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from errors import TrainingError
from losses import label_losses, label_weights
from model import LoraModel
from packing import pack_rows
from row_outputs import targets_of_rows
from rows import Row, total_label_weight
from schedule import learning_rate_at
from task import Task
from tiny import (
    ROWS,
    Recorder,
    ids_of,
    open_lora,
    packed_row,
    scarce,
    task_fields,
    trainer_of,
    write_start,
    write_tiny_model,
)
from token_budget import TokenBudget

TAUGHT = [
    Row(
        one.prompt_ids,
        one.completion_ids,
        one.weight,
        None,
        ids_of("Be a pirate. ") + one.prompt_ids,
    )
    for one in ROWS
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_stages_lie_on_one_cosine(model, tmp_path):
    def at(progress: float, span: list[float]) -> float:
        fields = {"schedule_span": span, "warmup_ratio": 0, "learning_rate": 1}
        return learning_rate_at(progress, Task(**task_fields(tmp_path, model, **fields)))

    assert at(1, [0, 0.5]) == pytest.approx(at(0, [0.5, 1])) == pytest.approx(0.5)
    assert at(1, [0.5, 1]) == pytest.approx(0)


def test_a_checkpoint_of_another_task_or_a_damaged_one_is_not_used(model, tmp_path):
    trainer, _ = trainer_of(tmp_path, model, Recorder())
    trainer.run()
    resumed = Recorder()
    trainer_of(tmp_path, model, resumed)
    assert "step 12" in resumed.messages[0]
    other = Recorder()
    trainer_of(tmp_path, model, other, identity="another job")
    file = tmp_path / "checkpoint" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    trainer_of(tmp_path, model, other)
    assert other.messages == []


def test_memory_that_runs_out_while_validating_halves_what_is_computed(model, tmp_path):
    plenty, scant = Recorder(), Recorder()
    forty = {"validation_rows": ROWS[:1] * 40}
    expected, _ = trainer_of(tmp_path / "a", model, plenty, **forty)
    expected.run()
    # a batch of three rows fits, forty to validate do not
    trainer, lora = trainer_of(tmp_path / "b", model, scant, **forty)
    lora.label_logits = scarce(lora.label_logits, 250)
    trainer.run()
    assert any("out of memory" in message for message in scant.messages)
    assert len(scant.steps) == len(plenty.steps)
    assert trainer.metrics()["valid_loss"] == pytest.approx(expected.metrics()["valid_loss"], 1e-4)
    trainer, lora = trainer_of(tmp_path / "c", model, scant, validation_rows=ROWS)
    lora.label_logits = scarce(lora.label_logits, 10)
    with pytest.raises(TrainingError, match="too small for a row"):
        trainer.run()


def trained_with(model: Path, folder: Path, run_out_at: int, **fields: Any) -> Recorder:
    """A batch of more tokens than `run_out_at` runs out of memory."""
    report = Recorder()
    trainer, lora = trainer_of(folder, model, report, max_tokens=400, **fields)
    lora.label_logits = scarce(lora.label_logits, run_out_at)
    trainer.run()
    return report


def test_out_of_memory_makes_parts_smaller_and_says_so(model, tmp_path):
    plenty = trained_with(model, tmp_path / "a", 4096)
    scant = trained_with(model, tmp_path / "b", 70)
    assert plenty.messages == []
    assert "computed twice" in scant.messages[0] and "at most 200" in scant.messages[1]
    losses = [[step["train_loss"] for step in one.steps] for one in (scant, plenty)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    with pytest.raises(TrainingError, match="too small for a row"):
        trained_with(model, tmp_path / "c", 10)


@pytest.mark.parametrize(
    ("tokens", "longest", "fits", "tried"),
    [
        # halved while a GPU stays busy, then freed, then halved again
        (16_384, 100, 1_000, [16_384, 8_192, 4_096, 2_048, "freed", 2_048, 1_024, 512]),
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

    long = Row([1] * (longest - 1), [2])
    TokenBudget(tokens, Recorder()).within([long], compute, free_memory)
    assert calls == tried


def gradient_of(lora: LoraModel, parts: list[list[Row]]) -> torch.Tensor:
    rows = [one for part in parts for one in part]
    for parameter in lora.weights.values():
        parameter.grad = None
    for part in parts:
        nats = label_losses(lora.label_logits(pack_rows(part)), part)
        weights = label_weights(part, total_label_weight(rows), lora.device)
        (nats * weights).sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in lora.weights.values()])


@pytest.mark.parametrize("recomputes", [False, True])
def test_packing_gives_the_gradient_of_separate_rows(model, tmp_path, recomputes):
    lora = open_lora(model, write_start(tmp_path / "start", model, spread=0.1))
    if recomputes:
        lora.recompute_activations()
    rows = [packed_row(f"Question {number}?", "Rome" * number) for number in range(1, 6)]
    assert pack_rows(rows).mask is not None
    separate = gradient_of(lora, [[one] for one in rows])
    packed = gradient_of(lora, [rows])
    assert float((packed - separate).norm() / separate.norm()) <= 1e-5
    # rows with nothing in common are padded
    short = [
        Row(one.prompt_ids[number + 1 :], one.completion_ids) for number, one in enumerate(rows)
    ]
    assert pack_rows(short).mask is None
    separate = gradient_of(lora, [[one] for one in short])
    assert float((gradient_of(lora, [short]) - separate).norm() / separate.norm()) <= 1e-5


def test_memory_that_runs_out_while_the_teacher_reads_halves_what_is_computed(model, tmp_path):
    lora = open_lora(model, write_start(tmp_path / "start", model))
    rows = [Row(one.teacher_prompt_ids, one.completion_ids) for one in TAUGHT]

    def read(most: int, report: Recorder):
        logits_of = scarce(lora.base_label_logits, most)
        budget = TokenBudget(4096, report)
        return dict(targets_of_rows(logits_of, rows, width=5, budget=budget))

    plenty, scant = Recorder(), Recorder()
    expected, found = read(4096, plenty), read(100, scant)
    assert plenty.messages == [] and len(scant.messages) >= 5
    assert set(found) == set(range(len(rows)))
    for number, target in expected.items():
        assert (found[number].ids == target.ids).all()
        assert found[number].probabilities == pytest.approx(target.probabilities, abs=1e-5)
