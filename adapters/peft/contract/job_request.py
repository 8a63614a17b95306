"""Which job requests the engine takes. Pure: a parsed body in, a request with defaults out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from contract.errors import EngineError
from contract.validation import STRICT, ModelName, PositiveWhole, Whole, finding, parse_with

MAX_METADATA_PAIRS = 16

Method = Literal["supervised", "self-distillation"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _rising(span: list[float]) -> list[float]:
    if not span[0] < span[1]:
        raise finding("must rise")
    return span


def _method_type(value: Any) -> Any:
    if value not in ("supervised", "self-distillation"):
        raise finding("must be supervised or self-distillation")
    return value


def _suffix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise finding("may have 64 letters, digits, dots, dashes and underscores")
    return value


def _few_pairs(pairs: dict[str, str]) -> dict[str, str]:
    if len(pairs) > MAX_METADATA_PAIRS:
        raise finding(f"may have {MAX_METADATA_PAIRS} pairs")
    return pairs


_Span = Annotated[list[Share], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class Hyperparameters(TypedDict, total=False):
    """Only what the request gives is there."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    rank: PositiveWhole
    alpha: Positive
    learning_rate: Positive
    batch_size: PositiveWhole
    n_epochs: PositiveWhole
    max_steps: PositiveWhole
    max_seconds: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Share
    schedule_span: _Span


class _MethodShape(BaseModel):
    model_config = STRICT
    type: Annotated[Method, BeforeValidator(_method_type)]


_Key = Annotated[str, Field(min_length=1, max_length=64)]
_Value = Annotated[str, Field(max_length=512)]


class _JobShape(BaseModel):
    model_config = STRICT
    model: ModelName
    training_file: Annotated[str, Field(min_length=1)]
    validation_file: Annotated[str, Field(min_length=1)] | None = None
    hyperparameters: Hyperparameters = Field(default_factory=lambda: Hyperparameters())
    method: _MethodShape | None = None
    seed: Whole | None = None
    suffix: Annotated[str, AfterValidator(_suffix)] | None = None
    metadata: Annotated[dict[_Key, _Value], AfterValidator(_few_pairs)] | None = None


_JOB = TypeAdapter(_JobShape)


@dataclass(frozen=True)
class JobRequest:
    """Checked, with defaults."""

    model: str
    training_file: str
    validation_file: str | None
    hyperparameters: dict[str, Any]
    method: Method
    seed: int
    suffix: str | None
    metadata: dict[str, str]


def parse_job_request(body: Any) -> JobRequest:
    """Raises EngineError `invalid_request` naming the parameter."""
    shape = parse_with(_JOB, body)
    return JobRequest(
        model=shape.model,
        training_file=shape.training_file,
        validation_file=shape.validation_file,
        hyperparameters=dict(shape.hyperparameters),
        method=shape.method.type if shape.method else "supervised",
        seed=shape.seed or 0,
        suffix=shape.suffix,
        metadata=shape.metadata or {},
    )


IDEMPOTENCY_KEY = "idempotency_key"
"""The metadata key that makes job creation repeatable."""


def find_by_key(jobs: Iterable[dict[str, Any]], request: JobRequest) -> dict[str, Any] | None:
    """
    The job that a request with the same key has made and that has neither failed nor been
    cancelled.

    Raises EngineError `conflict` when that job is about another model.
    """
    key = request.metadata.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    for job in jobs:
        has_key = job["metadata"].get(IDEMPOTENCY_KEY) == key
        if not has_key or job["status"] in ("failed", "cancelled"):
            continue
        if job["model"] != request.model:
            message = f"{IDEMPOTENCY_KEY} {key} belongs to job {job['id']} on {job['model']}"
            raise EngineError("conflict", message)
        return job
    return None
