"""Chat completions and chunks from what a backend generates. Pure but for what it reads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from contract.backend import CompletionEnd, TokenDelta
from contract.chat_request import ParsedChat
from contract.errors import EngineError

Generation = AsyncIterator[TokenDelta | CompletionEnd]


@dataclass
class Answer:
    """A generation read to its end."""

    end: CompletionEnd
    texts: list[str] = field(default_factory=list)
    logprobs: list[dict] = field(default_factory=list)


def endless() -> EngineError:
    return EngineError("internal", "the generation stopped without an end")


def usage_body(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _end_usage(end: CompletionEnd) -> dict[str, int]:
    return usage_body(end.prompt_tokens, end.completion_tokens)


async def collect(generation: Generation) -> Answer:
    """Reads a generation to its end. Raises what the backend raises."""
    texts: list[str] = []
    logprobs: list[dict] = []
    async for item in generation:
        if isinstance(item, CompletionEnd):
            return Answer(item, texts, logprobs)
        texts.append(item.text)
        logprobs.extend(item.logprobs)
    raise endless()


def _logprobs_body(entries: list[dict] | None) -> dict[str, Any] | None:
    return None if entries is None else {"content": entries}


def completion_body(head: dict[str, Any], answer: Answer, with_logprobs: bool) -> dict[str, Any]:
    """`head`: id, created, model and system_fingerprint, which all chunks of an answer share."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(answer.texts)},
        "logprobs": _logprobs_body(answer.logprobs if with_logprobs else None),
        "finish_reason": answer.end.finish_reason,
    }
    usage = _end_usage(answer.end)
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


def _chunk(
    head: dict[str, Any],
    delta: dict[str, Any],
    logprobs: list[dict] | None = None,
    finish_reason: str | None = None,
) -> dict[str, Any]:
    choice = {
        "index": 0,
        "delta": delta,
        "logprobs": _logprobs_body(logprobs),
        "finish_reason": finish_reason,
    }
    return {**head, "object": "chat.completion.chunk", "choices": [choice]}


@dataclass(frozen=True)
class Begun:
    """A generation whose first item is taken already."""

    first: TokenDelta | CompletionEnd
    rest: Generation
    prompt_tokens: int | None
    """what it reads, where every chunk says what was used so far; else None"""


async def _items(begun: Begun) -> Generation:
    yield begun.first
    if isinstance(begun.first, CompletionEnd):
        return
    async for item in begun.rest:
        yield item
        if isinstance(item, CompletionEnd):
            return
    raise endless()


async def chunks(
    head: dict[str, Any], parsed: ParsedChat, begun: Begun
) -> AsyncIterator[dict[str, Any]]:
    """A streamed answer: role, text as it comes, finish reason, usage when asked for."""
    with_logprobs = parsed.request.logprobs
    counted = 0

    def so_far(completion_tokens: int) -> dict[str, Any]:
        if begun.prompt_tokens is None:
            return {}
        return {"usage": usage_body(begun.prompt_tokens, completion_tokens)}

    yield {**_chunk(head, {"role": "assistant", "content": ""}), **so_far(0)}
    async for item in _items(begun):
        if isinstance(item, CompletionEnd):
            finish = _chunk(head, {}, finish_reason=item.finish_reason)
            yield {**finish, **so_far(item.completion_tokens)}
            if parsed.usage != "none":
                yield {**_chunk(head, {}), "choices": [], "usage": _end_usage(item)}
            return
        counted += len(item.logprobs)
        if item.text or with_logprobs:
            entries = item.logprobs if with_logprobs else None
            yield {**_chunk(head, {"content": item.text}, entries), **so_far(counted)}
