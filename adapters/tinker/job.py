"""
One job at the provider: what it is told, what it has answered, and where it stands. The record in
the job's folder names what lies at the provider, so that a job goes on where it was and pays for
nothing twice but the steps since its last checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import shared  # noqa: F401
import tinker
from disk import replace_durably
from errors import TrainingError
from rows import Row
from schedule import Counters
from task import Task

RECORD = "tinker.json"


@dataclass(frozen=True)
class TinkerTask(Task):
    """`model_path` is the base model's name at the provider, `start` a record or ''."""

    rank: int = 16
    #: how long the provider keeps what a job needs only while it runs
    state_days: float = 7.0

    @property
    def state_seconds(self) -> int:
        return int(self.state_days * 86_400)


@dataclass
class Record:
    """What a job has at the provider; beside the finished lora, what it is served by."""

    identity: str = ""
    counters: Counters = field(default_factory=Counters)
    #: weights with optimizer, of `counters.step`
    state: str | None = None
    #: what is served
    weights: str | None = None
    #: log-probabilities of the probes' completions without the lora
    base_nats: list[float] = field(default_factory=list)
    probe_nats: list[float] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Raises TrainingError `store-unavailable`."""
        replace_durably(folder / RECORD, json.dumps(asdict(self)).encode())


def read_record(path: Path) -> Record | None:
    """None when it is not there, or damaged."""
    try:
        fields = json.loads(path.read_text("utf-8"))
        return Record(**{**fields, "counters": Counters(**fields["counters"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def datum(row: Row, weight_sum: float) -> Any:
    """
    One row as the provider learns it: its loss is the sum of weight times nats, and a batch's
    weights have the sum 1. Of a taught row the tokens that the teacher names, [tokens, width],
    each weighted by its probability.
    """
    ids = row.prompt_ids + row.completion_ids
    before = len(row.prompt_ids) - 1
    share = row.weight / weight_sum if weight_sum else 0.0
    if row.targets is None:
        targets = np.array(ids[1:], dtype=np.int64)
        weights = np.full(len(targets), share, dtype=np.float32)
    else:
        width = row.targets.ids.shape[1]
        targets = np.zeros((len(ids) - 1, width), dtype=np.int64)
        targets[before:] = row.targets.ids
        weights = np.zeros(targets.shape, dtype=np.float32)
        weights[before:] = row.targets.probabilities * share
    weights[:before] = 0
    return tinker.Datum(
        model_input=tinker.ModelInput.from_ints(ids[:-1]),
        loss_fn_inputs={
            "target_tokens": tinker.TensorData.from_numpy(targets),
            "weights": tinker.TensorData.from_numpy(weights),
        },
    )


def completion_nats(output: Any, rows: Sequence[Row]) -> list[np.ndarray]:
    """
    Log-probabilities of each row's completion, [tokens] or of a taught row [tokens, width].

    Raises TrainingError `internal` for an answer of another form: what belongs to other tokens is
    no loss of these rows.
    """
    outputs = output.loss_fn_outputs
    if len(outputs) != len(rows):
        raise unexpected(f"{len(outputs)} outputs for {len(rows)} rows")
    nats = []
    for one, row in zip(outputs, rows, strict=True):
        width = () if row.targets is None else (row.targets.ids.shape[1],)
        values = np.asarray(one["logprobs"].data, dtype=np.float64)
        shape = (row.length - 1, *width)
        if values.size != math.prod(shape):
            raise unexpected(f"{values.size} log-probabilities for {row.length - 1} tokens")
        own = values.reshape(shape)[len(row.prompt_ids) - 1 :]
        if not np.isfinite(own).all() or (own > 1e-3).any():
            raise unexpected("log-probabilities that are none")
        nats.append(own)
    return nats


def batch_loss(nats: Sequence[np.ndarray], rows: Sequence[Row], weight_sum: float) -> float:
    """The loss as the trainer reports it: weighted nats of each completion token."""
    total = 0.0
    for values, row in zip(nats, rows, strict=True):
        shares = 1.0 if row.targets is None else row.targets.probabilities
        total -= row.weight * float((values * shares).sum())
    return total / weight_sum if weight_sum else 0.0


def unexpected(what: str) -> TrainingError:
    return TrainingError("internal", f"the provider answers in an unexpected form: {what}")
