"""Serving by vLLM, whose API a stand-in speaks: answers, loras and their proof, sharing, faults."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.backend import ChatRequest, CompletionEnd
from contract.errors import EngineError
from engine.backend import PeftBackend
from engine.opening import open_backend
from engine.probe import PROBE
from engine.vllm.options import VllmOptions
from test_engine_serving import QUESTION, Hooks, answer, job
from tiny_lora import write_tiny_lora
from tiny_model import ROWS, write_tiny_model

STAND_IN = Path(__file__).parent / "vllm_stand_in.py"
SHORT = {"rank": 4, "learning_rate": 2e-2, "batch_size": 5, "max_steps": 8}


class Place:
    """One data folder, whose engines serve by the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logged: list[tuple[str, str, Any]] = []
        self.opened: list[PeftBackend] = []
        write_tiny_model(folder / "tiny")

    def log(self, level: str, message: str, fields: Any = None, **_: Any) -> None:
        self.logged.append((level, message, fields))

    def faults(self, **faults: Any) -> None:
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def calls(self, kind: str) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(kind)]

    async def open(self, **options: Any) -> PeftBackend:
        environment = {**os.environ, "STAND_IN_FOLDER": str(self.folder), "OMP_NUM_THREADS": "1"}
        usual = {"command": (sys.executable, str(STAND_IN)), "start_seconds": 60.0}
        vllm = VllmOptions(environment=environment, **{**usual, **options})
        data = self.folder / "data"
        backend = await open_backend(self.folder / "tiny", data, self.log, vllm=vllm, threads=1)
        self.opened.append(backend)
        return backend

    def lora(self, **fields: Any) -> str:
        """Lies there when the next engine opens."""
        return write_tiny_lora(self.folder / "tiny", self.folder / "data" / "loras", **fields)

    async def transformers(self) -> PeftBackend:
        data = self.folder / "data"
        backend = await open_backend(self.folder / "tiny", data, self.log, threads=1)
        self.opened.append(backend)
        return backend

    async def close(self) -> None:
        while self.opened:
            await self.opened.pop().close()

    def processes(self) -> list[int]:
        """Of the stand-ins of this folder."""
        return [pid for pid in all_pids() if str(self.folder / "tiny") in _arguments(pid)]


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _arguments(pid: int) -> list[str]:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []
    # the one that runs it on a leash is another
    return arguments if str(STAND_IN) in arguments[:2] else []


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    await made.close()


async def trained(backend: PeftBackend, place: Place, **fields: Any) -> str:
    return (await backend.train(job(place.folder, **fields), Hooks())).model


def of_lora(lora: str, **changes: Any) -> ChatRequest:
    return replace(QUESTION, model=lora, messages=ROWS[0].messages[:1], **changes)


def alike(entries: list[dict], expected: list[dict], nats: float = 1e-4) -> bool:
    """The same to within rounding: another cache, another order of sums."""
    return len(entries) == len(expected) and all(
        one["bytes"] == other["bytes"]
        and abs(one["logprob"] - other["logprob"]) <= nats
        and alike(one.get("top_logprobs", []), other.get("top_logprobs", []), nats)
        for one, other in zip(entries, expected, strict=True)
    )


async def test_it_answers_as_transformers_does(place):
    lora = place.lora()
    vllm = await place.open()
    requests = [
        QUESTION,
        replace(QUESTION, top_logprobs=3),
        replace(QUESTION, temperature=1.5, top_p=0.9, seed=4, top_logprobs=2),
        replace(QUESTION, choice=["card", "card_arrival", "cash"]),
        replace(QUESTION, json_object=True, temperature=1.0, seed=2, max_tokens=40),
        of_lora(lora, top_logprobs=1),
    ]
    answers = [await answer(vllm, request) for request in requests]
    losses = [await vllm.loss(model, ROWS) for model in ("tiny", lora)]
    await place.close()

    transformers = await place.transformers()
    for request, (text, entries, end) in zip(requests, answers, strict=True):
        expected = await answer(transformers, request)
        assert (text, end) == (expected[0], expected[2])
        assert alike(entries, expected[1])
    for model, (values, tokens) in zip(("tiny", lora), losses, strict=True):
        expected = await transformers.loss(model, ROWS)
        assert values == pytest.approx(expected[0], abs=1e-5) and tokens == expected[1]


async def test_stop_texts_length_and_salt(place):
    backend = await place.open()
    text, entries, _ = await answer(backend, QUESTION)
    sampled, _, _ = await answer(backend, replace(QUESTION, temperature=1.5, seed=3))
    stop = sampled[5:8]
    stopped, _, end = await answer(
        backend, replace(QUESTION, temperature=1.5, seed=3, stop=[stop], max_tokens=400)
    )
    assert stopped == sampled[: sampled.index(stop)] and end.finish_reason == "stop"
    one, _, end = await answer(backend, replace(QUESTION, max_tokens=1))
    assert text.startswith(one) and end.finish_reason == "length" and end.completion_tokens == 1
    assert place.calls("salted True") == []
    assert (await answer(backend, replace(QUESTION, cache_prompt=False)))[1] == entries
    assert len(place.calls("salted True")) == 1


async def test_leaving_ends_the_generation_and_frees_the_lora(place):
    lora = place.lora()
    backend = await place.open()
    stream = backend.complete(replace(QUESTION, model=lora, max_tokens=400))
    await anext(stream)
    with pytest.raises(EngineError, match="uses"):
        await backend.delete_model(lora)
    await stream.aclose()
    await backend.delete_model(lora)
    assert place.calls("unload") == [f"unload {lora}"]
    with pytest.raises(EngineError) as caught:
        await answer(backend, of_lora(lora))
    assert caught.value.code == "not_found"


async def test_what_is_loaded_needs_its_folder_no_more(place):
    lora = place.lora()
    backend = await place.open()
    stream = backend.complete(replace(QUESTION, model=lora, max_tokens=40))
    first = await anext(stream)
    folder = place.folder / "data" / "loras" / lora
    folder.rename(folder.with_name("gone"))
    items = [first, *[item async for item in stream]]
    assert isinstance(items[-1], CompletionEnd)


async def test_few_places_serve_many_loras_each_loaded_again_on_demand(place):
    loras = [place.lora(seed=seed) for seed in (1, 2, 3)]
    backend = await place.open(max_loras=2, max_batch_loras=1)
    losses = [await backend.loss(lora, ROWS) for lora in loras]
    assert len({tuple(values) for values, _ in losses}) == 3
    assert [await backend.loss(lora, ROWS) for lora in reversed(loras)] == losses[::-1]
    # never more than two
    loaded: set[str] = set()
    for kind, _, lora in (call.partition(" ") for call in place.calls("")):
        if kind == "load":
            loaded.add(lora)
        if kind == "unload":
            loaded.remove(lora)
        assert len(loaded) <= 2


async def test_a_lora_leaves_only_after_its_requests(place):
    first, second = place.lora(seed=1), place.lora(seed=2)
    backend = await place.open(max_loras=1, max_batch_loras=1)
    stream = backend.complete(replace(QUESTION, model=first, max_tokens=300))
    await anext(stream)
    waiting = asyncio.create_task(backend.loss(second, ROWS))
    items = [item async for item in stream]
    assert isinstance(items[-1], CompletionEnd)
    await waiting
    calls = [line for line in place.calls("") if line.startswith(("load", "unload"))]
    assert calls[-2:] == [f"unload {first}", f"load {second}"]


async def answers_while_loras_load(
    backend: PeftBackend, asked: list[str], loaded: list[str], *, tokens: int = 100
) -> tuple[list[Any], list[Any]]:
    """What the asked loras answer alone, and what they answer at once while others are loaded."""
    requests = [of_lora(lora, max_tokens=tokens, top_logprobs=1) for lora in asked]
    alone = [await answer(backend, request) for request in requests]
    together = [asyncio.create_task(answer(backend, request)) for request in requests]
    for lora in loaded:
        await backend.loss(lora, ROWS[:1])
    assert not any(one.done() for one in together)
    return alone, [await one for one in together]


@pytest.mark.parametrize("slots", ["right", "stale"])
async def test_loading_a_lora_leaves_the_answers_of_others_alone(place, slots):
    loras = [place.lora(seed=seed) for seed in (1, 2, 3)]
    backend = await place.open(max_batch_loras=2, max_loras=3)
    place.faults(slots=slots)
    alone, together = await answers_while_loras_load(backend, loras[:2], loras[2:])
    same = [alike(one[1], other[1]) for one, other in zip(alone, together, strict=True)]
    # vllm-project/vllm issue 47724: another lora's words, no error, no line in a log
    assert all(same) is (slots == "right")


async def test_a_lora_that_is_not_applied_is_never_announced(place):
    backend = await place.open()
    place.faults(load="ignore")
    with pytest.raises(EngineError, match="changes nothing there"):
        await trained(backend, place)
    assert [model["id"] for model in backend.models()] == ["tiny"]
    (lora,) = (path.name for path in (place.folder / "data" / "loras").iterdir())
    assert place.calls("unload") == [f"unload {lora}"]
    # the trained lora is on disk, and the same job takes it up
    place.faults()
    assert await trained(backend, place) == lora
    assert [model["id"] for model in backend.models()] == ["tiny", lora]


async def test_a_lora_without_a_probe_must_change_something(place):
    lora = place.lora()
    (place.folder / "data" / "loras" / lora / PROBE).unlink()
    backend = await place.open()
    place.faults(load="ignore")
    with pytest.raises(EngineError, match="changes nothing there"):
        await answer(backend, of_lora(lora))
    place.faults()
    assert (await answer(backend, of_lora(lora)))[2].completion_tokens > 0


async def test_a_lora_that_cannot_be_loaded_says_why(place):
    lora = place.lora()
    backend = await place.open(max_lora_rank=8)
    with pytest.raises(EngineError, match="rank 16 is more .* ENGINE_VLLM_MAX_LORA_RANK") as caught:
        await trained(backend, place, hyperparameters={"max_steps": 1})
    assert caught.value.code == "invalid_request" and place.calls("sleep") == []
    place.faults(load="fail")
    with pytest.raises(EngineError, match="there is no room for it"):
        await answer(backend, of_lora(lora))
    place.faults(load="ending")
    with pytest.raises(EngineError, match="EngineCore") as caught:
        await answer(backend, of_lora(lora))
    assert caught.value.code == "engine_unavailable"


async def test_while_a_job_trains_requests_are_refused_and_then_served_again(place):
    lora = place.lora()
    backend = await place.open()
    assert (await answer(backend, of_lora(lora)))[2].completion_tokens > 0
    hooks = Hooks()
    stream = backend.complete(replace(QUESTION, max_tokens=60))
    await anext(stream)
    long = job(place.folder / "long", hyperparameters={**SHORT, "max_steps": 4000})
    training = asyncio.create_task(backend.train(long, hooks))
    # what is under way is answered before vLLM sleeps
    assert isinstance([item async for item in stream][-1], CompletionEnd)
    await asyncio.wait_for(hooks.reached.wait(), 60)
    assert place.calls("sleep") == ["sleep 1"]
    for request in (QUESTION, of_lora(lora)):
        with pytest.raises(EngineError, match="upstream") as caught:
            await answer(backend, request)
        assert caught.value.code == "engine_unavailable"
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    assert len(place.calls("wake")) == 1
    # loaded and proved again after the sleep, under a name that is still taken
    assert (await answer(backend, of_lora(lora)))[2].completion_tokens > 0
    assert place.calls("load") == [f"load {lora}"] * 3
    assert place.calls("unload") == [f"unload {lora}"]


@pytest.mark.parametrize("fault", ["sleep", "wake"])
async def test_one_that_does_not_sleep_or_wake_is_started_anew(place, fault):
    backend = await place.open()
    place.faults(**{fault: "fail"})
    async with backend.sharing.training():
        # it has no memory that training could miss
        assert len(place.processes()) == (0 if fault == "sleep" else 1)
    assert await eventually(backend, QUESTION)
    assert len(place.calls("start")) == 2


async def test_one_that_dies_while_it_answers_comes_back_with_its_loras(place):
    lora = place.lora()
    backend = await place.open()
    assert (await answer(backend, of_lora(lora)))[2].completion_tokens > 0
    place.faults(die_after=5)
    with pytest.raises(EngineError) as caught:
        async for _ in backend.complete(replace(QUESTION, model=lora, max_tokens=100)):
            pass
    assert caught.value.code == "engine_unavailable"
    place.faults()
    with pytest.raises(EngineError) as caught:
        await answer(backend, of_lora(lora))
    assert caught.value.code == "engine_unavailable"
    text = await eventually(backend, of_lora(lora))
    calls = place.calls("")
    restarted = len(calls) - calls[::-1].index("start")
    # loaded and proved before it is asked
    assert calls[restarted:][0] == f"load {lora}"
    assert text == (await answer(backend, of_lora(lora)))[0]


async def test_with_the_memory_split_it_answers_and_no_lora_is_lost_when_it_dies(place):
    backend = await place.open(sharing="split")
    hooks = Hooks()
    training = asyncio.create_task(
        backend.train(job(place.folder, hyperparameters={**SHORT, "max_steps": 300}), hooks)
    )
    await asyncio.wait_for(hooks.reached.wait(), 60)
    assert (await answer(backend, QUESTION))[2].completion_tokens == 24
    (pid,) = place.processes()
    os.kill(pid, signal.SIGKILL)
    lora = (await training).model
    assert len(place.calls("start")) == 2 and place.calls("load") == [f"load {lora}"]
    assert place.calls("sleep") == []


async def eventually(backend: PeftBackend, request: ChatRequest, seconds: float = 60) -> str:
    """The answer, as soon as there is one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return (await answer(backend, request))[0]
        except EngineError as error:
            assert error.code == "engine_unavailable" and loop.time() < deadline, error.message
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("fault", "options", "says"),
    [
        ("exit", {}, "No available memory for the cache blocks"),
        ("hang", {"start_seconds": 1.0}, "no answer within 1 s"),
        (None, {"command": ("/no/such/vllm",)}, "/no/such/vllm cannot be run"),
    ],
)
async def test_one_that_does_not_start_says_what_to_do(place, fault, options, says):
    place.faults(start=fault)
    with pytest.raises(EngineError) as caught:
        await place.open(**options)
    assert caught.value.code == "engine_unavailable"
    assert says in caught.value.message and "ENGINE_VLLM_MEMORY" in caught.value.message
    assert place.processes() == []


async def test_closing_leaves_no_process_and_no_socket(place):
    backend = await place.open()
    (pid,) = place.processes()
    socket = next(one for one in _arguments(pid) if one.endswith("/socket"))
    assert Path(socket).parent.stat().st_mode & 0o077 == 0
    await backend.close()
    assert place.processes() == [] and not Path(socket).parent.exists()
    with pytest.raises(EngineError, match="shutting down"):
        await answer(backend, QUESTION)
