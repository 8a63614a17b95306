"""
What a model says of rows, without gradients: their losses, and the most probable tokens. Rows that
begin alike are computed with their prefix once. Knows nothing of jobs or of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch

from losses import label_losses
from packing import PackedRows, pack_rows, split_rows
from rows import Row, SoftTargets, group_by_prefix
from token_budget import TokenBudget

#: a packed batch to what the model says at its completion tokens, [labels, vocabulary]
LabelLogits = Callable[[PackedRows], torch.Tensor]


def parts_of(rows: Sequence[Row], max_tokens: int) -> list[list[int]]:
    """Row numbers of what is computed together."""
    parts: list[list[int]] = []
    for group in group_by_prefix(rows):
        # equally long rows together: padding costs attention
        order = sorted(group, key=lambda row: rows[row].length)
        cut = split_rows([rows[number] for number in order], max_tokens)
        start = 0
        for part in cut:
            parts.append(order[start : start + len(part)])
            start += len(part)
    return parts


def completion_nats(logits_of: LabelLogits, rows: Sequence[Row]) -> list[torch.Tensor]:
    """Nats of every completion token as itself, row by row."""
    packed = pack_rows(rows)
    with torch.no_grad():
        hard = [replace(row, targets=None) for row in rows]
        return list(label_losses(logits_of(packed), hard).split(packed.label_counts))


def mean_loss(logits_of: LabelLogits, rows: Sequence[Row], max_tokens: int) -> float:
    """Nats per completion token of all rows together. `rows` is not empty."""
    nats = 0.0
    for part in parts_of(rows, max_tokens):
        nats += sum(map(float, map(torch.sum, completion_nats(logits_of, [rows[n] for n in part]))))
    return nats / sum(len(row.completion_ids) for row in rows)


def targets_of_rows(
    logits_of: LabelLogits, rows: Sequence[Row], *, width: int, budget: TokenBudget
) -> Iterator[tuple[int, SoftTargets]]:
    """The most probable tokens at every completion token, with the row's number, part by part."""
    for part in parts_of(rows, budget.max_tokens):
        own = [rows[number] for number in part]
        targets = budget.within(own, partial(_targets, logits_of, own, width))
        yield from zip(part, targets, strict=True)


def _targets(
    logits_of: LabelLogits, rows: Sequence[Row], width: int, max_tokens: int
) -> list[SoftTargets]:
    targets: list[SoftTargets] = []
    for part in split_rows(rows, max_tokens):
        packed = pack_rows(part)
        with torch.no_grad():
            probabilities = torch.softmax(logits_of(packed).float(), dim=1)
        shares, ids = probabilities.topk(width, dim=1)
        counts = packed.label_counts
        for row_ids, row_shares in zip(ids.split(counts), shares.split(counts), strict=True):
            targets.append(SoftTargets(row_ids.cpu().numpy(), row_shares.cpu().numpy()))
    return targets
