"""
The same against vLLM itself, where VLLM_COMMAND says how it is started: `/opt/vllm/bin/vllm serve`,
and behind it what it needs there (`--enforce-eager` where compiling takes long).
"""

from __future__ import annotations

import os
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contract.backend import CompletionEnd
from contract.errors import EngineError
from engine.backend import PeftBackend
from engine.lora_model import Placement
from engine.opening import open_backend
from engine.probe import PROBE
from engine.vllm.child import LEASH
from engine.vllm.options import VllmOptions
from test_engine_serving import QUESTION, Hooks, answer, job
from test_vllm_pure import gone
from test_vllm_serving import alike, all_pids, answers_while_loras_load, eventually, of_lora
from tiny_lora import write_tiny_lora
from tiny_model import ROWS, write_tiny_model

COMMAND = shlex.split(os.environ.get("VLLM_COMMAND", ""))
pytestmark = pytest.mark.skipif(
    not COMMAND, reason="VLLM_COMMAND does not say how vLLM is started; its wheels need CUDA"
)
#: no GPU, nothing to sleep on
SHARING = "pause" if torch.cuda.is_available() else "split"
#: other kernels
NATS = 2e-3


def log(level: str, message: str, fields: object = None, **_: object) -> None:
    print(level, message, fields)


def options_of(**loras: int) -> VllmOptions:
    at = next((n for n, part in enumerate(COMMAND) if part == "serve"), len(COMMAND) - 1) + 1
    return VllmOptions(
        command=tuple(COMMAND[:at]),
        arguments=tuple(COMMAND[at:]),
        environment=dict(os.environ),
        sharing=SHARING,
        memory_share=0.1,
        max_lora_rank=8,
        start_seconds=300,
        **loras,
    )


async def opened(folder: Path, vllm: VllmOptions | None) -> PeftBackend:
    placement = Placement("cpu", "float32")
    return await open_backend(
        folder / "tiny", folder / "data", log, vllm=vllm, placement=placement, threads=1
    )


async def test_vllm_itself_answers_as_transformers_does_and_comes_back(tmp_path):
    # vLLM's attention knows no narrower heads
    write_tiny_model(tmp_path / "tiny", head_dim=64)
    loras = [
        write_tiny_lora(tmp_path / "tiny", tmp_path / "data" / "loras", seed=seed)
        for seed in (1, 2, 3)
    ]
    (tmp_path / "data" / "loras" / loras[2] / PROBE).unlink()
    requests = [
        QUESTION,
        replace(QUESTION, top_logprobs=3, cache_prompt=False),
        *(of_lora(lora, top_logprobs=1) for lora in loras),
    ]
    transformers = await opened(tmp_path, None)
    expected = [await answer(transformers, request) for request in requests]
    losses = [await transformers.loss(model, ROWS) for model in ("tiny", *loras)]
    await transformers.close()

    backend = await opened(tmp_path, options_of(max_loras=2, max_batch_loras=1))
    try:
        await check(backend, tmp_path, loras, requests, expected, losses)
        running = engine_processes(tmp_path)
    finally:
        await backend.close()
    assert running
    for pid in running:
        await gone(pid)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="on a CPU vLLM mistakes the loras of one batch"
)
async def test_loading_a_lora_leaves_the_answers_of_others_alone(tmp_path):
    """vllm-project/vllm issue 47724."""
    write_tiny_model(tmp_path / "tiny", head_dim=64)
    loras = [
        write_tiny_lora(tmp_path / "tiny", tmp_path / "data" / "loras", seed=seed)
        for seed in range(1, 5)
    ]
    backend = await opened(tmp_path, options_of(max_loras=4, max_batch_loras=2))
    try:
        alone, together = await answers_while_loras_load(backend, loras[:2], loras[2:], tokens=400)
    finally:
        await backend.close()
    for one, other in zip(alone, together, strict=True):
        assert alike(one[1], other[1], NATS)


async def check(backend, folder, loras, requests, expected, losses) -> None:
    for request, (text, entries, end) in zip(requests, expected, strict=True):
        served = await answer(backend, request)
        assert (served[0], served[2]) == (text, end) and alike(served[1], entries, NATS)
    for model, (values, tokens) in zip(("tiny", *loras), losses, strict=True):
        served_losses, served_tokens = await backend.loss(model, ROWS)
        assert served_losses == pytest.approx(values, abs=NATS) and served_tokens == tokens

    sampled = replace(QUESTION, temperature=1.5, top_p=0.9, seed=4)
    first = await answer(backend, sampled)
    assert first == await answer(backend, sampled)
    stopped, _, end = await answer(backend, replace(sampled, stop=[first[0][5:8]]))
    assert first[0].startswith(stopped) and end.finish_reason == "stop"
    chosen, _, end = await answer(backend, replace(QUESTION, choice=["card", "card_arrival"]))
    assert chosen in ("card", "card_arrival") and end.finish_reason == "stop"
    written, _, end = await answer(backend, replace(QUESTION, json_object=True, max_tokens=64))
    assert written.lstrip().startswith("{")
    stream = backend.complete(replace(QUESTION, max_tokens=400))
    await anext(stream)
    await stream.aclose()

    # it would end if it read a lora again that it has loaded
    stream = backend.complete(replace(QUESTION, model=loras[0], max_tokens=40))
    await anext(stream)
    lora_folder = folder / "data" / "loras" / loras[0]
    away = lora_folder.rename(lora_folder.with_name("away"))
    assert isinstance([item async for item in stream][-1], CompletionEnd)
    away.rename(lora_folder)

    async with backend.sharing.training():
        if SHARING == "pause":
            with pytest.raises(EngineError, match="upstream"):
                await answer(backend, QUESTION)
    # loaded and proved before it is announced
    learned = {"rank": 4, "learning_rate": 5e-3, "batch_size": 5, "max_steps": 60}
    trained = (await backend.train(job(folder, hyperparameters=learned), Hooks())).model
    assert (await answer(backend, of_lora(trained)))[0] == ROWS[0].messages[-1].content
    assert await eventually(backend, of_lora(loras[0])) == expected[2][0]

    stream = backend.complete(replace(QUESTION, model=loras[0], max_tokens=400))
    await anext(stream)
    running = engine_processes(folder)
    # the one that was started, and what computes
    assert len(running) > 1
    os.kill(leash_of(folder), signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        assert not any([isinstance(item, CompletionEnd) async for item in stream])
    assert caught.value.code == "engine_unavailable"
    for pid in running:
        await gone(pid)
    assert await eventually(backend, of_lora(loras[0]), seconds=300) == expected[2][0]


def engine_processes(folder: Path) -> list[int]:
    """What runs in the session of the one that serves the model of this folder, itself included."""
    for pid in all_pids():
        command = command_of(pid)
        if str(folder / "tiny") in command and LEASH.name not in command:
            return [other for other in all_pids() if session_of(other) == pid]
    return []


def leash_of(folder: Path) -> int:
    commands = {pid: command_of(pid) for pid in all_pids()}
    return next(
        pid
        for pid, command in commands.items()
        if str(folder / "tiny") in command and LEASH.name in command
    )


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
