"""Early stop, memory that runs out, and replay, in the test's own process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contract.errors import EngineError
from engine.base_model import BaseModel
from engine.best_weights import after_validation
from engine.distillation import Distillation
from engine.lora_model import label_logits, load_weights
from engine.ranks import Ranks
from engine.rendering import teacher_row
from engine.row_outputs import targets_of_rows
from engine.token_budget import TokenBudget
from engine.trainer import Stopped
from engine.validation import validations_due
from in_process import CPU, Hooks, scarce, trainer_of

from tiny_model import ROWS, row, tiny_base

#: what no training on ROWS makes likelier for long
STRANGE = [row("Which city is the capital of France?", "xq zv kw 77 jj")]
TAUGHT = [
    row(one.messages[0].content, one.messages[1].content, teacher="Answer like a pirate.")
    for one in ROWS
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> BaseModel:
    return tiny_base(tmp_path_factory.mktemp("models"))


def test_the_best_weights_are_those_of_the_lowest_loss():
    thetas = [np.full(2, step, dtype=np.float32) for step in range(5)]
    best = None
    for step, loss in enumerate([3.0, 2.0, 2.5, 2.0, float("nan")]):
        best = after_validation(best, loss, step, thetas[step])
    assert (best.loss, best.step, best.misses) == (2.0, 1, 3) and best.theta is thetas[1]
    assert after_validation(best, 2.0, 1, thetas[1]) == best


def test_validation_is_more_frequent_where_it_may_end_the_job():
    assert [validations_due(at, 0) for at in (0.2, 0.25, 0.6, 1)] == [0, 1, 2, 3]
    assert [validations_due(at, 2) for at in (0.05, 0.1, 0.6, 1)] == [0, 1, 6, 9]


def test_a_last_stage_ends_early_with_its_best_weights(base, tmp_path):
    plain = Hooks()
    through, _ = trainer_of(base, tmp_path / "a", plain, validation_rows=STRANGE, max_steps=40)
    through.run()
    hooks = Hooks()
    trainer, _ = trainer_of(
        base, tmp_path / "b", hooks, validation_rows=STRANGE, max_steps=40, patience=2
    )
    trainer.run()
    steps = [progress.step for progress in hooks.progress]
    assert steps[-1] < 40 == len(plain.progress)
    # until then it is the same training, and its last step says that it is the last
    for one, other in zip(hooks.progress, plain.progress, strict=False):
        assert one.train_loss == other.train_loss
    assert hooks.progress[-1].total_steps == steps[-1] and hooks.progress[-1].eta_seconds == 0
    validated = [progress.valid_loss for progress in hooks.progress if progress.valid_loss]
    assert trainer.metrics()["valid_loss"] == min(validated)
    assert any("stopped early at step" in message for message in hooks.messages)
    # the weights are the best ones: after a restart they validate to the lowest loss
    again, _ = trainer_of(
        base, tmp_path / "b", Hooks(), validation_rows=STRANGE, max_steps=40, patience=2
    )
    again.run()
    assert np.array_equal(again.state.theta, trainer.state.theta)
    assert trainer.metrics()["valid_loss"] < through.metrics()["valid_loss"]


def test_a_stage_before_the_last_does_not_end_early(base, tmp_path):
    hooks = Hooks()
    trainer, _ = trainer_of(
        base,
        tmp_path,
        hooks,
        validation_rows=STRANGE,
        max_steps=40,
        patience=1,
        schedule_span=[0, 0.5],
    )
    trainer.run()
    assert len(hooks.progress) == 40 and hooks.messages == []


def test_a_restart_remembers_the_best_weights(base, tmp_path):
    whole = Hooks()
    at_once, _ = trainer_of(
        base, tmp_path / "a", whole, validation_rows=STRANGE, max_steps=40, patience=3
    )
    at_once.run()
    runs = 0
    while runs < 40:
        runs += 1
        hooks = Hooks()
        trainer, _ = trainer_of(
            base,
            tmp_path / "b",
            hooks,
            validation_rows=STRANGE,
            max_steps=40,
            patience=3,
            asked_to_stop=lambda hooks=hooks: len(hooks.progress) >= 4,
        )
        try:
            trainer.run()
            break
        except Stopped:
            continue
    assert runs > 2 and trainer.counters.step == at_once.counters.step < 40
    assert np.array_equal(trainer.state.theta, at_once.state.theta)


def test_memory_that_runs_out_while_validating_halves_what_is_computed(base, tmp_path):
    plenty, scant = Hooks(), Hooks()
    expected, _ = trainer_of(base, tmp_path / "a", plenty, validation_rows=ROWS[:1] * 40)
    expected.run()
    # a batch of three rows fits, forty to validate do not
    trainer, model = trainer_of(base, tmp_path / "b", scant, validation_rows=ROWS[:1] * 40)
    model.label_logits = scarce(model.label_logits, 250)
    trainer.run()
    assert any("out of memory" in message for message in scant.messages)
    assert len(scant.progress) == len(plenty.progress)
    assert trainer.metrics()["valid_loss"] == pytest.approx(expected.metrics()["valid_loss"], 1e-4)
    trainer, model = trainer_of(base, tmp_path / "c", scant, validation_rows=ROWS)
    model.label_logits = scarce(model.label_logits, 10)
    with pytest.raises(EngineError, match="too small for a row"):
        trainer.run()


def test_memory_that_runs_out_while_the_teacher_reads_halves_what_is_computed(base):
    weights = load_weights(base, CPU)
    rows = [teacher_row(base.chat, one) for one in TAUGHT]

    def read(most: int, hooks: Hooks):
        logits_of = scarce(lambda packed: label_logits(weights, packed), most)
        budget = TokenBudget(4096, hooks)
        return dict(targets_of_rows(logits_of, rows, width=5, budget=budget))

    plenty, scant = Hooks(), Hooks()
    expected, found = read(4096, plenty), read(150, scant)
    assert plenty.messages == [] and len(scant.messages) == 5
    assert set(found) == set(range(len(rows)))
    for number, target in expected.items():
        assert np.array_equal(found[number].ids, target.ids)
        assert found[number].probabilities == pytest.approx(target.probabilities, abs=1e-5)


def learned(base: BaseModel, folder: Path, hooks: Hooks, share: float, seed: int = 4):
    teacher = Distillation(
        base, load_weights(base, CPU), hooks, budget=TokenBudget(4096, hooks), ranks=Ranks()
    )
    return teacher.rows_to_learn(TAUGHT, replay_share=share, seed=seed, folder=folder)


def test_a_teacher_answers_a_share_of_the_prompts_itself(base, tmp_path):
    # a random model seldom ends by itself: a third of what it says counts as an end
    base = replace(base, eos_ids=list(range(0, base.config.vocab_size, 3)))
    hooks = Hooks()
    logged = learned(base, tmp_path / "none", hooks, 0)
    assert len(logged) == 5 and not (tmp_path / "none").exists()
    rows = learned(base, tmp_path / "a", hooks, 0.6)
    answers = json.loads((tmp_path / "a" / "replay.json").read_text())
    assert len(answers) == len(rows) - 5 <= 3 and answers
    for one, (number, ids) in zip(rows[5:], answers, strict=True):
        assert one.completion_ids == ids and ids[-1] in base.eos_ids
        assert one.prompt_ids == rows[number].prompt_ids and one.weight == rows[number].weight
        # what the teacher said itself is learned as the teacher's probabilities to the end
        assert (one.targets.probabilities[:, 0] < 1).all()
    assert any("answered 3 of 3 prompts" in message for message in hooks.messages)
    again = learned(base, tmp_path / "b", Hooks(), 0.6)
    assert [one.completion_ids for one in again] == [one.completion_ids for one in rows]
    other = learned(base, tmp_path / "c", Hooks(), 0.6, seed=5)
    assert [one.completion_ids for one in other] != [one.completion_ids for one in rows]


def test_a_restart_finds_the_answers_it_began_with(base, tmp_path):
    tmp_path.joinpath("replay.json").write_text(json.dumps([[2, [70, 2]]]))
    hooks = Hooks()
    rows = learned(base, tmp_path, hooks, 0.6)
    assert rows[5].completion_ids == [70, 2] and len(rows) == 6
    assert not any("answered" in message for message in hooks.messages)
