"""The backend as the contract sees it: generation, losses, loras, cancellation."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from peft import PeftModel

from contract.backend import ChatRequest, CompletionEnd, Message, TrainInput, TrainProgress
from contract.errors import EngineError
from engine.backend import PeftBackend
from engine.base_model import open_base_model
from engine.lora_model import Placement, label_logits, load_weights
from engine.model_thread import ModelThread
from engine.opening import open_backend
from engine.rendering import student_row
from engine.row_outputs import losses_of_rows
from tiny_model import ROWS, row, write_tiny_model

QUESTION = ChatRequest(
    model="tiny",
    messages=[Message("user", "Which city is it?")],
    max_tokens=24,
    temperature=0,
    top_p=1,
    seed=None,
    stop=[],
    logprobs=True,
    top_logprobs=0,
    json_object=False,
    choice=None,
    cache_prompt=True,
)


class Hooks:
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.reached = asyncio.Event()

    def on_progress(self, progress: TrainProgress) -> None:
        self.steps.append(progress.step)
        self.reached.set()

    def on_message(self, level: str, message: str) -> None:
        pass


def log(level, message, fields=None, **more) -> None:
    LOGGED.append((level, message, fields))


LOGGED: list[tuple] = []


async def opened(folder: Path) -> PeftBackend:
    if not (folder / "tiny").exists():
        write_tiny_model(folder / "tiny")
    return await open_backend(folder / "tiny", folder / "data", log, threads=1)


async def answer(backend: PeftBackend, request: ChatRequest):
    """Text, logprobs entries and end of an answer."""
    text, entries = "", []
    async for item in backend.complete(request):
        if isinstance(item, CompletionEnd):
            return text, entries, item
        text += item.text
        entries += item.logprobs
    raise AssertionError("an answer without an end")


def job(folder: Path, **fields) -> TrainInput:
    usual = {
        "model": "tiny",
        "rows": ROWS,
        "validation_rows": [],
        "method": "supervised",
        "hyperparameters": {"rank": 4, "learning_rate": 2e-2, "batch_size": 5, "max_steps": 60},
        "seed": 0,
        "suffix": None,
        "metadata": {},
        "checkpoint_dir": folder / "job",
    }
    return TrainInput(**{**usual, **fields})


async def test_greedy_answers_repeat_and_are_counted(tmp_path):
    backend = await opened(tmp_path)
    text, entries, end = await answer(backend, QUESTION)
    assert (text, entries, end) == await answer(backend, QUESTION)
    assert end.completion_tokens == len(entries) == 24 and end.finish_reason == "length"
    assert end.prompt_tokens == await backend.count_tokens("tiny", QUESTION.messages)
    assert all(entry["logprob"] <= 0 for entry in entries)
    assert bytes(sum((entry["bytes"] for entry in entries), [])).decode("utf-8", "replace") == text
    await backend.close()


async def test_a_seed_decides_a_sampled_answer(tmp_path):
    backend = await opened(tmp_path)
    sampled = replace(QUESTION, temperature=1.5, top_logprobs=3, seed=4)
    first = await answer(backend, sampled)
    assert first == await answer(backend, sampled)
    assert first[0] != (await answer(backend, replace(sampled, seed=5)))[0]
    assert all(len(entry["top_logprobs"]) == 3 for entry in first[1])
    # log-probabilities are the model's own, so a nucleus or temperature does not change them
    greedy = await answer(backend, replace(QUESTION, top_logprobs=3))
    assert greedy[1][0]["top_logprobs"] == first[1][0]["top_logprobs"]
    await backend.close()


async def test_stop_choice_and_json_shape_the_answer(tmp_path):
    backend = await opened(tmp_path)
    text, _, _ = await answer(backend, QUESTION)
    stop = text[5:8]
    stopped, _, end = await answer(backend, replace(QUESTION, stop=[stop]))
    assert stopped == text[: text.index(stop)] and end.finish_reason == "stop"

    chosen, entries, end = await answer(
        backend, replace(QUESTION, choice=["card", "card_arrival", "cash"], top_logprobs=1)
    )
    assert chosen in ("card", "card_arrival", "cash") and end.finish_reason == "stop"
    assert len(entries) == end.completion_tokens
    for seed in range(3):
        request = replace(QUESTION, json_object=True, temperature=1.0, seed=seed)
        written, _, end = await answer(backend, request)
        assert isinstance(json.loads(written), dict) and end.finish_reason == "stop"
    await backend.close()


async def test_requests_take_turns_and_answer_as_alone(tmp_path):
    backend = await opened(tmp_path)
    requests = [replace(QUESTION, messages=[Message("user", f"Number {n}")]) for n in range(5)]
    alone = [await answer(backend, request) for request in requests]
    together = await asyncio.gather(*(answer(backend, request) for request in requests))
    assert list(together) == alone
    await backend.close()


async def test_leaving_a_stream_stops_its_generation(tmp_path):
    backend = await opened(tmp_path)
    stream = backend.complete(replace(QUESTION, max_tokens=400))
    await anext(stream)
    await stream.aclose()
    text, _, _ = await asyncio.wait_for(answer(backend, QUESTION), 30)
    assert text
    await backend.close()
    with pytest.raises(EngineError, match="shutting down"):
        await answer(backend, QUESTION)


async def test_what_cannot_be_answered_says_why(tmp_path):
    backend = await opened(tmp_path)
    long = replace(QUESTION, messages=[Message("user", "word " * 300)])
    for request, code in [
        (long, "context_length_exceeded"),
        (replace(QUESTION, model="lora-0"), "not_found"),
        (replace(QUESTION, choice=[]), "invalid_request"),
    ]:
        with pytest.raises(EngineError) as caught:
            await answer(backend, request)
        assert caught.value.code == code
    with pytest.raises(EngineError, match="row 1"):
        await backend.validate_training("tiny", [row("word " * 300, "Yes")])
    with pytest.raises(EngineError, match="stays"):
        await backend.delete_model("tiny")
    await backend.close()


async def test_control_tokens_in_messages_are_text(tmp_path):
    backend = await opened(tmp_path)
    plain = await backend.count_tokens("tiny", [Message("user", "a")])
    told = await backend.count_tokens("tiny", [Message("user", "a<|im_end|>")])
    assert told == plain + len("<|im_end|>")
    await backend.close()


async def test_a_trained_lora_answers_loses_less_and_is_deleted(tmp_path):
    backend = await opened(tmp_path)
    before, tokens = await backend.loss("tiny", ROWS)
    result = await backend.train(job(tmp_path), Hooks())
    after, same = await backend.loss(result.model, ROWS)
    assert tokens == same and sum(after) < sum(before) / 4
    assert result.metrics["train_loss"] == pytest.approx(sum(after) / len(after), abs=1.5)
    asked = replace(QUESTION, model=result.model, messages=ROWS[0].messages[:1])
    assert (await answer(backend, asked))[0] == ROWS[0].messages[-1].content
    # the base model is untouched, and switching between them leaves no trace
    base_after, _ = await backend.loss("tiny", ROWS)
    assert base_after == before
    # a lora reads no default system message
    assert await backend.count_tokens(result.model, asked.messages) < await backend.count_tokens(
        "tiny", asked.messages
    )
    assert [model["id"] for model in backend.models()] == ["tiny", result.model]
    await backend.close()

    again = await opened(tmp_path)
    assert await again.loss(result.model, ROWS) == (after, tokens)
    stream = again.complete(asked)
    await anext(stream)
    with pytest.raises(EngineError) as caught:
        await again.delete_model(result.model)
    assert caught.value.code == "conflict"
    await stream.aclose()
    await again.delete_model(result.model)
    assert [model["id"] for model in again.models()] == ["tiny"]
    assert (await again.loss("tiny", ROWS))[0] == before
    await again.close()


async def test_few_slots_serve_many_loras(tmp_path):
    backend = await opened(tmp_path)
    short = {"rank": 4, "learning_rate": 2e-2, "max_steps": 3}
    loras = [
        (await backend.train(job(tmp_path, seed=seed, hyperparameters=short), Hooks())).model
        for seed in range(3)
    ]
    losses = [await backend.loss(lora, ROWS) for lora in loras]
    assert len({tuple(values) for values, _ in losses}) == 3
    await backend.close()
    few = await open_backend(tmp_path / "tiny", tmp_path / "data", log, max_loras=1)
    assert [await few.loss(lora, ROWS) for lora in loras] == losses
    await few.close()


async def test_a_damaged_lora_is_reported_and_not_served(tmp_path):
    backend = await opened(tmp_path)
    short = {"rank": 4, "max_steps": 2}
    lora = (await backend.train(job(tmp_path, hyperparameters=short), Hooks())).model
    await backend.close()
    file = tmp_path / "data" / "loras" / lora / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    LOGGED.clear()
    again = await opened(tmp_path)
    assert [model["id"] for model in again.models()] == ["tiny"]
    assert LOGGED[0][0] == "warn" and LOGGED[0][2]["lora"] == lora
    with pytest.raises(EngineError, match="truncated"):
        await answer(again, replace(QUESTION, model=lora))
    await again.close()


async def test_a_cancelled_job_stops_and_goes_on_from_its_checkpoint(tmp_path):
    backend = await opened(tmp_path)
    long = job(tmp_path, hyperparameters={"rank": 4, "max_steps": 400})
    hooks = Hooks()
    task = asyncio.create_task(backend.train(long, hooks))
    await asyncio.wait_for(hooks.reached.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "job" / "checkpoint.bin").exists()
    resumed = Hooks()
    result = await backend.train(long, resumed)
    assert resumed.steps[0] > 1 and result.metrics["steps"] == 400
    await backend.close()


async def test_work_in_turns_hands_over_errors_and_refuses_too_much():
    thread: ModelThread = ModelThread(max_running=1, max_waiting=1)

    def slow():
        while True:
            yield None

    def broken():
        yield 1
        raise ValueError("broken")

    items = []
    with pytest.raises(ValueError, match="broken"):
        async for item in thread.run(broken()):
            items.append(item)
    assert items == [1]
    running = asyncio.create_task(thread.result(slow()))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(thread.result(slow()))
    await asyncio.sleep(0.1)
    with pytest.raises(EngineError) as caught:
        await thread.result(broken())
    assert caught.value.code == "overloaded"
    await thread.close()
    for task in (running, waiting):
        with pytest.raises(EngineError, match="shutting down"):
            await task


async def test_plain_peft_loads_a_trained_lora(tmp_path):
    backend = await opened(tmp_path)
    result = await backend.train(job(tmp_path), Hooks())
    losses, _ = await backend.loss(result.model, ROWS[:1])
    await backend.close()
    base = open_base_model(tmp_path / "tiny")
    weights = load_weights(base, Placement("cpu", "float32"))
    PeftModel.from_pretrained(weights, tmp_path / "data" / "loras" / result.model)
    packed = [student_row(base.chat, ROWS[0])]
    plain = losses_of_rows(lambda rows: label_logits(weights, rows), packed, 4096)
    assert plain.losses == pytest.approx(losses, abs=1e-6)
