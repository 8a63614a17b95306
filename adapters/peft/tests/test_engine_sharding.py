"""The base model's weights shared out over two processes: on the CPU, by gloo."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from contract.errors import EngineError
from engine.base_model import open_base_model
from engine.lora_model import NO_FOUR_BIT_PARTS, Placement, label_logits, load_weights
from engine.packing import ONE_TOKEN
from engine.ranks import Ranks, is_of_a_lost_peer, join_ranks
from engine.sharding import in_step
from engine.token_budget import TokenBudget
from in_process import CPU, Hooks
from several_processes import TAUGHT, KillsOnce, run_in_time, task_of, trained
from tiny_model import packed_row, tiny_base, write_tiny_model

STEPS = 12
#: more rows than one pass takes, and one rank has a pass more than the other
PACKED = [
    packed_row(f"What is the capital of country {number}?", f"City {number}" * (1 + number % 3))
    for number in range(5)
]
CASES = {
    # the second rank has no row of any batch
    "one row a batch": {"hyperparameters": {"rank": 4, "batch_size": 1, "max_steps": STEPS}},
    "shared prefix": {
        "rows": [asdict(one) for one in PACKED],
        "max_tokens": 60,
        "gradient_checkpointing": True,
        "hyperparameters": {"rank": 4, "batch_size": 5, "max_steps": STEPS},
    },
    "self-distillation": {
        "rows": [asdict(one) for one in TAUGHT],
        "method": "self-distillation",
        "replay_share": 1.0,
        "max_steps": STEPS,
    },
}


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    """A third of what it says ends an answer, so that two are seldom equally long."""
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    config = json.loads((folder / "config.json").read_text())
    config["eos_token_id"] = list(range(2, config["vocab_size"], 3))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def probe_in(folder: Path) -> dict:
    (file,) = folder.glob("loras/*/probe.json")
    return json.loads(file.read_text())


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_a_sharded_base_trains_as_a_whole_one_does(tmp_path, model_path, fields):
    alone, expected = trained(tmp_path / "1", model_path, 1, **fields)
    together, metrics = trained(tmp_path / "2", model_path, 2, shard_base=True, **fields)
    losses = [progress.train_loss for progress in alone.progress]
    assert len(losses) == STEPS and losses[-1] < losses[0]
    assert [one.train_loss for one in together.progress] == pytest.approx(losses, abs=1e-4)
    assert metrics["valid_loss"] == pytest.approx(expected["valid_loss"], abs=1e-4)
    whole, sharded = probe_in(tmp_path / "1"), probe_in(tmp_path / "2")
    for nats in ("base", "lora"):
        assert sharded[nats] == pytest.approx(whole[nats], abs=1e-3)
    if "replay_share" in fields:
        answers = [json.loads((tmp_path / n / "job/replay.json").read_text()) for n in "12"]
        assert answers[0] == answers[1]
        assert len({len(ids) for _, ids in answers[0]}) > 1


def test_when_one_dies_all_go_on_from_the_checkpoint(tmp_path, model_path):
    hooks = KillsOnce(tmp_path)
    task = task_of(tmp_path, model_path, max_steps=40, checkpoint_seconds=0, shard_base=True)
    result = run_in_time(task, tmp_path, hooks, 2)
    assert hooks.killed and result.metrics["steps"] == 40
    assert any("resumed from the checkpoint" in message for message in hooks.messages)


def in_one_of_two(rank: int, model: Path, port: int, found: Path) -> None:
    """A process of the test below."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank)}
    os.environ |= place | {"WORLD_SIZE": "2"}
    ranks = join_ranks("cpu", shards_base=True)
    weights = load_weights(open_base_model(model), CPU, ranks=ranks)
    held = sum(one.to_local().numel() for one in weights.parameters())
    with torch.no_grad():
        logits = label_logits(weights, ONE_TOKEN)
    facts = {"held": held, "logits": logits.tolist()}
    (found / f"{rank}.json").write_text(json.dumps(facts))
    if rank == 1:
        os._exit(0)
    try:
        with torch.no_grad():
            label_logits(weights, ONE_TOKEN)
    except RuntimeError as error:
        (found / "lost").write_text(str(is_of_a_lost_peer(error)))
    os._exit(0)


def test_each_holds_its_part_and_sees_the_other_go(tmp_path, model_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(in_one_of_two, (model_path, port, tmp_path), nprocs=2)
    facts = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    base = open_base_model(model_path)
    weights = load_weights(base, CPU)
    whole = sum(one.numel() for one in weights.parameters())
    assert sum(one["held"] for one in facts) == whole
    assert abs(facts[0]["held"] - facts[1]["held"]) < 0.01 * whole
    with torch.no_grad():
        expected = label_logits(weights, ONE_TOKEN).numpy()
    for one in facts:
        assert np.allclose(one["logits"], expected, atol=1e-5)
    assert (tmp_path / "lost").read_text() == "True"


def test_other_errors_are_no_lost_peer():
    def caught(fault: Exception) -> Exception:
        try:
            raise fault
        except Exception as error:
            return error

    for fault in (RuntimeError("CUDA error"), torch.OutOfMemoryError("full"), ValueError("none")):
        assert not is_of_a_lost_peer(caught(fault))


def test_one_process_alone_waits_for_nobody():
    def compute(_: object) -> torch.Tensor:
        raise AssertionError("not called")

    assert not Ranks(shards_base=True).in_step
    with in_step(Ranks(shards_base=True), compute) as given:
        assert given is compute


def test_a_base_in_four_bits_is_not_shared_out(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.lora_model.importlib.util.find_spec", lambda _: True)
    placement = Placement("cpu", "bfloat16", four_bit=True)
    monkeypatch.undo()
    with pytest.raises(EngineError, match=NO_FOUR_BIT_PARTS):
        load_weights(tiny_base(tmp_path), placement, ranks=Ranks(0, 2, shards_base=True))


def test_a_pass_of_all_is_not_begun_again_with_fewer_tokens():
    def too_much(_: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    budget = TokenBudget(4096, Hooks(), shrinks=False)
    with pytest.raises(EngineError, match="ENGINE_MAX_TRAINING_TOKENS to 2048"):
        budget.within([], too_much)
