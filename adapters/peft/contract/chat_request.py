"""
Which chat requests the engine takes. Pure: a parsed body in, a request out that backends need not
check again. A parameter that would change the answer and is not supported is an error, never
ignored.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter

from contract.backend import ChatRequest
from contract.errors import EngineError
from contract.validation import (
    LARGEST_WHOLE,
    STRICT,
    Messages,
    ModelName,
    PositiveWhole,
    finding,
    parse_with,
)

MAX_CHOICES = 1024
MAX_FUNCTIONS = 1024
MAX_STOPS = 4
MAX_TOP_LOGPROBS = 20


def _only(allowed: list[Any], message: str) -> AfterValidator:
    """For a parameter that may only say what its absence says."""

    def check(value: Any) -> Any:
        is_allowed = any(
            value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed
        )
        if value is not None and not is_allowed:
            raise finding(message)
        return value

    return AfterValidator(check)


def _stop_texts(value: Any) -> Any:
    texts = [value] if isinstance(value, str) else value
    is_list = isinstance(texts, list) and len(texts) <= MAX_STOPS
    if not is_list or not all(isinstance(text, str) and text for text in texts):
        raise finding(f"must be a text or up to {MAX_STOPS} texts, none empty")
    return texts


WholeNumber = Annotated[int, Field(ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
Choice = Annotated[str, Field(min_length=1)]


class StreamOptions(BaseModel):
    model_config = STRICT
    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: bool = False


def _format_type(value: Any) -> Any:
    if value not in ("text", "json_object"):
        raise finding("must be text or json_object")
    return value


class ResponseFormat(BaseModel):
    model_config = STRICT
    type: Annotated[str, BeforeValidator(_format_type)]


class BoundFunction(BaseModel):
    model_config = STRICT
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    parameters: Any = None


class BoundCalls(BaseModel):
    """Accepted and dropped: this engine does not bind a generation to schemas."""

    model_config = STRICT
    functions: Annotated[list[BoundFunction], Field(max_length=MAX_FUNCTIONS)]
    required: bool
    parallel: bool


class StructuredOutputs(BaseModel):
    model_config = STRICT
    choice: Annotated[list[Choice], Field(min_length=1, max_length=MAX_CHOICES)] | None = None
    calls: BoundCalls | None = None


class _Ignored(BaseModel):
    """Parameters that do not change the answer: accepted and dropped."""

    model_config = STRICT
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    parallel_tool_calls: Any = None


class _Neutral(_Ignored):
    n: Annotated[Any, _only([1], "only n = 1 is supported")] = None
    frequency_penalty: Annotated[Any, _only([0], "only 0 is supported")] = None
    presence_penalty: Annotated[Any, _only([0], "only 0 is supported")] = None
    logit_bias: Annotated[Any, _only([{}], "is not supported")] = None
    tools: Annotated[Any, _only([[]], "are not supported")] = None
    tool_choice: Annotated[Any, _only(["none", "auto"], "tools are not supported")] = None
    modalities: Annotated[Any, _only([["text"]], "only text is supported")] = None


class _ChatShape(_Neutral):
    model: ModelName
    messages: Messages
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: PositiveWhole | None = None
    max_completion_tokens: PositiveWhole | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: WholeNumber | None = None
    stop: Annotated[list[str], BeforeValidator(_stop_texts)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    response_format: ResponseFormat | None = None
    cache_prompt: bool | None = None
    structured_outputs: StructuredOutputs | None = None


_CHAT = TypeAdapter(_ChatShape)


@dataclass(frozen=True)
class ParsedChat:
    """What the backend is asked, and how its answer is sent."""

    request: ChatRequest
    stream: bool
    usage: Literal["none", "end", "every chunk"]


def _check_together(shape: _ChatShape) -> None:
    """Parameters that need or exclude one another."""
    if shape.top_logprobs and not shape.logprobs:
        raise EngineError("invalid_request", "top_logprobs: needs logprobs: true", "top_logprobs")
    if shape.stream_options and not shape.stream:
        raise EngineError("invalid_request", "stream_options: needs stream: true", "stream_options")
    outputs = shape.structured_outputs
    if outputs and (outputs.choice is None) == (outputs.calls is None):
        message = "structured_outputs: must be either choice or calls"
        raise EngineError("invalid_request", message, "structured_outputs")
    is_json = shape.response_format is not None and shape.response_format.type != "text"
    if outputs and is_json:
        message = "structured_outputs: cannot be combined with a response format"
        raise EngineError("invalid_request", message, "structured_outputs")


def _usage(options: StreamOptions | None) -> Literal["none", "end", "every chunk"]:
    if options is None or not options.include_usage:
        return "none"
    return "every chunk" if options.continuous_usage_stats else "end"


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def parse_chat_request(body: Any) -> ParsedChat:
    """
    A checked request in one spelling: content parts joined to text, `developer` as `system`, one
    `max_tokens`, `stop` as a list, defaults filled in.

    Raises EngineError `invalid_request` naming the parameter.
    """
    shape = parse_with(_CHAT, body)
    _check_together(shape)
    request = ChatRequest(
        model=shape.model,
        messages=[message.message() for message in shape.messages],
        max_tokens=_or(shape.max_completion_tokens, shape.max_tokens),
        temperature=_or(shape.temperature, 0.0),
        top_p=_or(shape.top_p, 1.0),
        seed=shape.seed,
        stop=shape.stop or [],
        logprobs=shape.logprobs is True,
        top_logprobs=shape.top_logprobs or 0,
        json_object=shape.response_format is not None
        and shape.response_format.type == "json_object",
        choice=shape.structured_outputs.choice if shape.structured_outputs else None,
        cache_prompt=shape.cache_prompt is not False,
    )
    return ParsedChat(request, shape.stream is True, _usage(shape.stream_options))
