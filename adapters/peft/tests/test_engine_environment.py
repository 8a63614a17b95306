"""Environment variables become options, and mistakes name their variable."""

from __future__ import annotations

import pytest

from contract.errors import EngineError
from engine.environment import GPU_TRAINING_TOKENS, Machine, read_options
from engine.lora_model import NO_FOUR_BIT_PARTS, Placement
from engine.options import Options

CPU = Machine(gpus=0, has_bitsandbytes=False)
GPUS = Machine(gpus=2, has_bitsandbytes=True)


def test_without_variables_the_device_decides():
    assert read_options({}, CPU) == Options(Placement("cpu", "float32"))
    on_gpu = read_options({}, GPUS)
    assert on_gpu.placement == Placement("cuda", "bfloat16")
    assert on_gpu.max_training_tokens == GPU_TRAINING_TOKENS


def test_every_variable_is_read():
    env = {
        "ENGINE_DEVICE": "cuda",
        "ENGINE_DTYPE": "float32",
        "ENGINE_FOUR_BIT": "1",
        "ENGINE_GRADIENT_CHECKPOINTING": "false",
        "ENGINE_ATTENTION": "sdpa",
        "ENGINE_CHECKPOINT_SECONDS": "7.5",
        "ENGINE_MAX_TRAINING_TOKENS": "2048",
        "ENGINE_EARLY_STOP_PATIENCE": "3",
        "ENGINE_REPLAY_SHARE": "0.1",
        "ENGINE_PROCESSES": "2",
        "ENGINE_MAX_LORAS": "4",
        "ENGINE_MAX_RUNNING": "5",
        "ENGINE_THREADS": "6",
    }
    assert read_options(env, GPUS) == Options(
        placement=Placement("cuda", "float32"),
        four_bit_training=True,
        gradient_checkpointing=False,
        attention="sdpa",
        checkpoint_seconds=7.5,
        max_training_tokens=2048,
        early_stop_patience=3,
        replay_share=0.1,
        processes=2,
        max_loras=4,
        max_running=5,
        threads=6,
    )


def test_the_base_is_shared_out_over_processes():
    env = {"ENGINE_PROCESSES": "2", "ENGINE_SHARD_BASE": "true"}
    assert read_options(env, GPUS).shard_base and not read_options({}, GPUS).shard_base


def test_an_empty_variable_is_not_set():
    assert read_options({"ENGINE_THREADS": "", "ENGINE_DEVICE": ""}, CPU).threads is None


@pytest.mark.parametrize(
    ("env", "machine", "says"),
    [
        ({"ENGINE_DEVICE": "tpu"}, CPU, "ENGINE_DEVICE is 'tpu'"),
        ({"ENGINE_DEVICE": "cuda"}, CPU, "sees 0 GPUs"),
        ({"ENGINE_DEVICE": "cuda:2"}, GPUS, "sees 2 GPUs"),
        ({"ENGINE_DTYPE": "float16"}, CPU, "ENGINE_DTYPE is 'float16'"),
        ({"ENGINE_FOUR_BIT": "maybe"}, CPU, "ENGINE_FOUR_BIT is 'maybe'"),
        ({"ENGINE_FOUR_BIT": "true"}, CPU, "pip install bitsandbytes"),
        ({"ENGINE_ATTENTION": "eager"}, CPU, "ENGINE_ATTENTION is 'eager'"),
        ({"ENGINE_ATTENTION": "flex"}, CPU, "on a GPU only"),
        ({"ENGINE_THREADS": "0"}, CPU, "ENGINE_THREADS is '0'"),
        ({"ENGINE_CHECKPOINT_SECONDS": "-1"}, CPU, "ENGINE_CHECKPOINT_SECONDS is '-1'"),
        ({"ENGINE_CHECKPOINT_SECONDS": "inf"}, CPU, "ENGINE_CHECKPOINT_SECONDS is 'inf'"),
        ({"ENGINE_REPLAY_SHARE": "2"}, CPU, "ENGINE_REPLAY_SHARE is '2'"),
        ({"ENGINE_PROCESSES": "3"}, GPUS, "ENGINE_PROCESSES is 3, but there are 2 GPUs"),
        ({"ENGINE_PROCESSES": "2", "ENGINE_DEVICE": "cuda:1"}, GPUS, "set ENGINE_DEVICE=cuda"),
        ({"ENGINE_SHARD_BASE": "true"}, GPUS, "set ENGINE_PROCESSES to 2 or more"),
        (
            {"ENGINE_SHARD_BASE": "1", "ENGINE_PROCESSES": "2", "ENGINE_FOUR_BIT": "1"},
            GPUS,
            NO_FOUR_BIT_PARTS,
        ),
    ],
)
def test_a_mistake_names_its_variable(env, machine, says):
    with pytest.raises(EngineError) as caught:
        read_options(env, machine)
    assert caught.value.code == "invalid_config" and says in caught.value.message


def test_all_mistakes_are_told_at_once():
    with pytest.raises(EngineError, match="ENGINE_MAX_LORAS.*ENGINE_THREADS"):
        read_options({"ENGINE_MAX_LORAS": "x", "ENGINE_THREADS": "y"}, CPU)
