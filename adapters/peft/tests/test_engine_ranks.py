"""Several processes train one job: on the CPU, by gloo."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from contract.errors import EngineError
from engine.base_model import open_base_model
from engine.lora_model import Placement, load_weights
from engine.ranks import Ranks, join_ranks
from engine.training_process import run_training, training_command
from in_process import Hooks
from several_processes import TAUGHT, KillsOnce, follower_of, task_of, trained
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_one_process_needs_no_launcher(tmp_path):
    assert training_command(tmp_path, 1)[1].endswith("train.py")
    assert "torch.distributed.run" in training_command(tmp_path, 2)
    alone = join_ranks("cpu", {})
    assert (alone.rank, alone.size, alone.leads) == (0, 1, True)
    assert alone.share([1, 2, 3]) == [1, 2, 3] and alone.gather([1, 2]) == [1, 2]
    assert alone.any(True) and not alone.any(False) and alone.of_leader("own") == "own"


def test_one_gpu_of_several_is_the_process_s_own(monkeypatch):
    chosen: list[str] = []
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    assert join_ranks("cuda:3", {}).device == "cuda:3" and chosen == ["cuda:3"]
    assert join_ranks("cuda", {}).device == "cuda" and chosen == ["cuda:3"]


def test_a_base_in_four_bits_is_loaded_onto_its_gpu(model_path, monkeypatch):
    given: dict = {}

    def from_pretrained(_, **options):
        given.update(options)
        raise OSError("no GPU")

    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("transformers.BitsAndBytesConfig", lambda **_: "4 bits")
    monkeypatch.setattr("engine.lora_model.AutoModelForCausalLM.from_pretrained", from_pretrained)
    placement = Placement("cuda:1", "bfloat16", four_bit=True)
    with pytest.raises(EngineError, match="no GPU"):
        load_weights(open_base_model(model_path), placement)
    assert given["device_map"] == {"": "cuda:1"}


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
