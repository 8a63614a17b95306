"""
Muon (K. Jordan et al., 2024) in float32: torch.optim.Muon orthogonalizes in bfloat16, which takes
three times as long on processors that have no arithmetic for it, and one matrix at a time.
"""
from collections import defaultdict

import torch
from torch import Tensor

# the quintic of Jordan et al., whose five steps bring all singular values near 1
A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5


def orthogonalized(gradients: Tensor) -> Tensor:
    """[n, rows, columns] → the nearest matrices, about, whose singular values are all 1."""
    tall = gradients.shape[1] > gradients.shape[2]
    x = gradients.mT if tall else gradients
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = A * x + (B * square + C * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For matrices alone. Nesterov momentum; a step is longer in matrices that are taller than wide."""

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                alike[matrix.shape].append(matrix)
            for (rows, columns), matrices in alike.items():
                momentum = group["momentum"]
                ahead = []
                for matrix in matrices:
                    state = self.state[matrix]
                    if not state:
                        state["momentum_buffer"] = torch.zeros_like(matrix)
                    buffer = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                    ahead.append(matrix.grad.lerp(buffer, momentum))
                rate = group["lr"] * max(1, rows / columns) ** 0.5
                for matrix, update in zip(matrices, orthogonalized(torch.stack(ahead))):
                    matrix.add_(update, alpha=-rate)
