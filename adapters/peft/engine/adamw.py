"""AdamW over one flat vector (Loshchilov and Hutter 2019, algorithm 2), with gradient clipping."""

from __future__ import annotations

from dataclasses import dataclass

import torch

BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8
#: the gradient is scaled down to this L2 norm
CLIP_NORM = 1.0


@dataclass
class AdamW:
    """State of the optimizer; moments are as long as the parameters, float32."""

    step: int
    m: torch.Tensor
    v: torch.Tensor


@torch.no_grad()
def adamw_step(
    theta: torch.Tensor,
    gradient: torch.Tensor,
    state: AdamW,
    *,
    learning_rate: float,
    weight_decay: float,
) -> float:
    """
    One step in place, on `theta` and on the state; `gradient` is scaled. Gives the gradient's norm
    before clipping; not finite means that nothing was changed.
    """
    norm = float(torch.linalg.vector_norm(gradient, dtype=torch.float64))
    if norm != norm or norm == float("inf"):
        return norm
    if norm > CLIP_NORM:
        gradient.mul_(CLIP_NORM / norm)
    state.step += 1
    state.m.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
    state.v.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    scale = (state.v / (1 - BETA2**state.step)).sqrt_().add_(EPSILON)
    theta.mul_(1 - learning_rate * weight_decay)
    theta.addcdiv_(state.m, scale, value=-learning_rate / (1 - BETA1**state.step))
    return norm
