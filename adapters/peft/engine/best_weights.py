"""
Which weights of a training had the lowest validation loss, and when it has had none for too long.
Pure.

Only for a job whose learning rate ends with it: the weights in the middle of a curve are no end,
and a next stage goes on from the last ones with the same optimizer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class BestWeights:
    #: validation loss, nats per completion token
    loss: float
    #: optimizer steps that made them
    step: int
    #: the lora's flat vector, float32
    theta: np.ndarray
    #: validations since then
    misses: int = 0


def after_validation(
    best: BestWeights | None, loss: float, step: int, theta: np.ndarray
) -> BestWeights:
    """The best weights when those of `step` have been validated as well."""
    if best is None or loss < best.loss:
        return BestWeights(loss, step, theta)
    # the same weights again, because a restart validates where it stands
    return best if step == best.step else replace(best, misses=best.misses + 1)
