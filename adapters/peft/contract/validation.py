"""
What clients send, checked: pydantic's findings as errors that name the parameter at fault, and
the shapes that several routes share.
"""

import json
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from contract.backend import Message, Row
from contract.errors import EngineError

Shape = TypeVar("Shape")

LARGEST_WHOLE = 2**53 - 1
"""JSON numbers beyond are not whole everywhere."""

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def finding(message: str) -> PydanticCustomError:
    """What a validator raises: the message as clients read it."""
    return PydanticCustomError("contract", message)


def _describe(error: ErrorDetails) -> tuple[str, str | None]:
    """`messages.0.role: …`; a field nobody knows is named: ignoring it would change meaning."""
    param = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unsupported field: {param}", param
    return (f"{param}: {error['msg']}", param) if param else (error["msg"], None)


def parse_with(
    adapter: TypeAdapter[Shape], value: Any, where: tuple[str, str] | None = None
) -> Shape:
    """
    The value in the adapter's shape.

    `where`: text put before the message, e.g. a file's name and line, and the parameter to name.
    Raises EngineError `invalid_request` with the first finding and its parameter.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        message, param = _describe(error.errors(include_url=False)[0])
        if where is None:
            raise EngineError("invalid_request", message, param) from error
        raise EngineError("invalid_request", f"{where[0]}: {message}", where[1]) from error


def _well_formed(value: Any) -> Any:
    """Half surrogate pairs, which JSON can escape and UTF-8 cannot hold, become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> int | float:
    """JSON has one kind of number: 5.0 is 5, as every client in JavaScript reads it."""
    value = float(text)
    is_whole = value.is_integer() and abs(value) <= LARGEST_WHOLE
    return int(value) if is_whole else value


def load_json(text: str | bytes) -> Any:
    """Raises ValueError when the text is not JSON in UTF-8; NaN and Infinity are not."""
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(decoded, parse_float=_number, parse_constant=_refuse_constant)
        return _well_formed(value) if "\\ud" in decoded or "\\uD" in decoded else value
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def parse_json(body: bytes) -> Any:
    """Raises EngineError `invalid_request` when the body is not JSON."""
    try:
        return load_json(body)
    except ValueError as error:
        raise EngineError("invalid_request", f"the body is not JSON: {error}") from error


def _part_text(part: Any) -> str:
    if not isinstance(part, dict) or set(part) != {"type", "text"} or part["type"] != "text":
        raise finding('every content part must be {"type": "text", "text": …}')
    if not isinstance(part["text"], str):
        raise finding('every content part must be {"type": "text", "text": …}')
    return part["text"]


def _content_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return "".join(_part_text(part) for part in value)
    raise finding("must be a string or a list of text parts")


ROLES = ("system", "developer", "user", "assistant")


def _role(value: Any) -> str:
    if not isinstance(value, str) or value not in ROLES:
        raise finding("must be system, developer, user or assistant")
    # OpenAI's newer name for `system`; chat templates know the older one
    return "system" if value == "developer" else value


class MessageShape(BaseModel):
    model_config = STRICT
    role: Annotated[str, BeforeValidator(_role)]
    content: Annotated[str, BeforeValidator(_content_text)]

    def message(self) -> Message:
        return Message(self.role, self.content)


def not_empty(items: list) -> list:
    if not items:
        raise finding("must not be empty")
    return items


Messages = Annotated[list[MessageShape], AfterValidator(not_empty)]
ModelName = Annotated[str, Field(min_length=1)]

Whole = Annotated[int, Field(ge=0, le=LARGEST_WHOLE)]
PositiveWhole = Annotated[int, Field(ge=1, le=LARGEST_WHOLE)]


def _with_completion(messages: list[MessageShape]) -> list[MessageShape]:
    if len(messages) < 2:
        raise finding("must hold a prompt and a completion")
    if messages[-1].role != "assistant":
        raise finding("the last message must be the assistant’s completion")
    if messages[-1].content == "":
        raise finding("the completion must not be empty")
    return messages


class RowShape(BaseModel):
    model_config = STRICT
    messages: Annotated[list[MessageShape], AfterValidator(_with_completion)]
    weight: Annotated[float, Field(ge=0)] = 1.0
    teacher_messages: Messages = Field(default_factory=list)

    def row(self) -> Row:
        teacher = [shape.message() for shape in self.teacher_messages]
        return Row([shape.message() for shape in self.messages], self.weight, teacher or None)


_ROW = TypeAdapter(RowShape)


def _parse_line(line: str, where: tuple[str, str]) -> Row:
    try:
        value = load_json(line)
    except ValueError as error:
        raise EngineError("invalid_request", f"{where[0]}: not JSON: {error}", where[1]) from error
    return parse_with(_ROW, value, where).row()


def parse_rows(content: bytes, file_id: str, param: str) -> list[Row]:
    """
    The rows of a JSONL file; blank lines are skipped.

    Raises EngineError `invalid_request` with the number of the first bad line, from 1.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EngineError("invalid_request", f"file {file_id}: not UTF-8", param) from error
    return [
        _parse_line(line, (f"file {file_id}, line {number}", param))
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]
