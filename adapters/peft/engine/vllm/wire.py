"""
The part of vLLM's API that the engine uses, as bodies and what is read from answers. Pure. Field
names are those of vLLM 0.33, vllm/entrypoints/openai/completion/protocol.py.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from contract.errors import EngineError
from engine.sampler import SampledToken, TokenChoice
from serve import Generation

#: how `return_tokens_as_token_ids` spells a token
ID_PREFIX = "token_id:"


@dataclass(frozen=True)
class Step:
    """What one event of a stream adds."""

    tokens: list[SampledToken]
    #: `stop` or `length` when nothing follows
    finish_reason: str | None


def completion_body(model: str, request: Generation, end_ids: Sequence[int]) -> dict[str, Any]:
    """
    Tokens in and tokens out: chats are rendered and texts put together here, so that what is served
    is what was trained. Stop texts are looked for here too, and the connection is closed.
    """
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(request.prompt_ids),
        "max_tokens": request.max_tokens,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        # -1 is none to vLLM
        "seed": request.sampling.seed % 2**63,
        "stop_token_ids": list(end_ids),
        "stream": True,
        # of the sampled token, and of so many others
        "logprobs": request.top_logprobs,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
    }
    if request.choices is not None:
        body["structured_outputs"] = {"choice": list(request.choices)}
    elif request.json_object:
        body["structured_outputs"] = {"json_object": True}
    if not request.cache_prompt:
        # nobody else has this salt, so nothing is found and what is kept is found by nobody
        body["cache_salt"] = secrets.token_urlsafe(32)
    return body


def score_body(model: str, ids: Sequence[int]) -> dict[str, Any]:
    """
    For the log-probabilities of given tokens. The last one is generated, with no other choice: a
    prompt may not fill the context, and what is asked of vLLM must generate something.
    """
    return {
        "model": model,
        "prompt": list(ids[:-1]),
        "max_tokens": 1,
        "temperature": 0,
        "allowed_token_ids": [ids[-1]],
        "logprobs": 0,
        "prompt_logprobs": 0,
    }


def read_scores(answer: dict[str, Any], ids: Sequence[int]) -> list[float]:
    """Nats of every token but the first, [len(ids) − 1]. Raises EngineError `internal`."""
    try:
        choice = answer["choices"][0]
        prompt = [
            entry[str(token)]["logprob"]
            for entry, token in zip(choice["prompt_logprobs"][1:], ids[1:-1], strict=True)
        ]
        return [float(value) for value in [*prompt, choice["logprobs"]["token_logprobs"][0]]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise unknown_answer(f"no log-probabilities of the prompt ({error!r})") from error


def read_step(data: str) -> Step | None:
    """An event of a stream; None for one without tokens or an end. Raises EngineError."""
    try:
        event = json.loads(data)
        if "error" in event:
            raise failure(500, event)
        choice = event["choices"][0]
        reason = choice.get("finish_reason")
        tokens = _read_tokens(choice)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise unknown_answer(f"{error!r} in {data[:200]}") from error
    if reason not in (None, "stop", "length"):
        raise EngineError("engine_unavailable", f"vLLM gave the answer up: {reason}; try later")
    return Step(tokens, reason) if tokens or reason is not None else None


def _read_tokens(choice: dict[str, Any]) -> list[SampledToken]:
    ids = choice.get("token_ids") or []
    if not ids:
        return []
    logprobs = choice["logprobs"]
    rows = zip(ids, logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True)
    return [
        SampledToken(token, min(0.0, logprob), _read_top(token, others or {}))
        for token, logprob, others in rows
    ]


def _read_top(token: int, named: dict[str, float]) -> tuple[TokenChoice, ...]:
    """Best first. The sampled token is named too, also where it is none of the best."""
    choices = [
        TokenChoice(int(name.removeprefix(ID_PREFIX)), min(0.0, value))
        for name, value in named.items()
    ]
    # of equal ones the sampled token comes first
    return tuple(sorted(choices, key=lambda one: (-one.logprob, one.token_id != token)))


def unknown_answer(what: str) -> EngineError:
    return EngineError(
        "internal",
        f"vLLM answers otherwise than expected: {what}. The engine was written for vLLM 0.33; "
        "install the group vllm",
    )


def failure(status: int, body: Any) -> EngineError:
    """What vLLM's error means for a request."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    if status == 400:
        return EngineError("invalid_request", f"vLLM refuses the request: {message}")
    if status == 404:
        # it is loaded before it is asked for, so the server is another one than it was then
        return EngineError("engine_unavailable", f"vLLM was started again meanwhile: {message}")
    return EngineError("engine_unavailable", f"vLLM failed: {message}")


async def events_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """
    The data of server-sent events, each on one line. Raises EngineError `engine_unavailable` when
    the stream ends without saying so.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip().decode()
            if data == "[DONE]":
                return
            yield data
    raise EngineError("engine_unavailable", "vLLM ended in the middle of an answer; try again")
