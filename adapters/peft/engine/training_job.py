"""
What a training job is before its first step: its input checked, its defaults decided, and where it
stands. Computes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract.errors import EngineError
from engine.base_model import BaseModel
from engine.checkpoint import Checkpoint, Counters, load_checkpoint
from engine.hyperparameters import Hyperparameters, JobShape, resolve_hyperparameters
from engine.lora_layout import LoraLayout, create_lora_layout, init_lora
from engine.lora_store import OptimizerState, StoredLora
from engine.rows import TokenizedRow, check_rows, hash_rows, total_label_weight
from engine.seeded_random import derive_seed, seeded_random, shuffled

MAX_VALIDATION_ROWS = 256


@dataclass(frozen=True)
class Start:
    """A lora to go on from, with the optimizer's state where it was kept."""

    lora: StoredLora
    optimizer: OptimizerState | None


@dataclass(frozen=True)
class Job:
    rows: list[TokenizedRow]
    validation_rows: list[TokenizedRow]
    hyperparameters: Hyperparameters
    seed: int
    layout: LoraLayout
    start: Start | None
    data_hash: str
    #: two jobs with the same one compute the same
    identity: str
    checkpoint_dir: Path
    #: validations without a better loss before the job ends; 0 trains to the end
    patience: int = 0


def prepare_job(
    base: BaseModel,
    rows: list[TokenizedRow],
    validation_rows: list[TokenizedRow],
    *,
    given: dict[str, Any],
    seed: int,
    start: Start | None,
    checkpoint_dir: Path,
    placement: str,
    source: str,
    patience: int = 0,
) -> Job:
    """
    `given` are the request's hyperparameters, `placement` says how exactly the model computes,
    `source` stands for what the rows were made of.
    `patience` counts for the last stage alone, and only with rows to validate on.

    Raises EngineError `invalid_request`, `context_length_exceeded`.
    """
    if not rows:
        raise EngineError("invalid_request", "there are no rows to train on")
    check_rows(rows, base.config.max_positions)
    check_rows(validation_rows, base.config.max_positions)
    if total_label_weight(rows) == 0:
        raise EngineError("invalid_request", "all rows to train on have weight 0")
    shape = None if start is None else (start.lora.layout.rank, start.lora.layout.alpha)
    hyperparameters = resolve_hyperparameters(
        given, JobShape(len(rows), base.config.parameters, shape)
    )
    data_hash = hash_rows(rows)
    if hyperparameters.schedule_span[1] < 1 or not validation_rows:
        patience = 0
    return Job(
        rows=rows,
        validation_rows=_some(validation_rows, seed),
        hyperparameters=hyperparameters,
        seed=seed,
        layout=create_lora_layout(base.config, hyperparameters.rank, hyperparameters.alpha),
        start=start,
        data_hash=data_hash,
        identity=_identify(
            [base.fingerprint, hyperparameters.as_dict(), seed, source, placement, patience],
            start,
        ),
        checkpoint_dir=checkpoint_dir,
        patience=patience,
    )


def _some(rows: Sequence[TokenizedRow], seed: int) -> list[TokenizedRow]:
    return shuffled(list(rows), seeded_random(derive_seed(seed, -2)))[:MAX_VALIDATION_ROWS]


def _identify(facts: list[Any], start: Start | None) -> str:
    digest = hashlib.sha256(json.dumps(facts).encode())
    if start is not None:
        digest.update(start.lora.theta.tobytes())
        digest.update(str(start.optimizer.step if start.optimizer else 0).encode())
    return digest.hexdigest()


def initial_state(job: Job) -> tuple[Checkpoint, bool]:
    """From the job's own checkpoint, or from its start; true for the former."""
    saved = load_checkpoint(job.checkpoint_dir, job.identity, job.layout.length)
    if saved is not None:
        return saved, True
    if job.start is None:
        theta = init_lora(job.layout, seeded_random(derive_seed(job.seed, -1)))
    else:
        theta = job.start.lora.theta
    kept = job.start.optimizer if job.start else None
    fresh = OptimizerState(0, np.zeros_like(theta), np.zeros_like(theta))
    return Checkpoint(Counters(), theta, kept or fresh), False
