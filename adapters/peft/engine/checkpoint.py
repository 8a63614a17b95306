"""What a training job needs to go on after its process died."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from engine.best_weights import BestWeights
from engine.lora_store import OptimizerState
from engine.state_file import StateFile, read_state_file, write_state_file

FILE = "checkpoint.bin"


@dataclass
class Counters:
    """Where a job stands; seconds are of all its runs together."""

    #: optimizer steps done
    step: int = 0
    elapsed_seconds: float = 0.0
    #: spent in steps, without validation
    step_seconds: float = 0.0
    tokens: int = 0
    recent_losses: list[float] = field(default_factory=list)
    valid_loss: float | None = None
    validations: int = 0
    #: ended before its last step, because the validation loss fell no more
    ended_early: bool = False


@dataclass(frozen=True)
class Checkpoint:
    counters: Counters
    theta: np.ndarray
    optimizer: OptimizerState
    #: None where the last weights are the result whatever their loss
    best: BestWeights | None = None


def save_checkpoint(folder: Path, identity: str, checkpoint: Checkpoint) -> None:
    """
    `identity` is what makes two jobs the same.

    Raises EngineError `store_unavailable`; an older checkpoint stays.
    """
    optimizer = checkpoint.optimizer
    header = {
        "identity": identity,
        "counters": asdict(checkpoint.counters),
        "optimizerStep": optimizer.step,
    }
    vectors = [checkpoint.theta, optimizer.m, optimizer.v]
    best = checkpoint.best
    if best is not None:
        header["best"] = {"loss": best.loss, "step": best.step, "misses": best.misses}
        vectors.append(best.theta)
    write_state_file(folder / FILE, StateFile(header, vectors))


def load_checkpoint(folder: Path, identity: str, length: int) -> Checkpoint | None:
    """None when there is none, or none of this job."""
    state = read_state_file(folder / FILE)
    if state is None or state.header.get("identity") != identity:
        return None
    known = state.header.get("best")
    if [len(vector) for vector in state.vectors] != [length] * (3 if known is None else 4):
        return None
    theta, m, v, *thetas = state.vectors
    optimizer = OptimizerState(state.header["optimizerStep"], m, v)
    best = None if known is None else BestWeights(theta=thetas[0], **known)
    return Checkpoint(Counters(**state.header["counters"]), theta, optimizer, best)
