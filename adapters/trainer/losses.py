"""
Losses at completion tokens. A row's tokens are learned as themselves or as what a teacher says; in
the latter case all tokens that the teacher does not name are taken together as one, because leaving
them out would teach a lora to be surer than its teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import log_softmax

from rows import Row

#: what is left of 1 is known to float32 to seven digits; its logarithm stays finite
LEAST_REST = 1e-6


def label_losses(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """
    Nats of every completion token, row by row: [labels].

    `logits` [labels, vocabulary], any float type. Rows have targets all or none.
    """
    if rows[0].targets is None:
        return CrossEntropy.apply(logits, completion_ids(rows, logits.device))
    ids, probabilities = soft_targets(rows, logits.device)
    return bucket_cross_entropy(logits.float(), ids, probabilities)


class CrossEntropy(torch.autograd.Function):
    """
    Nats of `ids` [labels], computed in float32 from `logits` of any float type. torch's own keeps
    four such copies of the logits at a time and moves 36 bytes of each; this one keeps one, moves
    28, and has one gradient, because it is made in place.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        ids = ids[:, None]
        log_shares = log_softmax(logits.float(), dim=1)
        ctx.save_for_backward(log_shares, ids)
        ctx.dtype = logits.dtype
        return -log_shares.gather(1, ids)[:, 0]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        log_shares, ids = ctx.saved_tensors
        shares = log_shares.exp_()
        shares.scatter_(1, ids, shares.gather(1, ids) - 1)
        at_logits = torch.empty_like(shares, dtype=ctx.dtype)
        return torch.mul(shares, gradient[:, None], out=at_logits), None


def bucket_cross_entropy(
    logits: torch.Tensor, ids: torch.Tensor, probabilities: torch.Tensor
) -> torch.Tensor:
    """
    Cross-entropy with the named tokens' probabilities and one bucket for all others: [labels].
    It differs from the Kullback-Leibler divergence by the targets' entropy, a constant.

    `ids`, `probabilities` [labels, width].
    """
    named = log_softmax(logits, dim=1).gather(1, ids)
    left = 1 - named.exp().sum(1)
    # the value is held at its least while its gradient stays alive
    rest = left + (left.clamp(min=LEAST_REST) - left).detach()
    target_rest = (1 - probabilities.sum(1)).clamp(min=0)
    return -(named * probabilities).sum(1) - rest.log() * target_rest


def completion_ids(rows: Sequence[Row], device: torch.device) -> torch.Tensor:
    """The rows' completion tokens one after the other: [labels]."""
    return torch.tensor([token for row in rows for token in row.completion_ids], device=device)


def soft_targets(rows: Sequence[Row], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and probabilities, [labels, width] each; every row has targets of one width."""
    targets = [row.targets for row in rows if row.targets is not None]
    ids = torch.cat([torch.as_tensor(target.ids, dtype=torch.long) for target in targets])
    shares = torch.cat([torch.as_tensor(target.probabilities) for target in targets])
    return ids.to(device), shares.float().to(device)


def label_weights(rows: Sequence[Row], weight_sum: float, device: torch.device) -> torch.Tensor:
    """What each completion token's nats count in the loss: [labels]."""
    weights = [
        row.weight / weight_sum if weight_sum else 0.0 for row in rows for _ in row.completion_ids
    ]
    return torch.tensor(weights, device=device)
