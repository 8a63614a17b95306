"""`POST /v1/chat/completions`, streaming or not."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.backend import Backend, ChatRequest, CompletionEnd, TokenDelta
from contract.chat_request import ParsedChat, parse_chat_request
from contract.chat_response import (
    Answer,
    Begun,
    Generation,
    chunks,
    collect,
    completion_body,
    endless,
)
from contract.connection import EventStream, while_connected
from contract.deps import AppDeps
from contract.error_body import error_body, to_engine_error
from contract.errors import EngineError
from contract.validation import parse_json


class Admission:
    """The backend's `complete` for at most `max_active` requests at a time."""

    def __init__(self, backend: Backend, max_active: int) -> None:
        self._backend = backend
        self._max_active = max_active
        self._active = 0

    async def complete(self, request: ChatRequest) -> AsyncIterator[TokenDelta | CompletionEnd]:
        """Raises EngineError `overloaded`, and what the backend raises."""
        if self._active >= self._max_active:
            message = f"{self._max_active} completions are running already"
            raise EngineError("overloaded", message)
        self._active += 1
        try:
            async with aclosing(self._backend.complete(request)) as generation:
                async for item in generation:
                    yield item
        finally:
            self._active -= 1


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


async def _whole(generation: Generation) -> Answer:
    async with aclosing(generation):
        return await collect(generation)


def _head(deps: AppDeps, model: str) -> dict[str, Any]:
    fingerprint = deps.backend.fingerprint(model)
    head = {"id": f"chatcmpl-{deps.new_id()}", "created": int(deps.now()), "model": model}
    return head if fingerprint is None else {**head, "system_fingerprint": fingerprint}


async def _begin(deps: AppDeps, parsed: ParsedChat, generation: Generation) -> Begun:
    """The first token decides between an error status and a stream."""
    try:
        first = await anext(generation)
    except StopAsyncIteration:
        raise endless() from None
    prompt_tokens = None
    if parsed.usage == "every chunk":
        request = parsed.request
        prompt_tokens = await deps.backend.count_tokens(request.model, request.messages)
    return Begun(first, generation, prompt_tokens)


async def _events(
    deps: AppDeps, head: dict[str, Any], parsed: ParsedChat, generation: Generation
) -> AsyncGenerator[str, None]:
    async with aclosing(generation):
        begun = await _begin(deps, parsed, generation)
        try:
            async for chunk in chunks(head, parsed, begun):
                yield _json(chunk)
            yield "[DONE]"
        except Exception as thrown:
            error = to_engine_error(thrown)
            deps.log("error", "generation failed after its first token", {"error": error.message})
            # no [DONE] follows: a client must not take this for an end
            yield _json(error_body(error))


def chat_routes(deps: AppDeps) -> list[Route]:
    admission = Admission(deps.backend, deps.limits.max_completions)

    async def chat(request: Request) -> Response:
        parsed = parse_chat_request(parse_json(await request.body()))
        head = _head(deps, parsed.request.model)
        generation = admission.complete(parsed.request)
        if parsed.stream:
            return EventStream(_events(deps, head, parsed, generation))
        answer = await while_connected(request.receive, _whole(generation))
        return JSONResponse(completion_body(head, answer, parsed.request.logprobs))

    return [Route("/v1/chat/completions", chat, methods=["POST"])]
