"""Early stop, memory that runs out, packing and replay, in the test's own process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoint import after_validation
from errors import TrainingError
from losses import label_losses, label_weights
from model import LoraModel
from packing import pack_rows
from row_outputs import targets_of_rows
from rows import Row, total_label_weight
from schedule import learning_rate_at, validations_due
from task import Task
from teacher import rows_to_learn
from tiny import (
    END,
    ROWS,
    VOCABULARY,
    Recorder,
    ids_of,
    open_lora,
    packed_row,
    row,
    scarce,
    task_fields,
    trainer_of,
    write_start,
    write_tiny_model,
)
from token_budget import TokenBudget
from trainer import Stopped

#: what no training on ROWS makes likelier for long
STRANGE = [row("Which city is the capital of France?", "xq zv kw 77 jj")]
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


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_best_weights_are_those_of_the_lowest_loss():
    weights = [{"a": torch.full((2,), float(step))} for step in range(5)]
    best = None
    for step, loss in enumerate([3.0, 2.0, 2.5, 2.0, float("nan")]):
        best = after_validation(best, loss, step, weights[step])
    assert (best.loss, best.step, best.misses) == (2.0, 1, 3) and best.weights is weights[1]
    assert after_validation(best, 2.0, 1, weights[1]) == best


def test_validation_is_more_frequent_where_it_may_end_the_job():
    assert [validations_due(at, 0) for at in (0.2, 0.25, 0.6, 1)] == [0, 1, 2, 3]
    assert [validations_due(at, 2) for at in (0.05, 0.1, 0.6, 1)] == [0, 1, 6, 9]


def test_stages_lie_on_one_cosine(model, tmp_path):
    def at(progress: float, span: list[float]) -> float:
        fields = {"schedule_span": span, "warmup_ratio": 0, "learning_rate": 1}
        return learning_rate_at(progress, Task(**task_fields(tmp_path, model, **fields)))

    assert at(1, [0, 0.5]) == pytest.approx(at(0, [0.5, 1])) == pytest.approx(0.5)
    assert at(1, [0.5, 1]) == pytest.approx(0)


EARLY = {"validation_rows": STRANGE, "total_steps": 40}


def test_a_last_stage_ends_early_with_its_best_weights(model, tmp_path):
    plain, report = Recorder(), Recorder()
    through, _ = trainer_of(tmp_path / "a", model, plain, **EARLY)
    through.run()
    trainer, _ = trainer_of(tmp_path / "b", model, report, early_stop_patience=2, **EARLY)
    trainer.run()
    last = report.steps[-1]
    assert last["step"] < 40 == len(plain.steps)
    # until then it is the same training, and its last step says that it is the last
    for one, other in zip(report.steps, plain.steps, strict=False):
        assert one["train_loss"] == other["train_loss"]
    assert last["total_steps"] == last["step"] and last["eta_seconds"] == 0
    validated = [step["valid_loss"] for step in report.steps if step["valid_loss"]]
    assert trainer.metrics()["valid_loss"] == min(validated)
    assert any("stopped early at step" in message for message in report.messages)
    # the weights are the best ones: after a restart they validate to the lowest loss
    again, _ = trainer_of(tmp_path / "b", model, Recorder(), early_stop_patience=2, **EARLY)
    again.run()
    assert same(again.state.weights, trainer.state.weights)
    assert trainer.metrics()["valid_loss"] < through.metrics()["valid_loss"]


def test_a_stage_before_the_last_does_not_end_early(model, tmp_path):
    report = Recorder()
    trainer, _ = trainer_of(
        tmp_path, model, report, early_stop_patience=1, schedule_span=[0, 0.5], **EARLY
    )
    trainer.run()
    assert len(report.steps) == 40 and report.messages == []


def test_a_restart_remembers_the_best_weights(model, tmp_path):
    at_once, _ = trainer_of(tmp_path / "a", model, Recorder(), early_stop_patience=3, **EARLY)
    at_once.run()
    for runs in range(1, 40):  # noqa: B007
        report = Recorder()
        trainer, _ = trainer_of(
            tmp_path / "b",
            model,
            report,
            early_stop_patience=3,
            asked_to_stop=lambda report=report: len(report.steps) >= 4,
            **EARLY,
        )
        try:
            trainer.run()
            break
        except Stopped:
            continue
    assert runs > 2 and trainer.counters.step == at_once.counters.step < 40
    assert same(trainer.state.weights, at_once.state.weights)


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
    options = {"gradient_checkpointing": False}
    plenty = trained_with(model, tmp_path / "a", 4096, **options)
    scant = trained_with(model, tmp_path / "b", 70, **options)
    assert plenty.messages == [] and "out of memory" in scant.messages[0]
    losses = [[step["train_loss"] for step in one.steps] for one in (scant, plenty)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    with pytest.raises(TrainingError, match="too small for a row"):
        trained_with(model, tmp_path / "c", 10, **options)


def test_activations_are_computed_twice_only_after_memory_was_too_small(model, tmp_path):
    plenty = trained_with(model, tmp_path / "a", 4096)
    scant = trained_with(model, tmp_path / "b", 70)
    assert plenty.messages == []
    assert "computed twice" in scant.messages[0] and "at most 200" in scant.messages[1]
    losses = [[step["train_loss"] for step in one.steps] for one in (scant, plenty)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


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


def learned(
    lora: LoraModel,
    folder: Path,
    report: Recorder,
    replayed: list[int],
    *,
    seed: int = 4,
    ends: list[int] = [END],  # noqa: B006
) -> list[Row]:
    return rows_to_learn(
        lora,
        TAUGHT,
        report,
        budget=TokenBudget(4096, report),
        replayed_rows=replayed,
        eos_ids=ends,
        seed=seed,
        folder=folder,
    )


def test_a_teacher_answers_some_prompts_itself(model, tmp_path):
    # the teacher is the base model, whatever the lora says
    lora = open_lora(model, write_start(tmp_path / "start", model, spread=0.5))
    # a random model seldom ends by itself: a third of what it says counts as an end
    ends = list(range(0, VOCABULARY, 3))
    report = Recorder()
    logged = learned(lora, tmp_path / "none", report, [])
    assert len(logged) == 5 and not (tmp_path / "none").exists()
    rows = learned(lora, tmp_path / "a", report, [0, 2, 4], ends=ends)
    answers = json.loads((tmp_path / "a" / "replay.json").read_text())
    assert len(answers) == len(rows) - 5 <= 3 and answers
    for one, (number, ids) in zip(rows[5:], answers, strict=True):
        assert one.completion_ids == ids and ids[-1] in ends
        assert one.prompt_ids == rows[number].prompt_ids and one.weight == rows[number].weight
        # what the teacher said itself is learned as the teacher's probabilities to the end
        assert (one.targets.probabilities[:, 0] < 1).all()
    assert any("answered 3 of 3 prompts" in message for message in report.messages)
    again = learned(lora, tmp_path / "b", Recorder(), [0, 2, 4], ends=ends)
    assert [one.completion_ids for one in again] == [one.completion_ids for one in rows]
    other = learned(lora, tmp_path / "c", Recorder(), [0, 2, 4], ends=ends, seed=5)
    assert [one.completion_ids for one in other] != [one.completion_ids for one in rows]
    plain = open_lora(model, write_start(tmp_path / "plain", model))
    for one, other in zip(learned(plain, tmp_path / "d", Recorder(), []), logged, strict=True):
        assert (one.targets.ids == other.targets.ids).all()


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Mistral"])
def test_other_families_are_trained_too(tmp_path, family):
    other = write_tiny_model(tmp_path / "model", family=family)
    report = Recorder()
    trainer, _ = trainer_of(tmp_path / "job", other, report, total_steps=20)
    trainer.run()
    losses = [step["train_loss"] for step in report.steps]
    assert losses[-1] < losses[0] / 2


def test_a_restart_finds_the_answers_it_began_with(model, tmp_path):
    lora = open_lora(model, write_start(tmp_path / "start", model))
    tmp_path.joinpath("replay.json").write_text(json.dumps([[2, [70, END]]]))
    report = Recorder()
    rows = learned(lora, tmp_path, report, [2])
    assert rows[5].completion_ids == [70, END] and len(rows) == 6
    assert not any("answered" in message for message in report.messages)
