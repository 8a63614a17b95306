"""Streamed chat completions, so many at a time, and how long each took."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from gpu.server import Engine

TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Answer:
    first_token_seconds: float
    seconds: float
    tokens: int


@dataclass
class Load:
    """What one run of requests gave."""

    #: from the first request to the last answer
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    #: reasons of those that failed
    failures: list[str] = field(default_factory=list)


def run_load(engine: Engine, bodies: Sequence[dict], concurrency: int) -> Load:
    """`bodies` of chat completions, each asked once, in order, `concurrency` at a time."""
    return asyncio.run(_run(engine, bodies, concurrency))


async def _run(engine: Engine, bodies: Sequence[dict], concurrency: int) -> Load:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    load, waiting = Load(), iter(bodies)
    async with httpx.AsyncClient(
        base_url=engine.base_url,
        headers=engine.headers,
        limits=limits,
        timeout=TIMEOUT_SECONDS,
        # the engine is on this machine, whatever proxy the environment names
        trust_env=False,
    ) as client:

        async def lane() -> None:
            for body in waiting:
                try:
                    load.answers.append(await _ask(client, body))
                except (httpx.HTTPError, AnswerFailed) as error:
                    load.failures.append(repr(error))

        started = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(concurrency)))
        load.seconds = time.perf_counter() - started
    return load


class AnswerFailed(Exception):
    """With the reason."""


async def _ask(client: httpx.AsyncClient, body: dict) -> Answer:
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    started, first, tokens, done = time.perf_counter(), None, 0, False
    async with client.stream("POST", "/chat/completions", json=asked) as response:
        if response.is_error:
            raise AnswerFailed(f"{response.status_code} {(await response.aread()).decode()}")
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                done = True
                break
            chunk = json.loads(line.removeprefix("data: "))
            if first is None and _says_something(chunk):
                first = time.perf_counter() - started
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    if not done:
        raise AnswerFailed("the stream broke off")
    seconds = time.perf_counter() - started
    # an answer of the end token alone has no text
    return Answer(first if first is not None else seconds, seconds, tokens)


def _says_something(chunk: dict) -> bool:
    choices = chunk.get("choices") or [{}]
    choice = choices[0]
    logprobs = (choice.get("logprobs") or {}).get("content")
    return bool(choice.get("delta", {}).get("content") or logprobs)
