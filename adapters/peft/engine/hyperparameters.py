"""Defaults of a training job and its learning rate over time. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from contract.errors import EngineError

MILLION = 1_000_000
DEFAULT_RANK = 16
DEFAULT_ALPHA = 32


@dataclass(frozen=True)
class Hyperparameters:
    """Resolved ones, in the order in which manifests have them."""

    rank: int
    alpha: float
    learning_rate: float
    batch_size: int
    n_epochs: float
    weight_decay: float
    warmup_ratio: float
    schedule_span: tuple[float, float]
    #: optimizer steps of the whole job
    total_steps: int
    max_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "schedule_span": list(self.schedule_span)}


@dataclass(frozen=True)
class JobShape:
    rows: int
    #: parameters of the base model
    parameters: int
    #: rank and alpha of the lora the job starts from, whose shape it keeps
    start: tuple[int, float] | None


def default_learning_rate(parameters: int) -> float:
    """Peak of the learning-rate curve where nobody sets it (src/openai/fine-tuning.ts)."""
    if parameters < 20 * MILLION:
        return 3e-3
    if parameters < 200 * MILLION:
        return 1e-3
    return 2e-4 if parameters < 4000 * MILLION else 1e-4


def resolve_hyperparameters(given: dict[str, Any], shape: JobShape) -> Hyperparameters:
    """Raises EngineError `invalid_request` naming the parameter."""
    values = {name: value for name, value in given.items() if value is not None}
    rank, alpha = shape.start or (DEFAULT_RANK, DEFAULT_ALPHA)
    batch_size = values.get("batch_size", 16)
    # Math.round of the embedded engine rounds halves up
    epochs = values.get("n_epochs", min(10, max(1, math.floor(10_000 / shape.rows + 0.5))))
    _check(_is_count(batch_size), "batch_size", "a positive integer")
    steps = max(1, math.ceil(epochs * math.ceil(shape.rows / batch_size)))
    span = values.get("schedule_span", (0, 1))
    resolved = Hyperparameters(
        rank=values.get("rank", rank),
        alpha=values.get("alpha", alpha),
        learning_rate=values.get("learning_rate", default_learning_rate(shape.parameters)),
        batch_size=batch_size,
        n_epochs=epochs,
        weight_decay=values.get("weight_decay", 0),
        warmup_ratio=values.get("warmup_ratio", 0.05),
        schedule_span=(span[0], span[1]),
        total_steps=values.get("max_steps", steps),
        max_seconds=values.get("max_seconds"),
    )
    _validate(resolved, shape.start)
    return resolved


def _check(holds: bool, param: str, rule: str) -> None:
    if not holds:
        name = f"hyperparameters.{param}"
        raise EngineError("invalid_request", f"{name} must be {rule}", name)


def _is_count(value: Any) -> bool:
    return float(value).is_integer() and value >= 1


def _validate(resolved: Hyperparameters, start: tuple[int, float] | None) -> None:
    from_share, to_share = resolved.schedule_span
    seconds = resolved.max_seconds
    _check(_is_count(resolved.rank), "rank", "a positive integer")
    _check(resolved.alpha > 0, "alpha", "positive")
    if start is not None:
        rank, alpha = start
        _check(resolved.rank == rank, "rank", f"{rank}, as in the lora to start from")
        _check(resolved.alpha == alpha, "alpha", f"{alpha}, as in the lora to start from")
    _check(resolved.learning_rate > 0, "learning_rate", "positive")
    _check(resolved.n_epochs > 0, "n_epochs", "positive")
    _check(_is_count(resolved.total_steps), "max_steps", "a positive integer")
    _check(seconds is None or seconds > 0, "max_seconds", "positive")
    _check(resolved.weight_decay >= 0, "weight_decay", "at least 0")
    _check(0 <= resolved.warmup_ratio <= 1, "warmup_ratio", "from 0 to 1")
    _check(0 <= from_share < to_share <= 1, "schedule_span", "rising within [0, 1]")


def learning_rate_at(progress: float, hyperparameters: Hyperparameters) -> float:
    """
    Half a cosine from the peak to 0 over the whole internalization, of which a job covers
    `schedule_span`; each job warms up linearly on its own.

    `progress` is that of this job, 0 to 1.
    """
    from_share, to_share = hyperparameters.schedule_span
    warmup = hyperparameters.warmup_ratio
    cosine = (1 + math.cos(math.pi * (from_share + (to_share - from_share) * progress))) / 2
    return hyperparameters.learning_rate * cosine * (progress / warmup if progress < warmup else 1)
