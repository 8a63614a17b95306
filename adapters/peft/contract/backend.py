"""
What the model side implements; `app.py` puts the HTTP contract on top of it and `jobs.py` the
queue. Knows nothing of HTTP, files or job records.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class TokenDelta:
    """What one step of a generation adds."""

    text: str
    """'' while a character's bytes are incomplete"""
    logprobs: list[dict]
    """OpenAI's entries: token, logprob, bytes, top_logprobs"""


@dataclass(frozen=True)
class CompletionEnd:
    """The last item of a generation."""

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Message:
    """`developer` is `system` already, content parts are joined."""

    role: str
    content: str


@dataclass(frozen=True)
class Row:
    """A training row: its last message is the completion, and only that carries loss."""

    messages: list[Message]
    weight: float = 1.0
    teacher_messages: list[Message] | None = None


@dataclass(frozen=True)
class TrainInput:
    """One stage of training."""

    model: str
    """base model or lora to start from"""
    rows: list[Row]
    validation_rows: list[Row]
    method: Literal["supervised", "self-distillation"]
    hyperparameters: dict[str, Any]
    """the contract's names; only what the request gave"""
    seed: int
    suffix: str | None
    metadata: dict[str, str]
    checkpoint_dir: Path
    """folder of this job's checkpoints; a restarted job finds what it left there"""


@dataclass(frozen=True)
class TrainProgress:
    """Where training is after an optimizer step."""

    step: int
    total_steps: int
    tokens_per_second: float
    train_loss: float
    valid_loss: float | None
    eta_seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What training made and what it took."""

    model: str
    """the new lora's id: a hash of weights and manifest"""
    trained_tokens: int
    metrics: dict[str, float | int | None]
    """steps, seconds, tokens_per_second, train_loss, valid_loss, peak_memory_bytes"""


class TrainHooks(Protocol):
    """May be called from any thread."""

    def on_progress(self, progress: TrainProgress) -> None: ...

    def on_message(self, level: Literal["info", "warn"], message: str) -> None: ...


@dataclass(frozen=True)
class ChatRequest:
    """Checked and in one spelling; nothing is None that has a default."""

    model: str
    messages: list[Message]
    max_tokens: int | None
    temperature: float
    """0 is greedy"""
    top_p: float
    seed: int | None
    stop: list[str]
    logprobs: bool
    top_logprobs: int
    json_object: bool
    choice: list[str] | None
    cache_prompt: bool


class Backend(Protocol):
    """Errors are EngineErrors; `not_found` for an unknown model in every method."""

    def models(self) -> list[dict]:
        """The contract's model objects, the base model's first."""

    def fingerprint(self, model: str) -> str | None:
        """The model's `fingerprint`; None where it has none. Asked with every completion."""

    async def validate_training(self, model: str, rows: list[Row]) -> None:
        """
        Raises what would make a job fail: a row over the context, a lora of another base.

        Raises EngineError `invalid_request`, `context_length_exceeded`, `not_found`.
        """

    async def train(self, job: TrainInput, hooks: TrainHooks) -> TrainResult:
        """Trains from the checkpoint when there is one. Cancelling the task stops it after one."""

    def complete(self, request: ChatRequest) -> AsyncIterator[TokenDelta | CompletionEnd]:
        """The last item is the CompletionEnd; `aclose()` and cancelling stop the generation."""

    async def loss(self, model: str, rows: list[Row]) -> tuple[list[float], list[int]]:
        """Mean nats per completion token of every row, and those tokens."""

    async def count_tokens(self, model: str, prompt: str | list[Message]) -> int:
        """Messages as a completion reads them, or a bare text without markers."""

    async def delete_model(self, model: str) -> None:
        """Raises EngineError `conflict` while requests use it."""

    async def close(self) -> None:
        """Frees the model."""
